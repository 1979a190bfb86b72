import { BitReader } from '../bytes/bit-reader.ts';

const STREAMINFO_BYTES = 34;

/** What a STREAMINFO block says (RFC 9639 §8.2). */
export interface FlacInfo {
  readonly sampleRate: number;
  readonly channels: number;
  readonly bitsPerSample: number;
  /** Most samples in a frame. */
  readonly maxBlockSize: number;
}

/**
 * The 34 bytes of STREAMINFO, out of the three forms publishers send: alone (34), behind its block header (38), behind that and
 * `fLaC` (42 and more: other blocks may follow). Undefined where it is none of them.
 */
export function normalizeFlacRecord(record: Buffer): Buffer | undefined {
  let from = record.length >= 4 && record.toString('latin1', 0, 4) === 'fLaC' ? 4 : 0;
  // The header of a STREAMINFO block: type 0, perhaps the "last block" bit, length 34.
  if (record.length >= from + 4 && (record.readUInt32BE(from) & 0x7f_ff_ff_ff) === STREAMINFO_BYTES) from += 4;
  return record.length >= from + STREAMINFO_BYTES ? record.subarray(from, from + STREAMINFO_BYTES) : undefined;
}

/** Parses the 34 bytes of STREAMINFO; undefined where they are cut short or name no rate. */
export function parseFlacInfo(record: Buffer): FlacInfo | undefined {
  if (record.length < STREAMINFO_BYTES) return undefined;
  const r = new BitReader(record);
  r.skip(16);
  const maxBlockSize = r.bits(16);
  r.skip(48);
  const sampleRate = r.bits(20);
  const channels = r.bits(3) + 1;
  const bitsPerSample = r.bits(5) + 1;
  return sampleRate > 0 ? { sampleRate, channels, bitsPerSample, maxBlockSize } : undefined;
}
