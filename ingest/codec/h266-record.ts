import { BitReader } from '../bytes/bit-reader.ts';
import { ByteWriter } from '../bytes/byte-writer.ts';
import { attempt } from './attempt.ts';
import { rbspOf } from './nal-units.ts';
import { writeParameterArrays } from './parameter-arrays.ts';

const VPS = 14;
const SPS = 15;
const PPS = 16;
/** Where the profile begins in the RBSP of an SPS: behind ids, sub-layers, chroma format and CTU size. */
const PROFILE_AT = 2;
/** Depth of the only profiles in use, where a stream of subpictures does not let us read on. */
const USUAL_DEPTH = 2;

/** A vvcC payload with lengths of four bytes, without FullBox header (ISO 14496-15 §11.2.4.2), out of NAL units; undefined where the SPS lacks its profile. */
export function vvcRecordFrom(
  vps: readonly Buffer[],
  sps: readonly Buffer[],
  pps: readonly Buffer[],
): Buffer | undefined {
  const first = sps[0];
  if (first === undefined || pps.length === 0) return undefined;
  const format = attempt(() => readFormat(rbspOf(first, 2)));
  if (format === undefined) return undefined;
  const w = new ByteWriter();
  w.u8(0xff); // lengths of four bytes, profile present
  w.u16((format.subLayers << 4) | format.chroma);
  w.u8((format.depth << 5) | 0x1f);
  w.u8(format.constraints.length).bytes(format.profileTierLevel).bytes(format.constraints);
  if (format.subLayers > 1) w.u8(format.levelsPresent).bytes(format.levels);
  w.u8(format.subProfiles.length / 4).bytes(format.subProfiles);
  w.u16(format.width).u16(format.height).u16(0);
  writeParameterArrays(w, [
    [VPS, vps],
    [SPS, sps],
    [PPS, pps],
  ]);
  return w.finish();
}

/** H.266 §7.3.2.4 and §7.3.3.1; depth minus 8. */
function readFormat(rbsp: Buffer) {
  const r = new BitReader(rbsp);
  r.skip(8);
  const subLayersMinus1 = r.bits(3);
  const chroma = r.bits(2);
  r.skip(2);
  if (!r.flag()) return undefined;
  const profileTierLevel = rbsp.subarray(PROFILE_AT, PROFILE_AT + 2);
  r.skip(18);
  if (r.flag()) {
    r.skip(71);
    r.skip(r.bits(8)); // §7.3.3.2: 71 constraint flags, then as many as it says
  }
  r.align();
  // Frame-only and multilayer flags begin this run of whole bytes, as they do in the record.
  const constraints = rbsp.subarray(PROFILE_AT + 2, r.at / 8);
  let levelsPresent = 0;
  for (let i = 0; i < subLayersMinus1; i++) levelsPresent |= r.bits(1) << (7 - i);
  r.align();
  const levelsAt = r.at / 8;
  for (let rest = levelsPresent; rest !== 0; rest = (rest << 1) & 0xff) if ((rest & 0x80) !== 0) r.skip(8);
  const levels = rbsp.subarray(levelsAt, r.at / 8);
  const subProfiles = r.bits(8);
  const subProfilesAt = r.at / 8;
  r.skip(32 * subProfiles);
  r.skip(1);
  if (r.flag()) r.skip(1);
  const width = r.ue();
  const height = r.ue();
  if (r.flag()) for (let i = 0; i < 4; i++) r.ue(); // conformance window: the record has the coded size
  const hasSubpictures = r.flag();
  return {
    ...{ subLayers: subLayersMinus1 + 1, chroma, profileTierLevel, constraints, levelsPresent, levels, width, height },
    subProfiles: rbsp.subarray(subProfilesAt, subProfilesAt + 4 * subProfiles),
    depth: hasSubpictures ? USUAL_DEPTH : r.ue() & 7,
  };
}
