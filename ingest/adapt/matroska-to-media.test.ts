import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Arrival, fixtureNames, matroskaFixture, messages, PayloadRun } from '../../test/support/payload-run.ts';
import { isVideoTrack } from '../media/media-event.ts';

const run = (file: string): PayloadRun => new PayloadRun(messages(matroskaFixture(file)));
const frameKey = (frame: PayloadRun['frames'][number]): string =>
  `${frame.track} ${frame.dts} ${frame.data.toString('hex')}`;

/** An element: id and content in hex, size in eight bytes so that it is no less than needed; `open`: size unknown. */
function element(id: string, content: Buffer | readonly Buffer[], isOpen = false): Buffer {
  const body = Buffer.isBuffer(content) ? content : Buffer.concat(content);
  const size = Buffer.alloc(8);
  size.writeUIntBE(body.length, 2, 6);
  size[0] = 1;
  return Buffer.concat([Buffer.from(id, 'hex'), isOpen ? Buffer.from('01ffffffffffffff', 'hex') : size, body]);
}

const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex');
const HEAD = element('1a45dfa3', element('4282', Buffer.from('matroska')));
const SEGMENT = element('18538067', Buffer.alloc(0), true);
const opus = (more: readonly Buffer[] = []): Buffer =>
  element(
    '1654ae6b',
    element('ae', [
      element('d7', bytes('01')),
      element('83', bytes('02')),
      element('86', Buffer.from('A_OPUS')),
      ...more,
    ]),
  );
const cluster = (ms: number, blocks: readonly Buffer[], isOpen = false): Buffer => {
  const time = Buffer.alloc(4);
  time.writeUInt32BE(ms);
  return element('1f43b675', [element('e7', time), ...blocks], isOpen);
};
/** A 20 ms packet whose last byte tells it from others. */
const packet = (ms: number, mark: number): Buffer => {
  const block = Buffer.from([0x81, 0, 0, 0x80, 0x08, mark]);
  block.writeInt16BE(ms, 1);
  return block;
};
const simple = (ms: number, mark: number): Buffer => element('a3', packet(ms, mark));

describe('MatroskaToMedia, on what ffmpeg sends', () => {
  it.each([
    ['vp9-opus.webm', ['v0 vp9 10', 'a0 opus 21']],
    ['vp8-flac.mkv', ['v0 vp8 10', 'a0 flac 19']],
    ['av1-aac.mkv', ['v0 av1 10', 'a0 aac 20']],
  ])('%s: every frame of every track', (file, want) => {
    const { events, frames, skipped, parts } = run(file);
    const configs = events.filter((event) => event.kind === 'config').sort((a, b) => a.track - b.track);
    const counts = configs.map(({ track, codec }) => {
      const own = frames.filter((frame) => frame.track === track);
      return `${isVideoTrack(track) ? 'v' : 'a'}0 ${codec} ${own.length}`;
    });
    expect(counts).toEqual(want);
    expect(skipped).toEqual([]);
    expect(parts).toEqual([]);
    const pictures = frames.filter(({ track }) => isVideoTrack(track));
    expect(pictures.map(({ dts, pts, key }) => [dts, pts, key])).toEqual(
      pictures.map((_, i) => [3600 * i, 3600 * i, i === 0]),
    );
    const metadata = events.filter((event) => event.kind === 'metadata').map(({ values }) => [...values.keys()].join());
    expect(metadata[0]).toBe('hasVideo,hasAudio');
    expect(metadata[1]).toContain('audiosamplerate');
  });

  it.each(fixtureNames('matroska'))('%s: any split gives the same events', (file) => {
    const whole = matroskaFixture(file);
    const want = new PayloadRun([whole]).traces;
    fc.assert(
      fc.property(fc.array(fc.nat(whole.length), { maxLength: 40 }), (cuts) => {
        const at = [0, ...cuts.sort((a, b) => a - b), whole.length];
        const pieces = at.slice(1).map((to, i) => whole.subarray(at[i], to));
        expect(new PayloadRun(pieces).traces).toEqual(want);
      }),
      { numRuns: 30 },
    );
  });

  it.each(fixtureNames('matroska'))('%s: no damaged frame, whatever is lost', (file) => {
    const source = run(file);
    const known = new Set(source.frames.map(frameKey));
    const all = messages(matroskaFixture(file), 188);
    fc.assert(
      fc.property(fc.nat(all.length - 1), fc.integer({ min: 1, max: 8 }), (at, lost) => {
        const arrivals: Arrival[] = [...all.slice(0, at), { lost }, ...all.slice(at + lost)];
        for (const frame of new PayloadRun(arrivals).frames) expect(known).toContain(frameKey(frame));
      }),
    );
  });
});

