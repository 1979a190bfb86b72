import { BitReader } from '../bytes/bit-reader.ts';
import { attempt } from './attempt.ts';

/** Sync word and length in front of an AudioMuxElement (ISO 14496-3 §1.7.2, AudioSyncStream). */
export const LOAS_HEADER_BYTES = 3;
const SYNC_WORD = 0x2b7;
const AOT_SBR = 5;
const AOT_PS = 29;
/** Object types whose configuration is a GASpecificConfig of three bits: AAC Main, LC, SSR and LTP. */
const PLAIN_AAC = new Set([1, 2, 3, 4]);

const RATES = [96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350];

/** What the frames of a LATM stream are decoded with. */
export interface LatmConfig {
  /** AudioSpecificConfig. */
  readonly record: Buffer;
  /** Hz of the core codec, and samples in a frame at that rate. */
  readonly sampleRate: number;
  readonly samples: number;
}

/** Bytes of the LOAS frame at `bytes[at…)`, its header included, of which at least three must be there; undefined where there is none. */
export function loasFrameBytes(bytes: Uint8Array, at: number): number | undefined {
  const bits = (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!;
  return bits >> 13 === SYNC_WORD ? LOAS_HEADER_BYTES + (bits & 0x1fff) : undefined;
}

/**
 * Reads the AudioMuxElement of a LOAS frame (§1.7.3): one program of one layer, one AAC frame an element, as broadcasters and encoders send
 * it. `known`: the configuration of the elements before, for those that do not repeat it. Undefined where it is something else.
 */
export function readLatm(
  element: Buffer,
  known: LatmConfig | undefined,
): { config: LatmConfig; data: Buffer } | undefined {
  return attempt(() => {
    const r = new BitReader(element);
    const config = r.flag() ? known : readStreamMuxConfig(element, r);
    if (config === undefined) return undefined;
    let length = 0;
    let byte = r.bits(8);
    for (; byte === 0xff; byte = r.bits(8)) length += byte;
    length += byte;
    return { config, data: takeBytes(element, r, length) };
  });
}

/** §1.7.3.1 table 1.42, as far as it is used. */
function readStreamMuxConfig(element: Buffer, r: BitReader): LatmConfig | undefined {
  const version = r.bits(1);
  if (version === 1 && r.flag()) return undefined; // audioMuxVersionA: reserved
  if (version === 1) readLatmValue(r); // taraBufferFullness
  const isSameTiming = r.flag();
  const subFrames = r.bits(6);
  const programs = r.bits(4);
  const layers = r.bits(3);
  if (!isSameTiming || subFrames + programs + layers > 0) return undefined;
  const announced = version === 1 ? readLatmValue(r) : undefined;
  const from = r.at;
  const config = readAudioSpecificConfig(element, r);
  if (config === undefined) return undefined;
  if (announced !== undefined) r.skip(from + announced - r.at);
  if (r.bits(3) !== 0) return undefined; // frameLengthType: not of variable length
  r.skip(8); // latmBufferFullness
  if (r.flag()) {
    // otherDataPresent: its length; the data stands behind the payload
    if (version === 1) readLatmValue(r);
    else
      for (let goesOn = true; goesOn; ) {
        goesOn = r.flag();
        r.skip(8);
      }
  }
  if (r.flag()) r.skip(8); // CRC
  return config;
}

/** §1.6.2.1 for AAC, with SBR and PS where they are signalled in front. Nothing tells where it ends but itself. */
function readAudioSpecificConfig(element: Buffer, r: BitReader): LatmConfig | undefined {
  const from = r.at;
  let objectType = r.bits(5);
  const sampleRate = readRate(r);
  const channels = r.bits(4);
  if (objectType === AOT_SBR || objectType === AOT_PS) {
    readRate(r);
    objectType = r.bits(5);
  }
  if (!PLAIN_AAC.has(objectType) || channels === 0 || sampleRate === undefined) return undefined;
  const isShort = r.flag();
  if (r.flag()) r.skip(14); // core coder delay
  if (r.flag()) return undefined; // extensions are of other object types
  const record = takeBits(element, from, r.at);
  return { record, sampleRate, samples: isShort ? 960 : 1024 };
}

function readRate(r: BitReader): number | undefined {
  const index = r.bits(4);
  return index === 15 ? r.bits(24) || undefined : RATES[index];
}

/** §1.7.3.1 table 1.43, LatmGetValue. */
function readLatmValue(r: BitReader): number {
  const bytes = r.bits(2);
  let value = 0;
  for (let i = 0; i <= bytes; i++) value = value * 256 + r.bits(8);
  return value;
}

/** The bits [from, to), with zeros up to a whole byte. */
function takeBits(bytes: Buffer, from: number, to: number): Buffer {
  const out = Buffer.alloc(Math.ceil((to - from) / 8));
  const r = new BitReader(bytes);
  r.skip(from);
  for (let i = 0; i < to - from; i++) out[i >> 3]! |= r.bits(1) << (7 - (i & 7));
  return out;
}

/** `length` bytes that need not begin at a byte boundary. */
function takeBytes(bytes: Buffer, r: BitReader, length: number): Buffer {
  const shift = r.at & 7;
  const from = r.at >> 3;
  r.skip(length * 8);
  if (shift === 0) return bytes.subarray(from, from + length);
  const out = Buffer.allocUnsafe(length);
  for (let i = 0; i < length; i++) out[i] = (bytes[from + i]! << shift) | (bytes[from + i + 1]! >> (8 - shift));
  return out;
}
