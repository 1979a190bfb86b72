import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { byteStreamSize, findNalUnits, prefixLengths, writeByteStream } from './annex-b.ts';
import { joinNalUnits, type NalLengthSize, nalUnits } from './nal-units.ts';

/** Bytes as they stand in a stream: no start code in them, and no zero at the end. */
const unit = fc
  .uint8Array({ minLength: 1, maxLength: 40 })
  .map((bytes) => Buffer.from(bytes.map((byte, i) => (i === bytes.length - 1 || byte < 4 ? byte | 4 : byte))));
const piece = fc.record({ unit, zeros: fc.integer({ min: 2, max: 5 }), keep: fc.boolean() });

/** With start codes of 3 bytes and more. */
function byteStream(pieces: readonly { unit: Buffer; zeros: number }[]): Buffer {
  return Buffer.concat(pieces.flatMap(({ unit, zeros }) => [Buffer.alloc(zeros), Buffer.from([1]), unit]));
}

describe('byte streams', () => {
  it('finds every unit, whatever zeros stand around it', () => {
    fc.assert(
      fc.property(fc.array(piece), fc.nat(6), fc.nat(6), (pieces, before, behind) => {
        const bytes = Buffer.concat([Buffer.alloc(before, 7), byteStream(pieces), Buffer.alloc(behind)]);
        const bounds: number[] = [];
        const count = findNalUnits(bytes, 0, bytes.length, bounds);
        const found = Array.from({ length: count }, (_, i) => bytes.subarray(bounds[2 * i], bounds[2 * i + 1]));
        expect(found.map((each) => each.toString('hex'))).toEqual(pieces.map((each) => each.unit.toString('hex')));
      }),
    );
  });

  it('puts lengths in front, in place or not, of the units that are kept', () => {
    fc.assert(
      fc.property(fc.array(piece, { minLength: 1 }), fc.nat(12), (pieces, room) => {
        const bytes = Buffer.concat([Buffer.alloc(room, 7), byteStream(pieces)]);
        const bounds: number[] = [];
        findNalUnits(bytes, room, bytes.length, bounds);
        const kept = pieces.flatMap(({ keep }, i) => (keep ? [bounds[2 * i]!, bounds[2 * i + 1]!] : []));
        const floor = bytes.subarray(0, Math.floor(room / 2)).toString('hex');
        const out = prefixLengths(bytes, Math.floor(room / 2), kept, kept.length / 2);
        const want = pieces.filter(({ keep }) => keep).map((each) => each.unit.toString('hex'));
        expect([...nalUnits(out, 4)].map((each) => each.toString('hex'))).toEqual(want);
        expect(bytes.subarray(0, Math.floor(room / 2)).toString('hex')).toBe(floor);
      }),
    );
  });

  it('the last unit stays where it is', () => {
    const bytes = Buffer.concat([
      Buffer.alloc(9),
      byteStream([
        { unit: Buffer.from('0605ff', 'hex'), zeros: 2 },
        { unit: Buffer.alloc(900, 9), zeros: 2 },
      ]),
    ]);
    const bounds: number[] = [];
    const count = findNalUnits(bytes, 9, bytes.length, bounds);
    const out = prefixLengths(bytes, 0, bounds, count);
    expect(out.buffer).toBe(bytes.buffer);
    expect(out.byteOffset + out.length).toBe(bytes.byteOffset + bytes.length);
  });

  it.each<NalLengthSize>([1, 2, 4])('lengths of %d bytes become start codes', (lengthSize) => {
    fc.assert(
      fc.property(fc.array(unit), (units) => {
        const data = joinNalUnits(units, lengthSize);
        const size = byteStreamSize(data, lengthSize);
        const out = Buffer.alloc(size + 2, 0xee);
        expect(writeByteStream(out, 1, data, lengthSize)).toBe(1 + size);
        const want = byteStream(units.map((each) => ({ unit: each, zeros: 3 })));
        expect(out.subarray(1, -1).toString('hex')).toBe(want.toString('hex'));
      }),
    );
  });
});
