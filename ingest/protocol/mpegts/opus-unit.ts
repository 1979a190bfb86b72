/** One Opus packet out of a PES packet. */
export interface OpusUnit {
  readonly data: Buffer;
  /** Samples at 48 kHz that are not to be played. */
  readonly startTrim: number;
  /** Where the next one begins. */
  readonly end: number;
}

const PREFIX = 0x3ff;
const START_TRIM = 0x10;
const END_TRIM = 0x08;
const EXTENSION = 0x04;

/**
 * Reads the access unit at `bytes[from…)` (the mapping of Opus to MPEG-TS registered with ETSI): a control header of prefix and flags, a size
 * in runs of ff, then what the flags announce. Undefined where there is none, or it goes past `to`.
 */
export function readOpusUnit(bytes: Buffer, from: number, to: number): OpusUnit | undefined {
  let at = from + 2;
  if (at > to) return undefined;
  const head = (bytes[from]! << 8) | bytes[from + 1]!;
  if (head >> 5 !== PREFIX) return undefined;
  let size = 0;
  let byte = 0xff;
  while (byte === 0xff && at < to) {
    byte = bytes[at++]!;
    size += byte;
  }
  let startTrim = 0;
  if ((head & START_TRIM) !== 0) {
    if (at + 2 > to) return undefined;
    startTrim = bytes.readUInt16BE(at) & 0x1fff;
    at += 2;
  }
  if ((head & END_TRIM) !== 0) at += 2;
  if ((head & EXTENSION) !== 0) at += 1 + (bytes[at] ?? 0);
  const end = at + size;
  return size === 0 || end > to ? undefined : { data: bytes.subarray(at, end), startTrim, end };
}

/** Bytes of the control header of a packet of `size` bytes, without trims. */
export function opusHeaderBytes(size: number): number {
  return 3 + Math.floor(size / 255);
}

/** Writes it at `out[at…)`; returns where the packet begins. */
export function writeOpusHeader(out: Buffer, at: number, size: number): number {
  out[at] = PREFIX >> 3;
  out[at + 1] = (PREFIX & 7) << 5;
  const end = at + opusHeaderBytes(size);
  out.fill(0xff, at + 2, end - 1);
  out[end - 1] = size % 255;
  return end;
}
