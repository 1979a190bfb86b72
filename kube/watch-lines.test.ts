import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type WatchEvent, WatchLines } from './watch-lines.ts';

const events: WatchEvent[] = [
  { type: 'ADDED', object: { metadata: { name: 'kamera-ä', resourceVersion: '1' } } },
  { type: 'BOOKMARK', object: { metadata: { resourceVersion: '22' } } },
  { type: 'DELETED', object: { metadata: { name: 'x', annotations: { note: 'two\nlines' } } } },
];
const bytes = Buffer.from(events.map((event) => `${JSON.stringify(event)}\n`).join(''));

describe('WatchLines', () => {
  it('any split of the bytes gives the same events', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 1, max: bytes.length - 1 })), (cuts) => {
        const lines = new WatchLines();
        const places = [0, ...cuts.sort((a, b) => a - b), bytes.length];
        const got = places.slice(1).flatMap((end, index) => lines.push(bytes.subarray(places[index]!, end)));
        expect(got).toEqual(events);
      }),
    );
  });

  it('leaves out a last line without its end, and empty ones', () => {
    expect(new WatchLines().push(Buffer.from('\n{"type":"ADDED","object":{}}\n{"type":"ADDED"'))).toHaveLength(1);
  });

  it.each(['nonsense\n', '7\n', 'null\n', '{"type":"ADDED"}\n'])('refuses %j', (text) => {
    expect(() => new WatchLines().push(Buffer.from(text))).toThrow(/ERR_KUBE_MALFORMED/);
  });

  it('refuses a line without an end', () => {
    const lines = new WatchLines();
    const piece = Buffer.alloc(1024 * 1024, 0x20);
    expect(() => {
      for (let index = 0; index < 9; index++) lines.push(piece);
    }).toThrow(/ERR_KUBE_MALFORMED: an endless line/);
  });
});
