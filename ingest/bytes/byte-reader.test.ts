import { describe, expect, it } from 'vitest';
import { ByteReader, NeedMoreBytes } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';

describe('ByteReader and ByteWriter', () => {
  it('read back every field that was written', () => {
    const bytes = new ByteWriter(1)
      .u8(0xfe)
      .u16(0x1234)
      .u24(0xffffde)
      .u32(0xfedcba98)
      .u64(2 ** 53 - 1)
      .f64(-1.5)
      .u16le(0x1234)
      .u32le(0xfedcba98)
      .utf8('ü')
      .latin1('avc1')
      .fill(2, 7)
      .bytes(Buffer.from([1, 2]))
      .finish();
    const r = new ByteReader(bytes);
    expect(r.peek()).toBe(0xfe);
    expect([r.u8(), r.u16(), r.i24(), r.u32(), r.u64(), r.f64(), r.u16le(), r.u32le()]).toEqual([
      0xfe,
      0x1234,
      -34,
      0xfedcba98,
      2 ** 53 - 1,
      -1.5,
      0x1234,
      0xfedcba98,
    ]);
    expect([r.utf8(2), r.latin1(4), r.u8(), r.u8()]).toEqual(['ü', 'avc1', 7, 7]);
    expect(r.rest()).toEqual(Buffer.from([1, 2]));
    expect([r.left, r.peek(), r.at]).toEqual([0, -1, bytes.length]);
  });

  it('cuts integers to their width', () => {
    expect(new ByteWriter().u8(0x1ff).u16(0x12345).u24(-1).u32(-2).u32le(-1).finish().toString('hex')).toBe(
      'ff2345fffffffffffffeffffffff',
    );
  });

  it('every field may be the one that makes the buffer grow', () => {
    const fields: ((w: ByteWriter) => ByteWriter)[] = [
      (w) => w.u8(0x11),
      (w) => w.u16(0x1111),
      (w) => w.u24(0x111111),
      (w) => w.u32(0x11111111),
      (w) => w.u64(0x11_1111_1111_1111),
      (w) => w.f64(1.5),
      (w) => w.u16le(0x1111),
      (w) => w.u32le(0x11111111),
      (w) => w.bytes(Buffer.alloc(9, 0x11)),
      (w) => w.fill(9, 0x11),
      (w) => w.utf8('ü123456789'),
      (w) => w.latin1('0123456789'),
    ];
    for (const field of fields) {
      const alone = field(new ByteWriter(1000)).finish();
      const grown = field(new ByteWriter(64).fill(64)).finish();
      expect(grown.subarray(64)).toEqual(alone);
    }
  });

  it('reads views of the same memory', () => {
    const bytes = Buffer.from('00112233', 'hex');
    const r = new ByteReader(bytes, 1);
    const view = r.view(2);
    bytes[1] = 0xaa;
    expect(view.toString('hex')).toBe('aa22');
    expect([r.u8(), r.left]).toEqual([0x33, 0]);
  });

  it.each([
    ['u8', 0],
    ['u16', 1],
    ['u24', 2],
    ['u32', 3],
    ['i32', 3],
    ['u64', 7],
    ['f64', 7],
  ] as const)('%s of %d bytes fails and leaves the cursor', (method, length) => {
    const r = new ByteReader(Buffer.alloc(length));
    expect(() => r[method]()).toThrow(NeedMoreBytes);
    expect(r.at).toBe(0);
  });

  it.each([5, -1, Number.NaN])('refuses a view of %d bytes out of four', (length) => {
    const r = new ByteReader(Buffer.alloc(4));
    expect(() => r.view(length)).toThrow(NeedMoreBytes);
    expect(() => r.skip(length)).toThrow(NeedMoreBytes);
  });

  it('patches a length and refuses to patch what was not written', () => {
    const w = new ByteWriter(8).u32(0).utf8('moof');
    expect(w.patchU32(0, w.length).finish().toString('latin1')).toBe('\0\0\0\x08moof');
    expect(() => new ByteWriter().u16(0).patchU32(0, 1)).toThrow(RangeError);
  });
});
