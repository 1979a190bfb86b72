import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BitReader } from './bit-reader.ts';
import { NeedMoreBytes } from './byte-reader.ts';

const reader = (bits: string) =>
  new BitReader(
    Uint8Array.from(
      bits
        .replaceAll(' ', '')
        .padEnd(Math.ceil(bits.length / 8) * 8, '0')
        .match(/.{8}/g) ?? [],
      (b) => Number.parseInt(b, 2),
    ),
  );

describe('BitReader', () => {
  it('reads fields across bytes, 32 bits at once unsigned', () => {
    const r = new BitReader(Buffer.from('a5ffffffff80', 'hex'));
    expect([r.bits(4), r.flag(), r.bits(3), r.bits(32), r.flag()]).toEqual([10, false, 5, 0xffffffff, true]);
    expect(r.left).toBe(7);
    expect(r.bits(0)).toBe(0);
    r.align();
    expect([r.left, r.at]).toEqual([0, 48]);
    r.align();
    expect(r.at).toBe(48);
  });

  // ISO 14496-10 table 9-2.
  it.each([
    ['1', 0, 0],
    ['010', 1, 1],
    ['011', 2, -1],
    ['00100', 3, 2],
    ['00111', 6, -3],
    ['0001000', 7, 4],
    ['000000000 1 000000001', 2 ** 9, -256],
  ])('Exp-Golomb %s is %d, signed %d', (bits, unsigned, signed) => {
    expect(reader(bits).ue()).toBe(unsigned);
    expect(reader(bits).se()).toBe(signed);
  });

  it('fails at the end, and on a code that never ends', () => {
    expect(() => reader('1').bits(9)).toThrow(NeedMoreBytes);
    expect(() => new BitReader(Buffer.alloc(4)).ue()).toThrow(NeedMoreBytes);
    expect(() => new BitReader(Buffer.alloc(400)).ue()).toThrow(NeedMoreBytes);
    expect(() => reader('1').skip(9)).toThrow(NeedMoreBytes);
    expect(() => reader('1').bits(33)).toThrow(RangeError);
  });

  it('any grouping of bits gives the same number', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.integer({ min: 0, max: 32 }), (bytes, cut) => {
        const whole = new BitReader(bytes).bits(32);
        const r = new BitReader(bytes);
        expect(r.bits(cut) * 2 ** (32 - cut) + r.bits(32 - cut)).toBe(whole);
      }),
    );
  });
});
