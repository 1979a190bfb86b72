import type { VideoFormat } from './video-format.ts';

/** What a VP8 or VP9 stream is made of. */
export interface VpFormat {
  readonly profile: number;
  readonly bitDepth: 8 | 10 | 12;
  readonly subsamplingX: number;
  readonly subsamplingY: number;
  readonly isFullRange: boolean;
}

/** What a vpcC record holds. */
export interface VpRecord {
  readonly profile: number;
  /** Ten times the level; 0 where it is not known. */
  readonly level: number;
  readonly bitDepth: number;
}

const RECORD_BYTES = 8;
const UNSPECIFIED = 2;

/** Luma pixels of a picture up to which a level goes (VP9 levels; the rate is not known here). */
const LEVELS: readonly (readonly [pixels: number, level: number])[] = [
  [36_864, 10],
  [73_728, 11],
  [122_880, 20],
  [245_760, 21],
  [552_960, 30],
  [983_040, 31],
  [2_228_224, 40],
  [8_912_896, 50],
  [35_651_584, 60],
];

/**
 * The 8 bytes of a VPCodecConfigurationRecord, out of the two forms publishers send: alone, or behind a FullBox header
 * (VP Codec ISO Media File Format Binding §2.2). Undefined where it is neither.
 */
export function normalizeVpRecord(record: Buffer): Buffer | undefined {
  const isFullBox = record.length >= 4 + RECORD_BYTES && record.readUInt32BE(0) === 0x01_00_00_00;
  const from = isFullBox ? 4 : 0;
  return record.length >= from + RECORD_BYTES ? record.subarray(from, from + RECORD_BYTES) : undefined;
}

/** Parses the 8 bytes of a vpcC record. */
export function parseVpRecord(record: Buffer): VpRecord | undefined {
  if (record.length < RECORD_BYTES) return undefined;
  return { profile: record[0]!, level: record[1]!, bitDepth: record[2]! >> 4 };
}

/** A vpcC record made from a key frame, for publishers that send none. */
export function vpRecordFrom(format: VideoFormat & VpFormat): Buffer {
  const pixels = format.width * format.height;
  const level = LEVELS.find(([limit]) => pixels <= limit)?.[1] ?? 62;
  // 4:2:0 with luma-collocated samples 1, 4:2:2 2, 4:4:4 3
  const chroma = format.subsamplingX === 1 ? (format.subsamplingY === 1 ? 1 : 2) : 3;
  const depthAndChroma = (format.bitDepth << 4) | (chroma << 1) | (format.isFullRange ? 1 : 0);
  return Buffer.from([format.profile, level, depthAndChroma, UNSPECIFIED, UNSPECIFIED, UNSPECIFIED, 0, 0]);
}

/** `vp09.` or `vp08.` and profile, level, bit depth, two digits each. */
export function vpCodecString(fourCc: 'vp08' | 'vp09', record: VpRecord): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${fourCc}.${two(record.profile)}.${two(record.level)}.${two(record.bitDepth)}`;
}
