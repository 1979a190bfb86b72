import type { NalLengthSize } from './nal-units.ts';

/** Bytes of the length that replaces a start code. */
const PREFIX = 4;

/**
 * Finds the NAL units of a byte stream (ISO 14496-10 annex B; H.265 and H.266 alike) in `bytes[from, to)`. Puts the start and end of each
 * into `bounds`, one after the other, without start codes and the zeros that may follow a unit, and returns how many units there are.
 */
export function findNalUnits(bytes: Uint8Array, from: number, to: number, bounds: number[]): number {
  let count = 0;
  let at = from + 2;
  while (at < to) {
    const byte = bytes[at]!;
    if (byte > 1) {
      at += 3; // no start code ends here, or at either of the next two bytes
    } else if (byte === 0) {
      at += 1;
    } else {
      if (bytes[at - 1] === 0 && bytes[at - 2] === 0) {
        if (count > 0) bounds[2 * count - 1] = endOf(bytes, bounds[2 * count - 2]!, at - 2);
        bounds[2 * count] = at + 1;
        count++;
      }
      at += 3;
    }
  }
  if (count > 0) bounds[2 * count - 1] = endOf(bytes, bounds[2 * count - 2]!, to);
  return count;
}

/** No unit ends with a zero byte. */
function endOf(bytes: Uint8Array, from: number, to: number): number {
  let end = to;
  while (end > from && bytes[end - 1] === 0) end--;
  return end;
}

/**
 * The units in `bounds` (start and end of each, `count` of them, in order), each behind its length in four bytes, as a view of `bytes`.
 * They are put together in place: the last one stays where it is, which in most streams is the one that is large; what is in front of it
 * moves by a few bytes, down to `floor` at most. Where that is too little room the result is a copy.
 */
export function prefixLengths(bytes: Buffer, floor: number, bounds: readonly number[], count: number): Buffer {
  if (count === 0) return bytes.subarray(0, 0);
  const end = bounds[2 * count - 1]!;
  let size = 0;
  for (let i = 0; i < count; i++) size += PREFIX + bounds[2 * i + 1]! - bounds[2 * i]!;
  if (end - size < floor) return copyWithLengths(bytes, bounds, count, size);
  // Those that move towards the end go first, from the last on; then the others, from the first on: none overwrites one that has not moved.
  let at = end;
  for (let i = count - 1; i >= 0; i--) {
    const from = bounds[2 * i]!;
    const length = bounds[2 * i + 1]! - from;
    at -= length;
    if (at > from) bytes.copyWithin(at, from, from + length);
    at -= PREFIX;
  }
  const start = at;
  for (let i = 0; i < count; i++) {
    const from = bounds[2 * i]!;
    const length = bounds[2 * i + 1]! - from;
    at += PREFIX;
    if (at < from) bytes.copyWithin(at, from, from + length);
    writeLength(bytes, at - PREFIX, length);
    at += length;
  }
  return bytes.subarray(start, end);
}

function copyWithLengths(bytes: Buffer, bounds: readonly number[], count: number, size: number): Buffer {
  const out = Buffer.allocUnsafeSlow(size);
  let at = 0;
  for (let i = 0; i < count; i++) {
    const from = bounds[2 * i]!;
    const to = bounds[2 * i + 1]!;
    writeLength(out, at, to - from);
    at += PREFIX;
    at += bytes.copy(out, at, from, to);
  }
  return out;
}

function writeLength(out: Buffer, at: number, length: number): void {
  out[at] = length >>> 24;
  out[at + 1] = length >>> 16;
  out[at + 2] = length >>> 8;
  out[at + 3] = length;
}

/** Bytes of a start code that a unit may begin with anywhere. */
const START_CODE = 4;

/** Bytes that length-prefixed units take as a byte stream with start codes of four bytes. Ends at the first length that does not fit. */
export function byteStreamSize(data: Buffer, lengthSize: NalLengthSize): number {
  if (lengthSize === START_CODE) return data.length;
  let size = 0;
  for (let at = 0; at + lengthSize <= data.length; ) {
    const length = data.readUIntBE(at, lengthSize);
    at += lengthSize + length;
    if (at <= data.length) size += START_CODE + length;
  }
  return size;
}

/** Writes length-prefixed units as a byte stream at `out[at…)`, {@link byteStreamSize} bytes of it; returns where it ends. */
export function writeByteStream(out: Buffer, at: number, data: Buffer, lengthSize: NalLengthSize): number {
  if (lengthSize !== START_CODE) return writeUnits(out, at, data, lengthSize);
  data.copy(out, at);
  const end = at + data.length;
  for (let unit = at; unit + START_CODE <= end; ) {
    const length = out.readUInt32BE(unit);
    writeLength(out, unit, 1);
    unit += START_CODE + length;
  }
  return end;
}

function writeUnits(out: Buffer, start: number, data: Buffer, lengthSize: NalLengthSize): number {
  let put = start;
  for (let at = 0; at + lengthSize <= data.length; ) {
    const length = data.readUIntBE(at, lengthSize);
    at += lengthSize;
    if (at + length > data.length) break;
    writeLength(out, put, 1);
    put += START_CODE;
    put += data.copy(out, put, at, at + length);
    at += length;
  }
  return put;
}
