import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type GapEvent, TICKS_PER_MS } from './media-event.ts';
import { Timeline } from './timeline.ts';

type Step = readonly [timestamp: number, arrivedAt: number];

/** Runs the steps; gaps as `cause from-to` in ms. */
function run(steps: readonly Step[]): { times: number[]; gaps: string[] } {
  const gaps: string[] = [];
  const timeline = new Timeline(({ cause, from, to }: GapEvent) =>
    gaps.push(`${cause} ${from / TICKS_PER_MS}-${to / TICKS_PER_MS}`),
  );
  return { times: steps.map(([timestamp, arrivedAt]) => timeline.advance(timestamp, arrivedAt)), gaps };
}

const U31 = 2 ** 31;
const U32 = 2 ** 32;

describe('Timeline', () => {
  it.each<{ name: string; steps: readonly Step[]; times: readonly number[]; gaps?: readonly string[] }>([
    {
      name: 'keeps the source time',
      steps: [
        [5000, 0],
        [5040, 40],
      ],
      times: [5000, 5040],
    },
    {
      name: 'goes on over the wrap at 2³¹ (ffmpeg)',
      steps: [
        [U31 - 20, 0],
        [20, 40],
        [60, 80],
      ],
      times: [U31 - 20, U31 + 20, U31 + 60],
    },
    {
      name: 'goes on through 2³¹ without a wrap, and over the wrap at 2³²',
      steps: [
        [U31 - 20, 0],
        [U31 + 20, 40],
      ],
      times: [U31 - 20, U31 + 20],
    },
    {
      name: 'goes on over the wrap at 2³²',
      steps: [
        [U32 - 20, 0],
        [U32 - 5, 15],
        [20, 40],
        [60, 80],
      ],
      times: [U32 - 20, U32 - 5, U32 + 20, U32 + 60],
    },
    {
      name: 'takes the other track back over a wrap',
      steps: [
        [U32 - 20, 0],
        [10, 30],
        [U32 - 10, 31],
        [30, 50],
      ],
      times: [U32 - 20, U32 + 10, U32 - 10, U32 + 30],
    },
    {
      name: 'a step back of three seconds is interleaving',
      steps: [
        [9000, 0],
        [6000, 1],
        [9020, 20],
      ],
      times: [9000, 6000, 9020],
    },
    {
      name: 'a longer step back is a clock that was set: time goes on as it passed here',
      steps: [
        [9000, 0],
        [0, 25],
        [40, 65],
      ],
      times: [9000, 9025, 9065],
      gaps: ['clock 9000-9025'],
    },
    {
      name: 'no less than a millisecond passes in a jump',
      steps: [
        [9000, 0],
        [0, 0],
      ],
      times: [9000, 9001],
      gaps: ['clock 9000-9001'],
    },
    {
      name: 'a forward jump that no time here confirms',
      steps: [
        [1000, 0],
        [1_000_000, 40],
        [1_000_040, 80],
      ],
      times: [1000, 1040, 1080],
      gaps: ['clock 1000-1040'],
    },
    {
      name: 'a pause that the time here confirms, within ten seconds',
      steps: [
        [1000, 0],
        [61_000, 52_000],
        [61_040, 52_040],
      ],
      times: [1000, 61_000, 61_040],
      gaps: ['stall 1000-61000'],
    },
    {
      name: 'a pause of ten seconds is none',
      steps: [
        [1000, 0],
        [11_000, 10],
      ],
      times: [1000, 11_000],
    },
    {
      name: 'a jump that both tracks make, one after the other, is one',
      steps: [
        [90_000, 0],
        [90_010, 5],
        [0, 20],
        [90_030, 21],
        [40, 60],
        [50, 61],
      ],
      times: [90_000, 90_010, 90_025, 90_030, 90_065, 90_075],
      gaps: ['clock 90010-90025'],
    },
    {
      name: 'two tracks with clocks of their own keep their own pace',
      steps: [
        [1000, 0],
        [500_000, 10],
        [1040, 40],
        [500_040, 50],
        [1080, 80],
        [500_080, 90],
      ],
      times: [1000, 1010, 1040, 1050, 1080, 1090],
      gaps: ['clock 1000-1010'],
    },
    {
      name: 'a clock that returns long after is not put into the past',
      steps: [
        [100_000, 0],
        [0, 40],
        ...Array.from({ length: 30 }, (_, i): Step => [1000 * (i + 1), 1040 + 1000 * i]),
        [100_040, 30_080],
      ],
      times: [100_000, 100_040, ...Array.from({ length: 30 }, (_, i) => 101_040 + 1000 * i), 130_080],
      gaps: ['clock 100000-100040', 'clock 130040-130080'],
    },
  ])('$name', ({ steps, times, gaps = [] }) => {
    expect(run(steps)).toEqual({ times, gaps });
  });

  it('is exact for any steps that interleave, from any start, through either wrap', () => {
    const anySteps = fc.array(fc.integer({ min: -1500, max: 4000 }), { maxLength: 50 });
    fc.assert(
      fc.property(fc.nat(U32 - 1), anySteps, fc.constantFrom(U31, U32), (start, steps, wrap) => {
        const first = start % wrap;
        const truth = [first];
        for (const step of steps) truth.push(Math.max(truth.at(-1)! + step, first));
        const { times, gaps } = run(truth.map((ms): Step => [ms % wrap, ms]));
        expect(times).toEqual(truth);
        expect(gaps).toEqual([]);
      }),
    );
  });

  it('any timestamps: time never steps back further than interleaving does, and gaps go forward', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(U32 - 1), fc.nat(20_000)), { maxLength: 60 }), (messages) => {
        let now = 0;
        let before = Number.NEGATIVE_INFINITY;
        const timeline = new Timeline(({ from, to }) => expect(to).toBeGreaterThan(from));
        for (const [timestamp, wait] of messages) {
          now += wait;
          const ms = timeline.advance(timestamp, now);
          expect(ms).toBeGreaterThanOrEqual(before - 3000);
          before = ms;
        }
      }),
    );
  });

  it('locates what must not move the clock', () => {
    const timeline = new Timeline(() => {});
    expect(timeline.locate(77)).toBe(77);
    timeline.advance(U32 - 100, 0);
    expect(timeline.locate(100)).toBe(U32 + 100);
    expect(timeline.locate(0x7000_0000)).toBe(U32 - 100);
    expect(timeline.advance(0, 100)).toBe(U32);
  });
});
