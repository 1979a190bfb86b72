import type { ByteReader } from '../../bytes/byte-reader.ts';

/** Element ids (RFC 8794 §11.3, RFC 9559 §5.1), marker bits included. */
export const ID = {
  ebml: 0x1a45dfa3,
  segment: 0x18538067,
  info: 0x1549a966,
  timestampScale: 0x2ad7b1,
  tracks: 0x1654ae6b,
  trackEntry: 0xae,
  trackNumber: 0xd7,
  trackType: 0x83,
  codecId: 0x86,
  codecPrivate: 0x63a2,
  contentEncodings: 0x6d80,
  cluster: 0x1f43b675,
  timestamp: 0xe7,
  simpleBlock: 0xa3,
  blockGroup: 0xa0,
  block: 0xa1,
} as const;

/** Most bytes of an id and of a size that follows it. */
export const MAX_HEAD_BYTES = 4 + 8;

/** Bytes of the variable-size integer that begins with `first` (RFC 8794 §4.1); 0 where it begins none. */
export function vintBytes(first: number): number {
  return first === 0 ? 0 : Math.clz32(first) - 23;
}

/** Its value without the marker bit; undefined where all value bits are 1: unknown. Exact up to 2⁵³, beyond that the nearest double. */
export function vintValue(bytes: Uint8Array, at: number): number | undefined {
  const size = vintBytes(bytes[at]!);
  let value = bytes[at]! & (0xff >> size);
  let isUnknown = value === 0xff >> size;
  for (let i = 1; i < size; i++) {
    value = value * 256 + bytes[at + i]!;
    isUnknown &&= bytes[at + i] === 0xff;
  }
  return isUnknown ? undefined : value;
}

/** One element inside another of which all has come. */
export interface Element {
  readonly id: number;
  readonly data: Buffer;
}

/** The elements in `r`, as views. Ends at the first that does not fit: masters are read whole, so that nothing more will come. */
export function* elements(r: ByteReader): Generator<Element, void> {
  while (r.left > 0) {
    const idBytes = vintBytes(r.peek());
    if (idBytes === 0 || idBytes > 4 || r.left <= idBytes) return;
    const id = r.view(idBytes).readUIntBE(0, idBytes);
    const sizeBytes = vintBytes(r.peek());
    if (sizeBytes === 0 || r.left < sizeBytes) return;
    const size = vintValue(r.view(sizeBytes), 0);
    if (size === undefined || size > r.left) return;
    yield { id, data: r.view(size) };
  }
}

/** An unsigned integer of up to eight bytes (RFC 8794 §7.2). */
export function unsigned(data: Buffer): number {
  let value = 0;
  for (let i = 0; i < Math.min(data.length, 8); i++) value = value * 256 + data[i]!;
  return value;
}
