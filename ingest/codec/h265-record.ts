import { BitReader } from '../bytes/bit-reader.ts';
import { ByteWriter } from '../bytes/byte-writer.ts';
import { attempt } from './attempt.ts';
import { rbspOf } from './nal-units.ts';
import { writeParameterArrays } from './parameter-arrays.ts';
import { readCroppedSize } from './sps-fields.ts';

const VPS = 32;
const SPS = 33;
const PPS = 34;
/** general_profile_space … general_level_idc. */
const PROFILE_BYTES = 12;

/** An hvcC payload with lengths of four bytes (ISO 14496-15 §8.3.3.1), out of NAL units; undefined where the SPS is cut short. */
export function hevcRecordFrom(
  vps: readonly Buffer[],
  sps: readonly Buffer[],
  pps: readonly Buffer[],
): Buffer | undefined {
  const first = sps[0];
  if (first === undefined || pps.length === 0) return undefined;
  const format = attempt(() => readFormat(rbspOf(first, 2)));
  if (format === undefined) return undefined;
  const w = new ByteWriter();
  w.u8(1).bytes(format.profile);
  w.u16(0xf000).u8(0xfc); // segmentation and parallelism: not told
  w.u8(0xfc | format.chroma)
    .u8(0xf8 | format.lumaDepth)
    .u8(0xf8 | format.chromaDepth);
  w.u16(0); // average frame rate: not told
  w.u8((format.subLayers << 3) | (format.isNested ? 4 : 0) | 3);
  writeParameterArrays(w, [
    [VPS, vps],
    [SPS, sps],
    [PPS, pps],
  ]);
  return w.finish();
}

/** H.265 §7.3.2.2.1, up to the bit depths; depths minus 8. */
function readFormat(rbsp: Buffer) {
  const r = new BitReader(rbsp);
  r.skip(4);
  const subLayersMinus1 = r.bits(3);
  const isNested = r.flag();
  const profile = rbsp.subarray(1, 1 + PROFILE_BYTES);
  r.skip(8 * PROFILE_BYTES);
  let bits = 0;
  for (let i = 0; i < subLayersMinus1; i++) bits += (r.flag() ? 88 : 0) + (r.flag() ? 8 : 0);
  if (subLayersMinus1 > 0) r.skip(2 * (8 - subLayersMinus1) + bits);
  r.ue();
  const chroma = r.ue() & 3;
  if (chroma === 3) r.skip(1);
  readCroppedSize(r, chroma);
  return { profile, subLayers: subLayersMinus1 + 1, isNested, chroma, lumaDepth: r.ue() & 7, chromaDepth: r.ue() & 7 };
}
