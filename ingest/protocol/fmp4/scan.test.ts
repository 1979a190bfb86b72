import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DESCRIPTION } from '../../../test/support/encoded-clip.ts';
import { encodeFragment, type Mp4Sample } from './fragment.ts';
import { encodeInitSegment } from './init-segment.ts';
import { FRAGMENT_UUID } from './integrity-box.ts';
import type { Mp4Track } from './mp4-track.ts';
import { scanMp4 } from './scan.ts';
import type { SegmentScan } from './segment-scan.ts';

/** AAC LC, 48 kHz, stereo. */
const AUDIO: Mp4Track = { id: 1, codec: 'aac', record: Buffer.from('1190', 'hex') };

function samples(from: number, count: number, data: Buffer = Buffer.alloc(40, from & 0xff)): Mp4Sample[] {
  return Array.from({ length: count }, (_, index) => ({
    dts: from + index * 1920,
    duration: 1920,
    compositionOffset: 0,
    key: true,
    data,
  }));
}

/** Header and five fragments, and where each ends. */
function segment(payload?: Buffer): { bytes: Buffer; headerBytes: number; ends: number[]; headerCrc: number } {
  const init = encodeInitSegment([AUDIO], DESCRIPTION);
  const pieces = [init.bytes];
  const ends: number[] = [];
  let length = init.bytes.length;
  for (let index = 0; index < 5; index += 1) {
    const events = index === 2 ? [{ dts: 7, data: Buffer.from('note') }] : [];
    const runs = [{ trackId: 1, samples: samples(index * 5760, 3, payload) }];
    const fragment = encodeFragment(index + 1, runs, events);
    pieces.push(...fragment.buffers);
    length += fragment.bytes;
    ends.push(length);
  }
  return { bytes: Buffer.concat(pieces), headerBytes: init.bytes.length, ends, headerCrc: init.crc };
}

const scan = (bytes: Buffer, salvage = false): Promise<SegmentScan> =>
  scanMp4((offset, length) => bytes.subarray(offset, offset + length), bytes.length, { salvage });

const WHOLE = segment();

