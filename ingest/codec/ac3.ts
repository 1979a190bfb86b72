import { BitReader } from '../bytes/bit-reader.ts';
import { attempt } from './attempt.ts';

const SYNC_WORD = 0x0b77;
const RATES = [48_000, 44_100, 32_000];
/** Full-bandwidth channels by acmod (ETSI TS 102 366 table 4.3). */
const CHANNELS = [2, 1, 2, 3, 3, 4, 4, 5];
const BLOCK_SAMPLES = 256;
/** Highest bit stream ids of AC-3 and of E-AC-3. */
const LAST_AC3_ID = 10;
const LAST_EAC3_ID = 16;

/** What an AC-3 or E-AC-3 sync frame says, or the dac3 and dec3 records made of it. */
export interface Ac3Format {
  readonly sampleRate: number;
  readonly channels: number;
  /** Samples in a frame. */
  readonly frameSamples: number;
}

/** A frame's format, with the MP4 record for it: a dac3 payload (3 bytes) or dec3 payload (5 bytes and more). */
export interface Ac3Start extends Ac3Format {
  readonly record: Buffer;
}

/** Reads the first AC-3 sync frame (ETSI TS 102 366 §4.3, §4.4); undefined where the bytes are none. Its record is a dac3 payload (§F.4). */
export function parseAc3Frame(frame: Buffer): Ac3Start | undefined {
  return attempt(() => {
    const r = new BitReader(frame);
    if (r.bits(16) !== SYNC_WORD) return undefined;
    r.skip(16);
    const rateCode = r.bits(2);
    const sizeCode = r.bits(6);
    const id = r.bits(5);
    const mode = r.bits(3);
    const acmod = r.bits(3);
    if ((acmod & 1) === 1 && acmod !== 1) r.skip(2);
    if ((acmod & 4) !== 0) r.skip(2);
    if (acmod === 2) r.skip(2);
    const lfe = r.bits(1);
    const baseRate = RATES[rateCode];
    if (baseRate === undefined || id > LAST_AC3_ID) return undefined;
    const bits = (rateCode << 22) | (id << 17) | (mode << 14) | (acmod << 11) | (lfe << 10) | ((sizeCode >> 1) << 5);
    const record = Buffer.from([bits >> 16, bits >> 8, bits]);
    // Ids 9 and 10 halve and quarter the rate.
    const sampleRate = baseRate >> Math.max(0, id - 8);
    return { sampleRate, channels: CHANNELS[acmod]! + lfe, frameSamples: 6 * BLOCK_SAMPLES, record };
  });
}

/** Reads back what a dac3 payload says. */
export function parseAc3Record(record: Buffer): Ac3Format | undefined {
  if (record.length < 3) return undefined;
  const bits = record.readUIntBE(0, 3);
  const sampleRate = RATES[bits >> 22];
  if (sampleRate === undefined) return undefined;
  const id = (bits >> 17) & 31;
  const channels = CHANNELS[(bits >> 11) & 7]! + ((bits >> 10) & 1);
  return { sampleRate: sampleRate >> Math.max(0, id - 8), channels, frameSamples: 6 * BLOCK_SAMPLES };
}

/** kbit/s by half of frmsizecod (ETSI TS 102 366 table 4.13). */
const AC3_BIT_RATES = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640];
/** Bytes of a sync frame up to the bit stream id: what {@link ac3FrameBytes} looks at. */
export const AC3_HEADER_BYTES = 6;

/** Bytes of the AC-3 or E-AC-3 sync frame at `bytes[at…)`, of which at least six must be there; undefined where there is none. */
export function ac3FrameBytes(bytes: Uint8Array, at: number): number | undefined {
  if (bytes[at] !== SYNC_WORD >> 8 || bytes[at + 1] !== (SYNC_WORD & 0xff)) return undefined;
  const id = bytes[at + 5]! >> 3;
  if (id > LAST_EAC3_ID) return undefined;
  if (id > LAST_AC3_ID) return 2 * ((((bytes[at + 2]! & 7) << 8) | bytes[at + 3]!) + 1);
  const rate = RATES[bytes[at + 4]! >> 6];
  const sizeCode = bytes[at + 4]! & 0x3f;
  const kilobits = AC3_BIT_RATES[sizeCode >> 1];
  if (rate === undefined || kilobits === undefined) return undefined;
  // 1,536 samples in words of two bytes; at 44.1 kHz odd codes have one more.
  const words = Math.floor((kilobits * 96_000) / rate);
  return 2 * (words + (rate === 44_100 ? sizeCode & 1 : 0));
}

/** Whether the E-AC-3 sync frame at `bytes[at…)` goes on with the access unit before it: a dependent substream, or another program's. */
export function isEac3Continuation(bytes: Uint8Array, at: number): boolean {
  const type = bytes[at + 2]! >> 6;
  const substream = (bytes[at + 2]! >> 3) & 7;
  return bytes[at + 5]! >> 3 > LAST_AC3_ID && (type === 1 || substream > 0);
}

