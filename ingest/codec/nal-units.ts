import type { ByteReader } from '../bytes/byte-reader.ts';

/** How many bytes a NAL unit's length prefix has in one stream. */
export type NalLengthSize = 1 | 2 | 4;

/** The NAL units of a length-prefixed access unit, as views. Ends at the first length that does not fit. */
export function* nalUnits(data: Buffer, lengthSize: NalLengthSize): Generator<Buffer, void> {
  let at = 0;
  while (at + lengthSize <= data.length) {
    const length = data.readUIntBE(at, lengthSize);
    at += lengthSize;
    if (length > data.length - at) return;
    if (length > 0) yield data.subarray(at, at + length);
    at += length;
  }
}

/** NAL units with length prefixes in front, in one buffer: parameter sets to be carried in-band. */
export function joinNalUnits(units: readonly Buffer[], lengthSize: NalLengthSize): Buffer {
  let size = 0;
  for (const unit of units) size += lengthSize + unit.length;
  const out = Buffer.allocUnsafe(size);
  let at = 0;
  for (const unit of units) {
    at = out.writeUIntBE(unit.length, at, lengthSize);
    out.set(unit, at);
    at += unit.length;
  }
  return out;
}

/**
 * The raw payload of a NAL unit from byte `from` on, without the emulation prevention bytes (the 3 of every 00 00 03; ISO 14496-10 §7.4.1,
 * H.265 and H.266 alike).
 */
export function rbspOf(unit: Buffer, from: number): Buffer {
  const out = Buffer.allocUnsafe(Math.max(unit.length - from, 0));
  let length = 0;
  let zeros = 0;
  for (let at = from; at < unit.length; at++) {
    const byte = unit[at] as number;
    if (zeros >= 2 && byte === 3) {
      zeros = 0;
      continue;
    }
    zeros = byte === 0 ? zeros + 1 : 0;
    out[length++] = byte;
  }
  return out.subarray(0, length);
}

/** `count` NAL units, each behind a 16-bit length, as configuration records hold them. @throws NeedMoreBytes */
export function readNalArray(r: ByteReader, count: number): Buffer[] {
  const units: Buffer[] = [];
  for (let i = 0; i < count; i++) units.push(r.view(r.u16()));
  return units;
}

/** The prefix size that a two-bit `lengthSizeMinusOne` stands for; undefined for 2, which means three bytes and is reserved. */
export function nalLengthSize(minusOne: number): NalLengthSize | undefined {
  const size = (minusOne & 3) + 1;
  return size === 3 ? undefined : (size as NalLengthSize);
}
