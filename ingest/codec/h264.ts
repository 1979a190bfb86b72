import { ByteReader } from '../bytes/byte-reader.ts';
import { attempt } from './attempt.ts';
import { type NalLengthSize, nalLengthSize, readNalArray } from './nal-units.ts';

/** What an AVCDecoderConfigurationRecord holds. */
export interface AvcRecord {
  readonly profile: number;
  /** Constraint flags, as the SPS has them. */
  readonly compatibility: number;
  readonly level: number;
  readonly lengthSize: NalLengthSize;
  readonly sps: readonly Buffer[];
  readonly pps: readonly Buffer[];
}

/**
 * Parses an avcC payload (ISO 14496-15 §5.3.3.1). Undefined where it is cut short, has no SPS or PPS, or is something else;
 * reserved bits, trailing bytes and a missing chroma extension are tolerated, as encoders get them wrong.
 */
export function parseAvcRecord(record: Buffer): AvcRecord | undefined {
  return attempt(() => {
    const r = new ByteReader(record);
    if (r.u8() !== 1) return undefined;
    const profile = r.u8();
    const compatibility = r.u8();
    const level = r.u8();
    const lengthSize = nalLengthSize(r.u8());
    const sps = readNalArray(r, r.u8() & 0x1f);
    const pps = readNalArray(r, r.u8());
    if (lengthSize === undefined || sps.length === 0 || pps.length === 0) return undefined;
    return { profile, compatibility, level, lengthSize, sps, pps };
  });
}

/** RFC 6381 §3.3: `avc1.` and profile, constraints, level in hex. */
export function avcCodecString(record: AvcRecord): string {
  const { profile, compatibility, level } = record;
  return `avc1.${Buffer.from([profile, compatibility, level]).toString('hex')}`;
}

const PROFILES = new Map([
  [66, 'Baseline'],
  [77, 'Main'],
  [88, 'Extended'],
  [100, 'High'],
  [110, 'High 10'],
  [122, 'High 4:2:2'],
  [244, 'High 4:4:4 Predictive'],
]);

/** The profile as people call it, with its level: `High 4.1`. */
export function avcProfileName(record: AvcRecord): string {
  const isConstrained = record.profile === 66 && (record.compatibility & 0x40) !== 0;
  const name = PROFILES.get(record.profile) ?? `profile ${record.profile}`;
  return `${isConstrained ? 'Constrained ' : ''}${name} ${record.level / 10}`;
}
