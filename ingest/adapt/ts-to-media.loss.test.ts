import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Arrival, fixtureNames, messages, PayloadRun, tsFixture } from '../../test/support/payload-run.ts';
import type { FrameEvent } from '../media/media-event.ts';

const key = ({ track, dts, pts, data }: FrameEvent): string => `${track} ${dts} ${pts} ${data.toString('hex')}`;

/** Leaves out the messages whose index is in `missing`; says how many, where they are, or says nothing (as UDP in front of a sender does). */
function withLoss(all: readonly Buffer[], missing: ReadonlySet<number>, isTold: boolean): Arrival[] {
  const arrivals: Arrival[] = [];
  let lost = 0;
  all.forEach((message, i) => {
    if (missing.has(i)) lost++;
    else {
      if (lost > 0 && isTold) arrivals.push({ lost });
      lost = 0;
      arrivals.push(message);
    }
  });
  if (lost > 0 && isTold) arrivals.push({ lost });
  return arrivals;
}

function expectWhole(source: PayloadRun, got: PayloadRun): void {
  const known = new Set(source.frames.map(key));
  for (const frame of got.frames) expect(known.has(key(frame)), `not a frame of the source: ${key(frame)}`).toBe(true);
}

/** What a recording that begins with the first keyframe lacks of the source is declared, unless the publication ended before it. */
function expectDeclared(source: PayloadRun, got: PayloadRun): void {
  const came = new Set(got.frames.map(key));
  const hasVideo = source.frames.some(({ track }) => track === 0);
  const first = got.frames.find(({ track }) => !hasVideo || track === 0);
  if (first === undefined) return;
  for (const frame of source.frames) {
    if (frame.dts < first.dts || came.has(key(frame))) continue;
    const isDeclared = got.gaps.some(({ from, to }) => from <= frame.dts && frame.dts < to);
    const isBeyond = frame.dts > Math.max(...got.frames.map(({ dts }) => dts));
    expect(isDeclared || isBeyond, `not declared: ${key(frame).slice(0, 40)} in ${JSON.stringify(got.gaps)}`).toBe(
      true,
    );
  }
}

describe('a transport stream with losses', () => {
  it.each(fixtureNames('ts'))('%s: no damaged frame, nothing missing that is not declared', (name) => {
    const bytes = tsFixture(name);
    const source = new PayloadRun(messages(bytes));
    fc.assert(
      fc.property(
        fc.constantFrom(188, 376, 500, 1316, 1456),
        fc.array(fc.tuple(fc.nat(80), fc.integer({ min: 1, max: 20 })), { minLength: 1, maxLength: 4 }),
        (size, holes) => {
          const all = messages(bytes, size);
          const missing = new Set(holes.flatMap(([at, count]) => Array.from({ length: count }, (_, i) => at + i)));
          const got = new PayloadRun(withLoss(all, missing, true));
          expectWhole(source, got);
          expectDeclared(source, got);
        },
      ),
    );
  });

  it.each(fixtureNames('ts'))('%s: losses that nobody tells of cost what they hit', (name) => {
    const bytes = tsFixture(name);
    const source = new PayloadRun(messages(bytes));
    // 16 packets of one PID are beyond what its counter can tell.
    const hole = fc.tuple(fc.nat(70), fc.integer({ min: 1, max: 15 }));
    fc.assert(
      fc.property(hole, ([at, count]) => {
        const all = messages(bytes, 188);
        const missing = new Set(Array.from({ length: count }, (_, i) => at + i));
        expectWhole(source, new PayloadRun(withLoss(all, missing, false)));
      }),
    );
  });
});
