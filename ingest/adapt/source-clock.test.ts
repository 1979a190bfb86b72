import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { GapEvent } from '../media/media-event.ts';
import { ClockLane, compositionTicks, SourceClock } from './source-clock.ts';

const WRAP = 2 ** 33;
type Step = readonly [lane: 'v' | 'a', ms: number, arrivedAt: number] | 'flag';

/** Runs steps whose times are in ms; results are too. */
function run(steps: readonly Step[], from = 0): { times: number[]; gaps: string[] } {
  const gaps: string[] = [];
  const clock = new SourceClock(({ cause, from, to }: GapEvent) => void gaps.push(`${cause} ${from / 90}-${to / 90}`));
  const lanes = { v: new ClockLane(), a: new ClockLane() };
  const times = steps.flatMap((step) => {
    if (step === 'flag') {
      clock.flag();
      return [];
    }
    const [lane, ms, arrivedAt] = step;
    return [clock.advance(lanes[lane], ((((from + ms) * 90) % WRAP) + WRAP) % WRAP, arrivedAt) / 90];
  });
  return { times, gaps };
}

describe('SourceClock', () => {
  it.each<{ name: string; steps: readonly Step[]; times: readonly number[]; gaps?: readonly string[] }>([
    {
      name: 'keeps the source times',
      steps: [
        ['v', 5000, 0],
        ['v', 5040, 40],
      ],
      times: [5000, 5040],
    },
    {
      name: 'a track that began earlier goes below the first time',
      steps: [
        ['v', 5000, 0],
        ['a', 4900, 1],
        ['v', 5040, 40],
        ['a', 4921, 41],
      ],
      times: [5000, 4900, 5040, 4921],
    },
    {
      name: 'a pause that the time here confirms',
      steps: [
        ['v', 0, 0],
        ['v', 60_000, 55_000],
        ['v', 60_040, 55_040],
      ],
      times: [0, 60_000, 60_040],
      gaps: ['stall 0-60000'],
    },
    {
      name: 'a file that begins again: all tracks go on with one offset',
      steps: [
        ...([
          ['v', 20_000, 0],
          ['a', 19_900, 1],
          ['v', 20_040, 40],
          ['a', 19_921, 41],
        ] as const),
        ...([
          ['v', 0, 80],
          ['a', -100, 81],
          ['v', 40, 120],
          ['a', -79, 121],
        ] as const),
      ],
      times: [20_000, 19_900, 20_040, 19_921, 20_080, 19_980, 20_120, 20_001],
      gaps: ['clock 20040-20080'],
    },
    {
      name: 'one that lasts two seconds, too',
      steps: [
        ['v', 0, 0],
        ['v', 2000, 2000],
        ['v', 2040, 2040],
        ['v', 0, 2080],
        ['v', 40, 2120],
      ],
      times: [0, 2000, 2040, 2080, 2120],
      gaps: ['clock 2040-2080'],
    },
    {
      name: 'a track that would step back behind a jump takes the clock with it',
      steps: [
        ['v', 20_000, 0],
        ['a', 20_000, 1],
        ['v', 20_040, 40],
        ['a', 20_021, 41],
        ['v', 0, 80],
        ['a', -200, 81],
        ['v', 40, 120],
        ['a', -179, 121],
      ],
      times: [20_000, 20_000, 20_040, 20_021, 20_080, 20_042, 20_282, 20_063],
      gaps: ['clock 20040-20080'],
    },
    {
      name: 'of two tracks one may stay on the old clock for a while',
      steps: [
        ['v', 50_000, 0],
        ['a', 50_000, 1],
        ['v', 50_040, 40],
        ['a', 50_021, 41],
        ['v', 0, 80],
        ['a', 50_042, 81],
        ['v', 40, 120],
        ['a', -5, 121],
      ],
      times: [50_000, 50_000, 50_040, 50_021, 50_080, 50_042, 50_120, 50_075],
      gaps: ['clock 50040-50080'],
    },
    {
      name: 'a flagged jump of two seconds ahead is one',
      steps: [['v', 0, 0], ['v', 40, 40], 'flag', ['v', 80, 80], ['v', 2200, 120], ['v', 2240, 160]],
      times: [0, 40, 80, 120, 160],
      gaps: ['clock 80-120'],
    },
    {
      name: 'a flag without a jump is none',
      steps: [['v', 0, 0], ['v', 40, 40], 'flag', ['v', 80, 80], ['v', 120, 120], ['v', 160, 160]],
      times: [0, 40, 80, 120, 160],
    },
    {
      name: 'two seconds ahead without a flag are in the source',
      steps: [
        ['v', 0, 0],
        ['v', 40, 40],
        ['v', 2200, 80],
      ],
      times: [0, 40, 2200],
    },
    {
      name: 'small disorder never goes back',
      steps: [
        ['v', 1000, 0],
        ['v', 960, 10],
        ['v', 1040, 40],
      ],
      times: [1000, 1000, 1040],
    },
  ])('$name', ({ steps, times, gaps = [] }) => {
    expect(run(steps)).toEqual({ times, gaps });
  });

  it('all tracks wrap together', () => {
    const from = WRAP / 90 - 100;
    const { times, gaps } = run(
      [
        ['v', 0, 0],
        ['a', -20, 1],
        ['v', 120, 40],
        ['a', 90, 41],
        ['a', 130, 42],
        ['v', 160, 43],
      ],
      from,
    );
    expect(times.map((time) => Math.round(time - from))).toEqual([0, -20, 120, 90, 130, 160]);
    expect(gaps).toEqual([]);
  });

  it('is exact for any steps within a track, from anywhere', () => {
    fc.assert(
      fc.property(fc.nat(WRAP - 1), fc.array(fc.nat(900_000), { maxLength: 60 }), (start, steps) => {
        const clock = new SourceClock(() => expect.fail('a gap'));
        const lane = new ClockLane();
        let time = start;
        expect(clock.advance(lane, start, 0)).toBe(start);
        for (const step of steps) {
          time += step;
          expect(clock.advance(lane, time % WRAP, 0)).toBe(time);
        }
      }),
    );
  });

  it('any times: no track goes back, gaps go forward', () => {
    const step = fc.tuple(fc.boolean(), fc.oneof(fc.nat(WRAP - 1), fc.nat(500_000)), fc.nat(20_000), fc.boolean());
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const clock = new SourceClock(({ from, to }) => expect(to).toBeGreaterThan(from));
        const lanes = [new ClockLane(), new ClockLane()] as const;
        let now = 0;
        for (const [which, time, wait, isFlagged] of steps) {
          now += wait;
          if (isFlagged) clock.flag();
          const lane = lanes[which ? 0 : 1];
          const before = lane.at ?? Number.NEGATIVE_INFINITY;
          expect(clock.advance(lane, time, now)).toBeGreaterThanOrEqual(before);
          expect(clock.newest).toBeGreaterThanOrEqual(lane.at!);
        }
      }),
    );
  });

  it('locates what must not move it', () => {
    const clock = new SourceClock(() => {});
    const lane = new ClockLane();
    expect(clock.locate(lane, 5)).toBeUndefined();
    clock.advance(lane, 90_000, 0);
    expect(clock.locate(lane, 93_600)).toBe(93_600);
    expect(clock.locate(lane, 90_000_000)).toBeUndefined();
    expect(clock.advance(lane, 93_000, 40)).toBe(93_000);
  });

  it('composition times are signed, over the wrap too', () => {
    expect(compositionTicks(7200, 3600)).toBe(3600);
    expect(compositionTicks(100, WRAP - 100)).toBe(200);
    expect(compositionTicks(WRAP - 100, 100)).toBe(-200);
  });
});
