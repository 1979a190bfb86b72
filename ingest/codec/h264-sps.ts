import { BitReader } from '../bytes/bit-reader.ts';
import { attempt } from './attempt.ts';
import { rbspOf } from './nal-units.ts';
import { skipVuiHead } from './sps-fields.ts';
import type { VideoFormat } from './video-format.ts';

/** Profiles whose parameter sets have chroma and bit depth fields (ISO 14496-10 §7.3.2.1.1). */
const HIGH_PROFILES = new Set([100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135]);
/** Most frames in a picture order count cycle (ISO 14496-10 §7.4.2.1.1): bounds a loop that the peer sizes. */
const MAX_POC_CYCLE = 255;

/** Parses an H.264 sequence parameter set NAL unit (ISO 14496-10 §7.3.2.1.1); undefined where it is cut short or has no picture. */
export function parseH264Sps(unit: Buffer): VideoFormat | undefined {
  return attempt(() => readSps(new BitReader(rbspOf(unit, 1))));
}

/** Whether no picture is coded as two fields (frame_mbs_only_flag); true also where the unit is cut short. */
export function isH264FrameOnly(unit: Buffer): boolean {
  return attempt(() => readFrameSize(new BitReader(rbspOf(unit, 1))).isFrameOnly) ?? true;
}

function readFrameSize(r: BitReader) {
  const profile = r.bits(8);
  r.skip(16); // constraint flags, level
  r.ue();
  let chroma = 1;
  if (HIGH_PROFILES.has(profile)) {
    chroma = r.ue();
    if (chroma === 3) r.skip(1);
    r.ue(); // bit depths
    r.ue();
    r.skip(1);
    if (r.flag()) skipScalingLists(r, chroma === 3 ? 12 : 8);
  }
  r.ue(); // log2_max_frame_num_minus4
  skipPictureOrderCount(r);
  r.ue(); // max_num_ref_frames
  r.skip(1);
  const widthInMacroblocks = r.ue() + 1;
  const heightInMapUnits = r.ue() + 1;
  return { chroma, widthInMacroblocks, heightInMapUnits, isFrameOnly: r.flag() };
}

function readSps(r: BitReader): VideoFormat | undefined {
  const { chroma, widthInMacroblocks, heightInMapUnits, isFrameOnly } = readFrameSize(r);
  if (!isFrameOnly) r.skip(1);
  r.skip(1);
  const crop = r.flag() ? { left: r.ue(), right: r.ue(), top: r.ue(), bottom: r.ue() } : undefined;
  const fieldFactor = isFrameOnly ? 1 : 2;
  const unitX = chroma === 1 || chroma === 2 ? 2 : 1;
  const unitY = (chroma === 1 ? 2 : 1) * fieldFactor;
  const width = widthInMacroblocks * 16 - (crop ? (crop.left + crop.right) * unitX : 0);
  const height = heightInMapUnits * 16 * fieldFactor - (crop ? (crop.top + crop.bottom) * unitY : 0);
  if (!(width > 0 && height > 0)) return undefined;
  // A parameter set that ends inside its VUI still has a size.
  const fps = attempt(() => (r.flag() ? readVuiFps(r) : undefined));
  return fps === undefined ? { width, height } : { width, height, fps };
}

function skipScalingLists(r: BitReader, lists: number): void {
  for (let list = 0; list < lists; list++) {
    if (!r.flag()) continue;
    const size = list < 6 ? 16 : 64;
    let last = 8;
    let next = 8;
    for (let i = 0; i < size; i++) {
      if (next !== 0) next = (last + r.se() + 256) % 256;
      if (next !== 0) last = next;
    }
  }
}

function skipPictureOrderCount(r: BitReader): void {
  const type = r.ue();
  if (type === 0) r.ue();
  if (type !== 1) return;
  r.skip(1);
  r.se();
  r.se();
  const cycle = Math.min(r.ue(), MAX_POC_CYCLE);
  for (let i = 0; i < cycle; i++) r.se();
}

/** ISO 14496-10 §E.1.1, up to the timing: two ticks (fields) make a frame. */
function readVuiFps(r: BitReader): number | undefined {
  skipVuiHead(r);
  if (!r.flag()) return undefined;
  const unitsInTick = r.bits(32);
  const timeScale = r.bits(32);
  return unitsInTick > 0 && timeScale > 0 ? timeScale / (2 * unitsInTick) : undefined;
}
