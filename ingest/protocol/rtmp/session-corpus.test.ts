import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fixtureNames, readHexFixture } from '../../../test/support/hex-fixture.ts';
import { traceSession } from '../../../test/support/session-trace.ts';

const NAMES = fixtureNames();

/** All that a session says and sends when the client's bytes come in these pieces. */
function trace(pieces: readonly Buffer[]): string[] {
  const { lines, receive } = traceSession();
  receive(...pieces);
  return lines;
}

/** Acknowledgements count what has come; all else may not depend on the pieces. */
const withoutAcks = (lines: readonly string[]) => lines.filter((line) => !line.startsWith('> control 3'));

describe('RtmpSession with what clients send', () => {
  it('has the whole corpus', () => {
    expect(NAMES.length).toBeGreaterThanOrEqual(13);
  });

  it.each(NAMES)('%s', (name) => {
    const want = readFileSync(new URL(`../../../test/fixtures/rtmp/${name}.events`, import.meta.url), 'utf8');
    const got = trace([readHexFixture(name)]).filter((line) => !line.startsWith('> '));
    expect(got).toEqual(want.trimEnd().split('\n'));
  });

  it.each(NAMES)('%s, byte by byte', (name) => {
    const bytes = readHexFixture(name);
    const single = Array.from(bytes, (byte) => Buffer.of(byte));
    expect(withoutAcks(trace(single))).toEqual(withoutAcks(trace([bytes])));
  });

  it('any split of any of them gives the same events and answers', () => {
    const wholes = new Map(NAMES.map((name) => [name, withoutAcks(trace([readHexFixture(name)]))]));
    fc.assert(
      fc.property(
        fc.constantFrom(...NAMES),
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 20 }),
        (name, cuts) => {
          const bytes = readHexFixture(name);
          const edges = [0, ...cuts.map((cut) => Math.floor(cut * bytes.length)).sort((a, b) => a - b), bytes.length];
          const pieces = edges.slice(1).map((edge, i) => bytes.subarray(edges[i], edge));
          expect(withoutAcks(trace(pieces))).toEqual(wholes.get(name));
        },
      ),
      { numRuns: 200 },
    );
  });
});
