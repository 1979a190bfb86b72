import { BitReader } from '../bytes/bit-reader.ts';
import { NeedMoreBytes } from '../bytes/byte-reader.ts';
import { attempt } from './attempt.ts';
import { rbspOf } from './nal-units.ts';
import { readCroppedSize, skipVuiHead } from './sps-fields.ts';
import type { VideoFormat } from './video-format.ts';

/** Parses an H.265 sequence parameter set NAL unit (H.265 §7.3.2.2.1); undefined where it is cut short or has no picture. */
export function parseH265Sps(unit: Buffer): VideoFormat | undefined {
  return attempt(() => readSps(new BitReader(rbspOf(unit, 2))));
}

function readSps(r: BitReader): VideoFormat | undefined {
  r.skip(4);
  const maxSubLayersMinus1 = r.bits(3);
  r.skip(1);
  skipProfileTierLevel(r, maxSubLayersMinus1);
  r.ue();
  const chroma = r.ue();
  if (chroma === 3) r.skip(1);
  const size = readCroppedSize(r, chroma);
  if (size === undefined) return undefined;
  const fps = attempt(() => readFps(r, maxSubLayersMinus1));
  return fps === undefined ? size : { ...size, fps };
}

/** H.265 §7.3.3. */
function skipProfileTierLevel(r: BitReader, maxSubLayersMinus1: number): void {
  r.skip(96);
  const present: [profile: boolean, level: boolean][] = [];
  for (let i = 0; i < maxSubLayersMinus1; i++) present.push([r.flag(), r.flag()]);
  if (maxSubLayersMinus1 > 0) r.skip(2 * (8 - maxSubLayersMinus1));
  for (const [profile, level] of present) r.skip((profile ? 88 : 0) + (level ? 8 : 0));
}

/** Everything between the size and the timing, only to get there. */
function readFps(r: BitReader, maxSubLayersMinus1: number): number | undefined {
  r.ue(); // bit depths
  r.ue();
  const pocBits = r.ue() + 4;
  const orderingLoops = r.flag() ? maxSubLayersMinus1 + 1 : 1;
  for (let i = 0; i < orderingLoops * 3; i++) r.ue();
  for (let i = 0; i < 6; i++) r.ue(); // block and transform sizes
  if (r.flag() && r.flag()) skipScalingLists(r);
  r.skip(2);
  if (r.flag()) {
    r.skip(8); // PCM
    r.ue();
    r.ue();
    r.skip(1);
  }
  skipShortTermSets(r);
  if (r.flag()) {
    const longTerm = bounded(r.ue(), 32);
    for (let i = 0; i < longTerm; i++) r.skip(pocBits + 1);
  }
  r.skip(2);
  return r.flag() ? readVuiFps(r) : undefined;
}

/** H.265 §7.3.4. */
function skipScalingLists(r: BitReader): void {
  for (let size = 0; size < 4; size++) {
    for (let matrix = 0; matrix < 6; matrix += size === 3 ? 3 : 1) {
      if (!r.flag()) {
        r.ue();
        continue;
      }
      if (size > 1) r.se();
      const coefficients = Math.min(64, 1 << (4 + (size << 1)));
      for (let i = 0; i < coefficients; i++) r.se();
    }
  }
}

/** H.265 §7.3.7: a set may be told by its difference from the one before, so their sizes have to be counted. */
function skipShortTermSets(r: BitReader): void {
  const sets = bounded(r.ue(), 64);
  let before = 0;
  for (let set = 0; set < sets; set++) {
    if (set > 0 && r.flag()) {
      r.skip(1);
      r.ue();
      let count = 0;
      for (let i = 0; i <= before; i++) if (r.flag() || r.flag()) count++;
      before = count;
    } else {
      const pictures = bounded(r.ue(), 16) + bounded(r.ue(), 16);
      for (let i = 0; i < pictures; i++) {
        r.ue();
        r.skip(1);
      }
      before = pictures;
    }
  }
}

/** H.265 §E.2.1, up to the timing. */
function readVuiFps(r: BitReader): number | undefined {
  skipVuiHead(r);
  r.skip(3);
  if (r.flag()) for (let i = 0; i < 4; i++) r.ue(); // default display window
  if (!r.flag()) return undefined;
  const unitsInTick = r.bits(32);
  const timeScale = r.bits(32);
  return unitsInTick > 0 && timeScale > 0 ? timeScale / unitsInTick : undefined;
}

/** A count out of range means that we lost our place: no timing is better than a wrong one. */
function bounded(count: number, limit: number): number {
  if (count > limit) throw new NeedMoreBytes(`${count} is more than the ${limit} that H.265 allows`);
  return count;
}