describe('scanMp4', () => {
  it('finds header, description and every fragment of a whole file', async () => {
    const found = await scan(WHOLE.bytes);
    expect(found).toMatchObject({
      headerBytes: WHOLE.headerBytes,
      headerCrc: WHOLE.headerCrc,
      validBytes: WHOLE.bytes.length,
      damage: [],
      description: { ...DESCRIPTION, tracks: [{ id: 1, codec: 'aac' }] },
    });
    const starts = [WHOLE.headerBytes, ...WHOLE.ends];
    expect(found.fragments).toEqual(
      WHOLE.ends.map((end, index) => ({
        offset: starts[index],
        bytes: end - starts[index]!,
        sequence: index + 1,
        start: index * 5760,
        end: (index + 1) * 5760,
        allFrom: index * 5760,
        allThrough: (index + 1) * 5760,
        key: true,
      })),
    );
  });

  it('reads through a reader that answers later', async () => {
    const { bytes } = WHOLE;
    const found = await scanMp4(async (offset, length) => bytes.subarray(offset, offset + length), bytes.length);
    expect(found.fragments).toHaveLength(5);
  });

  it('keeps the whole fragments of a file cut at any byte', async () => {
    for (let size = 0; size <= WHOLE.bytes.length; size += 1) {
      const found = await scan(WHOLE.bytes.subarray(0, size));
      const whole = WHOLE.ends.filter((end) => end <= size);
      const headerBytes = size >= WHOLE.headerBytes ? WHOLE.headerBytes : 0;
      expect(found.headerBytes, `cut at ${size}`).toBe(headerBytes);
      expect(found.fragments.length, `cut at ${size}`).toBe(whole.length);
      expect(found.validBytes, `cut at ${size}`).toBe(whole.at(-1) ?? headerBytes);
      const damaged = found.damage.reduce((sum, { bytes }) => sum + bytes, 0);
      expect(found.validBytes + damaged, `cut at ${size}`).toBe(size);
    }
  });

  it('never takes a fragment with a flipped bit for whole, and keeps every other', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(WHOLE.bytes.length * 8 - 1), fc.boolean(), async (bit, salvage) => {
        const bytes = Buffer.from(WHOLE.bytes);
        bytes[bit >> 3]! ^= 1 << (bit & 7);
        const found = await scan(bytes, salvage);
        const hit = WHOLE.ends.findIndex((end) => bit >> 3 < end);
        const inHeader = bit >> 3 < WHOLE.headerBytes;
        const all = [1, 2, 3, 4, 5];
        const kept = inHeader ? [] : all.filter((_, index) => index < hit || (salvage && index > hit));
        expect(found.fragments.map(({ sequence }) => sequence)).toEqual(kept);
        expect(found.damage.length).toBe(1);
        const starts = [WHOLE.headerBytes, ...WHOLE.ends];
        expect(found.validBytes).toBe(inHeader ? 0 : starts[hit]);
      }),
      { numRuns: 1500 },
    );
  });

  it('survives any run of bytes that was zeroed or overwritten', async () => {
    const noise = fc.oneof(fc.constant(undefined), fc.uint8Array({ minLength: 1, maxLength: 400 }));
    await fc.assert(
      fc.asyncProperty(
        fc.nat(WHOLE.bytes.length - 1),
        fc.integer({ min: 1, max: 600 }),
        noise,
        async (at, length, fill) => {
          const bytes = Buffer.from(WHOLE.bytes);
          bytes.fill(fill ? Buffer.from(fill) : 0, at, Math.min(bytes.length, at + length));
          const until = Math.min(bytes.length, at + length);
          const found = await scan(bytes, true);
          const starts = [WHOLE.headerBytes, ...WHOLE.ends];
          if (bytes.subarray(0, WHOLE.headerBytes).equals(WHOLE.bytes.subarray(0, WHOLE.headerBytes))) {
            const untouched = WHOLE.ends.flatMap((end, index) =>
              until <= starts[index]! || at >= end ? [index + 1] : [],
            );
            expect(found.fragments.map(({ sequence }) => sequence)).toEqual(expect.arrayContaining(untouched));
          }
          for (const { offset, bytes: size } of found.fragments) {
            expect(bytes.subarray(offset, offset + size)).toEqual(WHOLE.bytes.subarray(offset, offset + size));
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  it('takes arbitrary bytes for what they are', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 500 }), async (noise) => {
        const found = await scan(Buffer.concat([WHOLE.bytes.subarray(0, WHOLE.headerBytes), noise]), true);
        expect(found.fragments).toEqual([]);
        expect(found.validBytes).toBe(WHOLE.headerBytes);
      }),
    );
  });

  it('does not sum a file up over and over for false marks in its media', async () => {
    // Each false mark claims everything from the damage to itself, as a publisher could write it who wants recovery to hang.
    const mark = Buffer.alloc(56);
    mark.writeUInt32BE(56);
    mark.write('uuid', 4);
    FRAGMENT_UUID.copy(mark, 8);
    mark[24] = 1;
    const marks = 20_000;
    const payload = Buffer.alloc(56 * marks);
    for (let index = 0; index < marks; index += 1) {
      mark.writeUInt32BE(index * 56, 32);
      mark.copy(payload, index * 56);
    }
    const { bytes, headerBytes } = segment(payload);
    bytes[headerBytes + 5]! ^= 1;
    let read = 0;
    const found = await scanMp4(
      (offset, length) => {
        read += length;
        return bytes.subarray(offset, offset + length);
      },
      bytes.length,
      { salvage: true },
    );
    expect(found.validBytes).toBe(headerBytes);
    expect(read).toBeLessThan(bytes.length * 12);
  });
});
