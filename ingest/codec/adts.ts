import { BitReader } from '../bytes/bit-reader.ts';
import { attempt } from './attempt.ts';

/** A header without CRC (ISO 14496-3 §1.A.3.2). */
export const ADTS_HEADER_BYTES = 7;
const CRC_BYTES = 2;
/** Samples of the one raw data block that a frame has nearly always. */
const BLOCK_SAMPLES = 1024;

const RATES = [96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350];

/** What an ADTS header says. */
export interface AdtsHeader {
  /** Bytes in front of the raw data. */
  readonly headerBytes: number;
  /** Bytes of the whole frame. */
  readonly frameBytes: number;
  /** Raw data blocks, profile, sampling_frequency_index and channel_configuration as one number: what stays the same in a stream. */
  readonly format: number;
  /** Hz, of the core codec. */
  readonly sampleRate: number;
  /** Samples at that rate. */
  readonly samples: number;
}

/** Reads the header at `bytes[at…)`, of which at least seven must be there; undefined where there is none. */
export function readAdtsHeader(bytes: Uint8Array, at: number): AdtsHeader | undefined {
  if (bytes[at] !== 0xff || (bytes[at + 1]! & 0xf6) !== 0xf0) return undefined;
  const second = bytes[at + 1]!;
  const third = bytes[at + 2]!;
  const fourth = bytes[at + 3]!;
  const sampleRate = RATES[(third >> 2) & 15];
  const frameBytes = ((fourth & 3) << 11) | (bytes[at + 4]! << 3) | (bytes[at + 5]! >> 5);
  const headerBytes = ADTS_HEADER_BYTES + ((second & 1) === 0 ? CRC_BYTES : 0);
  if (sampleRate === undefined || frameBytes <= headerBytes) return undefined;
  const blocks = (bytes[at + 6]! & 3) + 1;
  const channels = ((third & 1) << 2) | (fourth >> 6);
  return {
    headerBytes,
    frameBytes,
    format: ((blocks - 1) << 10) | ((third >> 6) << 8) | (((third >> 2) & 15) << 4) | channels,
    sampleRate,
    samples: blocks * BLOCK_SAMPLES,
  };
}

/**
 * The AudioSpecificConfig (ISO 14496-3 §1.6.2.1) that the `format` of an ADTS header stands for: object type, rate and channels. Channels of
 * 0 mean that a program config element in front of the raw `data` tells them. Undefined where it does not, and for frames of several blocks,
 * which nothing but ADTS can carry.
 */
export function aacConfigOf(format: number, data: Buffer): Buffer | undefined {
  if (format >> 10 > 0) return undefined;
  const objectType = (format >> 8) + 1;
  const bits = (objectType << 11) | (((format >> 4) & 15) << 7) | ((format & 15) << 3);
  const head = Buffer.from([bits >> 8, bits]);
  return (format & 15) === 0 ? attempt(() => withProgramConfig(head, new BitReader(data))) : head;
}

const ID_PCE = 5;

/** ISO 14496-3 §4.4.1.1: the element's bits, its padding (which counts from the record's start) and no comment. */
function withProgramConfig(head: Buffer, r: BitReader): Buffer | undefined {
  if (r.bits(3) !== ID_PCE) return undefined;
  const bits: number[] = [];
  const copy = (count: number): number => {
    const value = r.bits(count);
    for (let i = count - 1; i >= 0; i--) bits.push((value >> i) & 1);
    return value;
  };
  copy(10);
  const pairs = copy(4) + copy(4) + copy(4);
  const lfe = copy(2);
  const data = copy(3);
  const coupling = copy(4);
  for (const width of [4, 4, 3]) if (copy(1) === 1) copy(width); // mixdown hints
  for (let i = 0; i < pairs; i++) copy(5);
  for (let i = 0; i < lfe + data; i++) copy(4);
  for (let i = 0; i < coupling; i++) copy(5);
  const out = Buffer.alloc(Math.ceil(bits.length / 8) + 1);
  bits.forEach((bit, i) => {
    out[i >> 3]! |= bit << (7 - (i & 7));
  });
  return Buffer.concat([head, out]);
}

const HIGHEST_PROFILE = 4;
const AOT_SBR = 5;
const AOT_PS = 29;

/**
 * The ADTS header of frames with this AudioSpecificConfig, all but their length; undefined where ADTS can't name its codec, rate or channels.
 * HE-AAC goes out as its LC core, which decoders find out by themselves.
 */
export function adtsHeaderOf(record: Buffer): Buffer | undefined {
  return attempt(() => {
    const r = new BitReader(record);
    const announced = r.bits(5);
    const rate = r.bits(4);
    const channels = r.bits(4);
    if (rate === 15 || channels === 0 || channels > 7) return undefined;
    const isExtended = announced === AOT_SBR || announced === AOT_PS;
    if (isExtended && r.bits(4) === 15) r.skip(24);
    const objectType = isExtended ? r.bits(5) : announced;
    if (objectType === 0 || objectType > HIGHEST_PROFILE) return undefined;
    const third = ((objectType - 1) << 6) | (rate << 2) | (channels >> 2);
    return Buffer.from([0xff, 0xf1, third, (channels & 3) << 6, 0, 0x1f, 0xfc]);
  });
}

/** Writes `header`, made by {@link adtsHeaderOf}, for a frame of `size` bytes of raw data at `out[at…)`; returns where the data goes. */
export function writeAdtsHeader(out: Buffer, at: number, header: Buffer, size: number): number {
  const length = ADTS_HEADER_BYTES + size;
  header.copy(out, at);
  out[at + 3]! |= length >> 11;
  out[at + 4] = length >> 3;
  out[at + 5]! |= (length & 7) << 5;
  return at + ADTS_HEADER_BYTES;
}
