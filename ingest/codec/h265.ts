import { ByteReader } from '../bytes/byte-reader.ts';
import { attempt } from './attempt.ts';
import { type NalLengthSize, nalLengthSize, readNalArray } from './nal-units.ts';

const VPS = 32;
const SPS = 33;
const PPS = 34;

/** What an HEVCDecoderConfigurationRecord holds. */
export interface HevcRecord {
  /** 0…3, shown as nothing, A, B, C. */
  readonly profileSpace: number;
  readonly isHighTier: boolean;
  readonly profile: number;
  /** 32 flags, the first one in the highest bit. */
  readonly compatibility: number;
  /** Six bytes. */
  readonly constraints: Buffer;
  /** 30 × the level. */
  readonly level: number;
  readonly lengthSize: NalLengthSize;
  readonly vps: readonly Buffer[];
  readonly sps: readonly Buffer[];
  readonly pps: readonly Buffer[];
}

/** Parses an hvcC payload (ISO 14496-15 §8.3.3.1); undefined where it is cut short or has no SPS or PPS. Version 0, of old encoders, is taken too. */
export function parseHevcRecord(record: Buffer): HevcRecord | undefined {
  return attempt(() => {
    const r = new ByteReader(record);
    if (r.u8() > 1) return undefined;
    const first = r.u8();
    const compatibility = r.u32();
    const constraints = r.view(6);
    const level = r.u8();
    r.skip(8);
    const lengthSize = nalLengthSize(r.u8());
    const byType = new Map<number, Buffer[]>();
    const arrays = r.u8();
    for (let i = 0; i < arrays; i++) {
      const type = r.u8() & 0x3f;
      byType.set(type, [...(byType.get(type) ?? []), ...readNalArray(r, r.u16())]);
    }
    const sps = byType.get(SPS);
    const pps = byType.get(PPS);
    if (lengthSize === undefined || !sps?.length || !pps?.length) return undefined;
    return {
      profileSpace: first >> 6,
      isHighTier: (first & 0x20) !== 0,
      profile: first & 0x1f,
      compatibility,
      constraints,
      level,
      lengthSize,
      vps: byType.get(VPS) ?? [],
      sps,
      pps,
    };
  });
}

/** ISO 14496-15 §E.3: profile, compatibility flags (bits in reverse), tier and level, constraint bytes without trailing zeros. */
export function hevcCodecString(record: HevcRecord): string {
  let reversed = 0;
  for (let i = 0; i < 32; i++) reversed = reversed * 2 + ((record.compatibility >>> i) & 1);
  let bytes = record.constraints.length;
  while (bytes > 0 && record.constraints[bytes - 1] === 0) bytes--;
  const constraints = [...record.constraints.subarray(0, bytes)].map((byte) => `.${byte.toString(16).toUpperCase()}`);
  const space = ['', 'A', 'B', 'C'][record.profileSpace];
  const tier = record.isHighTier ? 'H' : 'L';
  return `hvc1.${space}${record.profile}.${reversed.toString(16).toUpperCase()}.${tier}${record.level}${constraints.join('')}`;
}

const PROFILES = new Map([
  [1, 'Main'],
  [2, 'Main 10'],
  [3, 'Main Still Picture'],
  [4, 'Range Extensions'],
]);

/** The profile as people call it, with its level: `Main 10 5.1`. */
export function hevcProfileName(record: HevcRecord): string {
  return `${PROFILES.get(record.profile) ?? `profile ${record.profile}`} ${record.level / 30}`;
}
