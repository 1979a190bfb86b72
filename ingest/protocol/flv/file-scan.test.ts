import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DESCRIPTION } from '../../../test/support/encoded-clip.ts';
import type { SegmentScan } from '../fmp4/segment-scan.ts';
import { encodeFlvFragment, encodeFlvStart, FLV_DURATION_AT, FLV_FILESIZE_AT } from './file.ts';
import { scanFlv } from './file-scan.ts';
import type { FlvTag } from './file-tag.ts';

/** What the mark of a fragment says: sound that overlaps the next one's. */
const marked = (index: number) => {
  const [start, end] = [index * 5760, (index + 1) * 5760];
  return { start, end, allFrom: start + 90, allThrough: end - 180, key: true };
};

/** Header and five fragments, and where each ends. */
function segment(path = DESCRIPTION.path): { bytes: Buffer; headerBytes: number; headerCrc: number; ends: number[] } {
  const start = encodeFlvStart({
    description: { ...DESCRIPTION, path },
    metadata: new Map([['encoder', 'onHeadwaterFragment']]),
    codecs: ['aac'],
    hasVideo: false,
    hasAudio: true,
    headers: [{ type: 8, body: Buffer.from('af001190', 'hex') }],
  });
  const pieces = [start.bytes];
  const ends: number[] = [];
  let length = start.bytes.length;
  for (let index = 0; index < 5; index += 1) {
    const tags = [0, 21, 42].map(
      (ms): FlvTag => ({ type: 8, timestamp: index * 64 + ms, body: Buffer.alloc(30, 0xaf + ms) }),
    );
    const mark = marked(index);
    const fragment = encodeFlvFragment(index + 1, tags, mark);
    pieces.push(...fragment.buffers);
    length += fragment.bytes;
    ends.push(length);
  }
  return { bytes: Buffer.concat(pieces), headerBytes: start.bytes.length, headerCrc: start.crc, ends };
}

const scan = (bytes: Buffer, salvage = false): Promise<SegmentScan> =>
  scanFlv((offset, length) => bytes.subarray(offset, offset + length), bytes.length, { salvage });

const WHOLE = segment();
const STARTS = [WHOLE.headerBytes, ...WHOLE.ends];

describe('scanFlv', () => {
  it('finds header, description and every fragment of a whole file', async () => {
    expect(await scan(WHOLE.bytes)).toEqual({
      headerBytes: WHOLE.headerBytes,
      headerCrc: WHOLE.headerCrc,
      validBytes: WHOLE.bytes.length,
      damage: [],
      description: { ...DESCRIPTION, tracks: [{ id: 1, codec: 'aac' }] },
      fragments: WHOLE.ends.map((end, index) => ({
        offset: STARTS[index],
        bytes: end - STARTS[index]!,
        sequence: index + 1,
        ...marked(index),
      })),
    });
  });

  it('is not misled by a path that looks like a mark', async () => {
    const { bytes } = segment('live/onHeadwaterFragment');
    expect((await scan(bytes)).fragments).toHaveLength(5);
  });

  it('keeps the whole fragments of a file cut at any byte', async () => {
    for (let size = 0; size <= WHOLE.bytes.length; size += 1) {
      const found = await scan(WHOLE.bytes.subarray(0, size));
      const whole = WHOLE.ends.filter((end) => end <= size);
      const headerBytes = size >= WHOLE.headerBytes ? WHOLE.headerBytes : 0;
      expect(found.headerBytes, `cut at ${size}`).toBe(headerBytes);
      expect(found.fragments.length, `cut at ${size}`).toBe(whole.length);
      expect(found.validBytes, `cut at ${size}`).toBe(whole.at(-1) ?? headerBytes);
    }
  });

  it('never takes a fragment with a flipped bit for whole, and keeps every other', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(WHOLE.bytes.length * 8 - 1), fc.boolean(), async (bit, salvage) => {
        const at = bit >> 3;
        const bytes = Buffer.from(WHOLE.bytes);
        bytes[at]! ^= 1 << (bit & 7);
        const found = await scan(bytes, salvage);
        const isPatched =
          (at >= FLV_DURATION_AT && at < FLV_DURATION_AT + 8) || (at >= FLV_FILESIZE_AT && at < FLV_FILESIZE_AT + 8);
        const inHeader = at < WHOLE.headerBytes && !isPatched;
        const hit = isPatched ? 5 : WHOLE.ends.findIndex((end) => at < end);
        const kept = inHeader ? [] : [1, 2, 3, 4, 5].filter((_, i) => i < hit || (salvage && i > hit));
        expect(found.fragments.map(({ sequence }) => sequence)).toEqual(kept);
        expect(found.validBytes).toBe(inHeader ? 0 : STARTS[hit]);
      }),
      { numRuns: 1500 },
    );
  });

  it('takes arbitrary bytes for what they are', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 500 }), async (noise) => {
        const found = await scan(Buffer.concat([WHOLE.bytes.subarray(0, WHOLE.headerBytes), noise]), true);
        expect(found.fragments).toEqual([]);
        expect((await scan(Buffer.from(noise), true)).headerBytes).toBe(0);
      }),
    );
  });
});