interface Eac3Frame extends Ac3Format {
  /** 0 independent, 1 dependent, 2 converted from AC-3. */
  readonly type: number;
  readonly bytes: number;
  readonly rateCode: number;
  readonly id: number;
  readonly acmod: number;
  readonly lfe: number;
  /** Where a dependent substream's channels are, first speaker in the highest of 16 bits. */
  readonly channelMap: number;
}

/**
 * Reads the E-AC-3 sync frames of one access unit (ETSI TS 102 366 §E.1.2): the independent substream and those that depend on it.
 * The record is a dec3 payload (§F.6). Undefined where the bytes are none.
 */
export function parseEac3Frame(frame: Buffer): Ac3Start | undefined {
  const first = readEac3(frame);
  if (first === undefined || first.type === 1) return undefined;
  let bytes = first.bytes;
  let dependents = 0;
  let channelMap = 0;
  for (let next = readEac3(frame.subarray(bytes)); next?.type === 1; next = readEac3(frame.subarray(bytes))) {
    bytes += next.bytes;
    dependents++;
    channelMap |= next.channelMap;
  }
  const kilobits = Math.min(Math.round((bytes * 8 * first.sampleRate) / first.frameSamples / 1000), 0x1fff);
  const record = Buffer.alloc(dependents > 0 ? 6 : 5);
  record.writeUInt16BE(kilobits << 3); // one independent substream
  record[2] = (first.rateCode << 6) | (first.id << 1);
  record[3] = (first.acmod << 1) | first.lfe;
  if (dependents > 0) record.writeUInt16BE((Math.min(dependents, 15) << 9) | channelLocations(channelMap), 4);
  const { sampleRate, frameSamples } = first;
  return { sampleRate, channels: first.channels + extraChannels(channelMap), frameSamples, record };
}

/** Channel map bits (from the highest of 16) that a dec3 record can name, lowest bit first: Lc/Rc, Lrs/Rrs, Cs, Ts, Lsd/Rsd, Lw/Rw, Lvh/Rvh, Cvh, LFE2. */
const NAMED_LOCATIONS = [5, 6, 7, 8, 9, 10, 11, 12, 15];
/** Of those, the pairs. */
const PAIRS = new Set([5, 6, 9, 10, 11]);

function channelLocations(channelMap: number): number {
  return NAMED_LOCATIONS.reduce((bits, at, i) => bits | (((channelMap >> (15 - at)) & 1) << i), 0);
}

function extraChannels(channelMap: number): number {
  return NAMED_LOCATIONS.reduce((sum, at) => sum + ((channelMap >> (15 - at)) & 1) * (PAIRS.has(at) ? 2 : 1), 0);
}

function readEac3(frame: Buffer): Eac3Frame | undefined {
  return attempt(() => {
    const r = new BitReader(frame);
    if (r.bits(16) !== SYNC_WORD) return undefined;
    const type = r.bits(2);
    r.skip(3);
    const bytes = (r.bits(11) + 1) * 2;
    const rateCode = r.bits(2);
    const second = r.bits(2); // half-rate code, or the number of blocks
    const sampleRate = rateCode === 3 ? (RATES[second] ?? 0) / 2 : RATES[rateCode]!;
    const blocks = rateCode === 3 ? 6 : [1, 2, 3, 6][second]!;
    const acmod = r.bits(3);
    const lfe = r.bits(1);
    const id = r.bits(5);
    if (sampleRate === 0 || id <= LAST_AC3_ID || id > LAST_EAC3_ID) return undefined;
    for (let i = acmod === 0 ? 2 : 1; i > 0; i--) {
      r.skip(5); // dialogue level
      if (r.flag()) r.skip(8); // compression gain
    }
    const channelMap = type === 1 && r.flag() ? r.bits(16) : 0;
    const channels = CHANNELS[acmod]! + lfe;
    const frameSamples = blocks * BLOCK_SAMPLES;
    return { type, bytes, rateCode, id, acmod, lfe, channelMap, sampleRate, channels, frameSamples };
  });
}

/** Reads back what a dec3 payload says. A half rate (rate code 3) it does not tell: 24 kHz is taken then. */
export function parseEac3Record(record: Buffer): Ac3Format | undefined {
  if (record.length < 5) return undefined;
  const acmod = (record[3]! >> 1) & 7;
  const lfe = record[3]! & 1;
  let extra = 0;
  if (record.length >= 6 && ((record[4]! >> 1) & 15) > 0) {
    const locations = record.readUInt16BE(4) & 0x1ff;
    NAMED_LOCATIONS.forEach((at, i) => {
      extra += ((locations >> i) & 1) * (PAIRS.has(at) ? 2 : 1);
    });
  }
  const sampleRate = RATES[record[2]! >> 6] ?? 24_000;
  return { sampleRate, channels: CHANNELS[acmod]! + lfe + extra, frameSamples: 6 * BLOCK_SAMPLES };
}
