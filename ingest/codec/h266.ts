import { BitReader } from '../bytes/bit-reader.ts';
import { ByteReader } from '../bytes/byte-reader.ts';
import { attempt } from './attempt.ts';
import { type NalLengthSize, nalLengthSize, rbspOf, readNalArray } from './nal-units.ts';
import { readCroppedSize } from './sps-fields.ts';
import type { VideoFormat } from './video-format.ts';

const OPI = 12;
const DCI = 13;
const VPS = 14;
const SPS = 15;
const PPS = 16;

/** Profile, tier and level of a VVC stream (ISO 14496-15 §11.2.4.2, VvcPTLRecord). */
export interface VvcProfile {
  readonly profile: number;
  readonly isHighTier: boolean;
  /** 16 × the major plus 3 × the minor level. */
  readonly level: number;
  /** Frame-only flag, multilayer flag, then the general constraints. */
  readonly constraints: Buffer;
  /** Largest picture in pixels. */
  readonly maxWidth: number;
  readonly maxHeight: number;
}

/** What a VvcDecoderConfigurationRecord holds. */
export interface VvcRecord {
  readonly lengthSize: NalLengthSize;
  readonly ptl?: VvcProfile;
  readonly vps: readonly Buffer[];
  readonly sps: readonly Buffer[];
  readonly pps: readonly Buffer[];
}

/** Parses a vvcC payload without its FullBox header (ISO 14496-15 §11.2.4.2); undefined where it is cut short or has no SPS or PPS. */
export function parseVvcRecord(record: Buffer): VvcRecord | undefined {
  return attempt(() => {
    const r = new ByteReader(record);
    const first = r.u8();
    const lengthSize = nalLengthSize(first >> 1);
    const ptl = (first & 1) !== 0 ? readPtl(r) : undefined;
    const byType = new Map<number, Buffer[]>();
    const arrays = r.u8();
    for (let i = 0; i < arrays; i++) {
      const type = r.u8() & 0x1f;
      const count = type === OPI || type === DCI ? 1 : r.u16();
      byType.set(type, [...(byType.get(type) ?? []), ...readNalArray(r, count)]);
    }
    const sps = byType.get(SPS);
    const pps = byType.get(PPS);
    if (lengthSize === undefined || !sps?.length || !pps?.length) return undefined;
    return { lengthSize, ...(ptl && { ptl }), vps: byType.get(VPS) ?? [], sps, pps };
  });
}

function readPtl(r: ByteReader): VvcProfile {
  const subLayers = (r.u16() >> 4) & 7;
  r.skip(1); // bit depth
  const constraintBytes = r.u8() & 0x3f;
  const profileAndTier = r.u8();
  const level = r.u8();
  const constraints = r.view(constraintBytes);
  if (subLayers > 1) {
    let present = r.u8();
    for (; present !== 0; present = (present << 1) & 0xff) if ((present & 0x80) !== 0) r.skip(1);
  }
  r.skip(r.u8() * 4); // sub-profiles
  const maxWidth = r.u16();
  const maxHeight = r.u16();
  r.skip(2); // average frame rate
  return {
    profile: profileAndTier >> 1,
    isHighTier: (profileAndTier & 1) !== 0,
    level,
    constraints,
    maxWidth,
    maxHeight,
  };
}

/** Parses an H.266 sequence parameter set NAL unit (H.266 §7.3.2.4) as far as the picture's size. */
export function parseH266Sps(unit: Buffer): VideoFormat | undefined {
  return attempt(() => {
    const r = new BitReader(rbspOf(unit, 2));
    r.skip(8);
    const maxSubLayersMinus1 = r.bits(3);
    const chroma = r.bits(2);
    r.skip(2);
    if (r.flag()) skipProfileTierLevel(r, maxSubLayersMinus1);
    r.skip(1);
    if (r.flag()) r.skip(1);
    return readCroppedSize(r, chroma);
  });
}

/** H.266 §7.3.3.1, with profile and tier. */
function skipProfileTierLevel(r: BitReader, maxSubLayersMinus1: number): void {
  r.skip(18);
  if (r.flag()) {
    r.skip(71);
    r.skip(r.bits(8)); // §7.3.3.2: 71 constraint flags, then as many as it says
  }
  r.align();
  const present: boolean[] = [];
  for (let i = 0; i < maxSubLayersMinus1; i++) present.push(r.flag());
  r.align();
  for (const level of present) if (level) r.skip(8);
  r.skip(r.bits(8) * 32);
}

/** ISO 14496-15 §E.6: profile, tier and level, constraint bytes in base32. */
export function vvcCodecString(record: VvcRecord): string {
  const { ptl } = record;
  if (ptl === undefined) return 'vvc1';
  let bytes = ptl.constraints.length;
  while (bytes > 0 && ptl.constraints[bytes - 1] === 0) bytes--;
  const constraints = bytes > 0 ? `.C${base32(ptl.constraints.subarray(0, bytes))}` : '';
  return `vvc1.${ptl.profile}.${ptl.isHighTier ? 'H' : 'L'}${ptl.level}${constraints}`;
}

/** RFC 4648 §6 without padding. */
function base32(bytes: Buffer): string {
  const padded = Buffer.alloc(bytes.length + 1);
  padded.set(bytes);
  const r = new BitReader(padded);
  let text = '';
  while (r.at < bytes.length * 8) text += 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[r.bits(5)];
  return text;
}

const PROFILES = new Map([
  [1, 'Main 10'],
  [17, 'Multilayer Main 10'],
  [33, 'Main 10 4:4:4'],
]);

/** The profile as people call it, with its level: `Main 10 4.1`. */
export function vvcProfileName(record: VvcRecord): string {
  const { ptl } = record;
  if (ptl === undefined) return '';
  return `${PROFILES.get(ptl.profile) ?? `profile ${ptl.profile}`} ${ptl.level >> 4}.${Math.floor((ptl.level & 15) / 3)}`;
}
