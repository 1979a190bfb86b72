import { ByteReader } from '../bytes/byte-reader.ts';
import { attempt } from './attempt.ts';
import { type Av1Sequence, parseAv1Sequence } from './av1-sequence.ts';

const OBU_SEQUENCE_HEADER = 1;
const OBU_FRAME_HEADER = 3;
const OBU_FRAME = 6;
/** Header byte of OBU type 2 with a size, which is 0. */
const TEMPORAL_DELIMITER = 0x12;
/** Bytes of an av1C payload before its OBUs. */
const AV1C_HEAD = 4;

/** One open bitstream unit, as views (AV1 §5.3). */
export interface Obu {
  readonly type: number;
  readonly payload: Buffer;
}

/** The OBUs of a temporal unit; the last one may lack its size. Ends at the first that does not fit. */
export function* obus(data: Buffer): Generator<Obu, void> {
  const r = new ByteReader(data);
  while (r.left > 0) {
    const obu = attempt(() => readObu(r));
    if (obu === undefined) return;
    yield obu;
  }
}

function readObu(r: ByteReader): Obu {
  const header = r.u8();
  if ((header & 4) !== 0) r.skip(1); // layer ids
  const size = (header & 2) !== 0 ? readLeb128(r) : r.left;
  return { type: (header >> 3) & 15, payload: r.view(size) };
}

/** AV1 §4.10.5: at most eight bytes of seven bits, lowest first. */
function readLeb128(r: ByteReader): number {
  let value = 0;
  for (let i = 0; i < 8; i++) {
    const byte = r.u8();
    value += (byte & 0x7f) * 2 ** (7 * i);
    if ((byte & 0x80) === 0) break;
  }
  return value;
}

/** The temporal unit without the delimiter it may begin with, which MP4 and E-RTMP leave out: a view. */
export function withoutTemporalDelimiter(data: Buffer): Buffer {
  let from = 0;
  while (data[from] === TEMPORAL_DELIMITER && data[from + 1] === 0) from += 2;
  return from === 0 ? data : data.subarray(from);
}

/** What an av1C record holds. */
export interface Av1Record {
  readonly profile: number;
  readonly level: number;
  readonly tier: number;
  readonly bitDepth: 8 | 10 | 12;
  readonly isMonochrome: boolean;
  /** Undefined where the record has no OBUs: then the sequence header is in the first keyframe. */
  readonly sequence: Av1Sequence | undefined;
}

/** Parses an av1C payload (AV1 in ISO-BMFF §2.3.3); undefined where it is cut short or of another version. */
export function parseAv1Record(record: Buffer): Av1Record | undefined {
  if (record.length < AV1C_HEAD || record[0] !== 0x81) return undefined;
  const second = record[1]!;
  const third = record[2]!;
  return {
    profile: second >> 5,
    level: second & 0x1f,
    tier: third >> 7,
    bitDepth: (third & 0x40) === 0 ? 8 : (third & 0x20) === 0 ? 10 : 12,
    isMonochrome: (third & 0x10) !== 0,
    sequence: findSequence(record.subarray(AV1C_HEAD))?.sequence,
  };
}

/** An av1C payload made from the sequence header in a keyframe's temporal unit; undefined where there is none. */
export function av1RecordFrom(data: Buffer): Buffer | undefined {
  const found = findSequence(data);
  if (found === undefined) return undefined;
  const { sequence, obu } = found;
  const { profile, level, tier, bitDepth, isMonochrome, subsamplingX, subsamplingY, chromaPosition } = sequence;
  // The record's OBU must have a size field and no extension.
  const sizeBytes = obu.payload.length < 128 ? 1 : 2;
  const out = Buffer.allocUnsafe(AV1C_HEAD + 1 + sizeBytes + obu.payload.length);
  out[0] = 0x81;
  out[1] = (profile << 5) | level;
  out[2] =
    (tier << 7) |
    (bitDepth > 8 ? 0x40 : 0) |
    (bitDepth === 12 ? 0x20 : 0) |
    (isMonochrome ? 0x10 : 0) |
    (subsamplingX << 3) |
    (subsamplingY << 2) |
    chromaPosition;
  out[3] = 0;
  out[4] = (OBU_SEQUENCE_HEADER << 3) | 2;
  out[5] = sizeBytes === 1 ? obu.payload.length : 0x80 | (obu.payload.length & 0x7f);
  if (sizeBytes === 2) out[6] = obu.payload.length >> 7;
  out.set(obu.payload, AV1C_HEAD + 1 + sizeBytes);
  return out;
}

/** Longest sequence header we copy: real ones have about a dozen bytes, and two size bytes hold 16,383. */
const MAX_SEQUENCE_BYTES = 1024;

function findSequence(data: Buffer): { sequence: Av1Sequence; obu: Obu } | undefined {
  for (const obu of obus(data)) {
    if (obu.type !== OBU_SEQUENCE_HEADER || obu.payload.length > MAX_SEQUENCE_BYTES) continue;
    const sequence = parseAv1Sequence(obu.payload);
    return sequence && { sequence, obu };
  }
  return undefined;
}

/** Whether a decoder can start at this temporal unit: its first frame is a shown key frame (AV1 §7.6.3). */
export function isAv1Key(data: Buffer): boolean {
  for (const { type, payload } of obus(data)) {
    // show_existing_frame 0, frame_type 0 (two bits), show_frame 1
    if (type === OBU_FRAME || type === OBU_FRAME_HEADER) return ((payload[0] ?? 0xff) & 0xf0) === 0x10;
  }
  return false;
}

/** AV1 in ISO-BMFF §5: profile, level and tier, bit depth. */
export function av1CodecString(record: Av1Record): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  return `av01.${record.profile}.${two(record.level)}${record.tier === 1 ? 'H' : 'M'}.${two(record.bitDepth)}`;
}

/** The profile as people call it, with its level: `Main 4.0`. */
export function av1ProfileName(record: Av1Record): string {
  const name = ['Main', 'High', 'Professional'][record.profile] ?? `profile ${record.profile}`;
  return record.level === 31 ? name : `${name} ${2 + (record.level >> 2)}.${record.level & 3}`;
}