describe('MatroskaToMedia', () => {
  it('goes on with the next cluster behind a loss, and declares what is missing', () => {
    const stream = [HEAD, SEGMENT, opus(), cluster(0, [simple(0, 1), simple(20, 2), simple(40, 3)], true)];
    const next = cluster(100, [simple(0, 6), simple(20, 7)], true);
    const { lines, skipped } = new PayloadRun([
      ...stream,
      simple(60, 4).subarray(0, 9),
      { lost: 1 },
      simple(80, 5),
      next,
    ]);
    expect(lines).toEqual([
      ...['a0 config opus', 'a0 0', 'a0 20', 'a0 40', 'gap loss 40-100', 'a0 100', 'a0 120', 'end unpublish'],
    ]);
    expect(skipped).toEqual(['ERR_MATROSKA_LOST']);
  });

  it('reads block groups, skips what it does not know, and what is in no cluster', () => {
    const group = element('a0', [element('9b', bytes('14')), element('a1', packet(20, 2))]);
    const void_ = element('ec', Buffer.alloc(300));
    const { lines, skipped } = new PayloadRun([
      Buffer.concat([HEAD, SEGMENT, void_, opus(), simple(0, 9), cluster(0, [void_, simple(0, 1), group]), void_]),
    ]);
    expect(lines).toEqual(['a0 config opus', 'a0 0', 'a0 20', 'end unpublish']);
    expect(skipped).toEqual(['ERR_MATROSKA_BROKEN']);
  });

  it('another scale of time', () => {
    const info = element('1549a966', element('2ad7b1', bytes('0186a0'))); // 0.1 ms
    const { lines } = new PayloadRun([Buffer.concat([HEAD, SEGMENT, info, opus(), cluster(1000, [simple(200, 1)])])]);
    expect(lines).toContain('a0 120');
  });

  it.each([
    [
      'a codec that comes in another container',
      element(
        '1654ae6b',
        element('ae', [
          element('d7', bytes('01')),
          element('83', bytes('01')),
          element('86', Buffer.from('V_MPEG4/ISO/AVC')),
        ]),
      ),
    ],
    ['compressed frames', opus([element('6d80', Buffer.alloc(3))])],
  ])('%s is left out', (_, tracks) => {
    const { lines, skipped } = new PayloadRun([Buffer.concat([HEAD, SEGMENT, tracks, cluster(0, [simple(0, 1)])])]);
    expect(lines).toEqual(['end unpublish']);
    expect(skipped).toEqual(['ERR_MATROSKA_UNSUPPORTED']);
  });

  it('frames that are laced together are left out', () => {
    const laced = packet(20, 2);
    laced[3] = 0x82;
    const { lines, skipped } = new PayloadRun([
      Buffer.concat([HEAD, SEGMENT, opus(), cluster(0, [simple(0, 1), element('a3', laced)])]),
    ]);
    expect(lines).toEqual(['a0 config opus', 'a0 0', 'end unpublish']);
    expect(skipped).toEqual(['ERR_MATROSKA_UNSUPPORTED']);
  });

  it.each([
    ['no element', '00', 'ERR_MATROSKA_BROKEN'],
    ['an id of five bytes', '0842868180', 'ERR_MATROSKA_BROKEN'],
    ['a block of unknown size', 'a3ff', 'ERR_MATROSKA_BROKEN'],
    ['a block that is too large', 'a30802000000', 'ERR_MATROSKA_TOO_LARGE'],
    ['a description that is too large', '1549a966 10200000', 'ERR_MATROSKA_TOO_LARGE'],
  ])('%s: the next cluster is looked for', (_, hex, code) => {
    const first = Buffer.concat([HEAD, SEGMENT, opus(), cluster(0, [simple(0, 1)])]);
    // What looks like a cluster and does not begin with its time is none.
    const lure = Buffer.concat([bytes('1f43b675'), bytes('88a3')]);
    const { lines, skipped } = new PayloadRun([first, bytes(hex), lure, simple(20, 2), cluster(60, [simple(0, 3)])]);
    expect(lines).toEqual(['a0 config opus', 'a0 0', 'gap loss 0-60', 'a0 60', 'end unpublish']);
    expect(new Set(skipped)).toEqual(new Set([code, 'ERR_MATROSKA_BROKEN']));
  });

  it('a stream that begins anew goes on behind the one before', () => {
    const one = Buffer.concat([HEAD, SEGMENT, opus(), cluster(60_000, [simple(0, 1), simple(20, 2)])]);
    const { lines } = new PayloadRun([one, one]);
    expect(lines).toEqual([
      'a0 config opus',
      'a0 60000',
      'a0 60020',
      'gap clock 60020-60040',
      'a0 60040',
      'a0 60060',
      'end unpublish',
    ]);
  });
});
