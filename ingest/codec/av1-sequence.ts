import { BitReader } from '../bytes/bit-reader.ts';
import { attempt } from './attempt.ts';
import type { VideoFormat } from './video-format.ts';

/** What an AV1 sequence header says, in the words of the specification (AV1 §5.5). */
export interface Av1Sequence extends VideoFormat {
  readonly profile: number;
  /** seq_level_idx of the first operating point; 31 is "no limit". */
  readonly level: number;
  readonly tier: number;
  readonly bitDepth: 8 | 10 | 12;
  readonly isMonochrome: boolean;
  readonly subsamplingX: number;
  readonly subsamplingY: number;
  readonly chromaPosition: number;
  readonly isReducedStill: boolean;
}

/** Parses the payload of a sequence header OBU; undefined where it is cut short. */
export function parseAv1Sequence(payload: Buffer): Av1Sequence | undefined {
  return attempt(() => readSequence(new BitReader(payload)));
}

function readSequence(r: BitReader): Av1Sequence {
  const profile = r.bits(3);
  r.skip(1);
  const isReducedStill = r.flag();
  const points = isReducedStill ? { level: r.bits(5), tier: 0 } : readOperatingPoints(r);
  const widthBits = r.bits(4) + 1;
  const heightBits = r.bits(4) + 1;
  const width = r.bits(widthBits) + 1;
  const height = r.bits(heightBits) + 1;
  skipTools(r, isReducedStill);
  const color = readColor(r, profile);
  return { profile, isReducedStill, width, height, ...points, ...color };
}

function readOperatingPoints(r: BitReader): { level: number; tier: number; fps?: number } {
  let fps: number | undefined;
  let delayBits: number | undefined;
  if (r.flag()) {
    const unitsInTick = r.bits(32);
    const timeScale = r.bits(32);
    const isEqual = r.flag();
    const ticksPerPicture = isEqual ? r.ue() + 1 : 1; // uvlc() of AV1 is Exp-Golomb
    if (isEqual && unitsInTick > 0 && timeScale > 0) fps = timeScale / (unitsInTick * ticksPerPicture);
    if (r.flag()) {
      delayBits = r.bits(5) + 1;
      r.skip(42);
    }
  }
  const hasDisplayDelay = r.flag();
  const count = r.bits(5) + 1;
  let first: { level: number; tier: number } | undefined;
  for (let i = 0; i < count; i++) {
    r.skip(12);
    const level = r.bits(5);
    const tier = level > 7 ? r.bits(1) : 0;
    if (delayBits !== undefined && r.flag()) r.skip(2 * delayBits + 1);
    if (hasDisplayDelay && r.flag()) r.skip(4);
    first ??= { level, tier };
  }
  return { ...first!, ...(fps !== undefined && { fps }) };
}

/** Coding tools, only to get to the colour description. */
function skipTools(r: BitReader, isReducedStill: boolean): void {
  if (!isReducedStill && r.flag()) r.skip(7);
  r.skip(3);
  if (!isReducedStill) {
    r.skip(4);
    const hasOrderHint = r.flag();
    if (hasOrderHint) r.skip(2);
    const screenContent = r.flag() ? 2 : r.bits(1); // 2: each frame selects
    if (screenContent > 0 && !r.flag()) r.skip(1);
    if (hasOrderHint) r.skip(3);
  }
  r.skip(3);
}

/** AV1 §5.5.2. */
function readColor(
  r: BitReader,
  profile: number,
): Pick<Av1Sequence, 'bitDepth' | 'isMonochrome' | 'subsamplingX' | 'subsamplingY' | 'chromaPosition'> {
  const isHigh = r.flag();
  const bitDepth = isHigh ? (profile === 2 && r.flag() ? 12 : 10) : 8;
  const isMonochrome = profile === 1 ? false : r.flag();
  const description = r.flag() ? [r.bits(8), r.bits(8), r.bits(8)] : [2, 2, 2];
  if (isMonochrome) return { bitDepth, isMonochrome, subsamplingX: 1, subsamplingY: 1, chromaPosition: 0 };
  if (description[0] === 1 && description[1] === 13 && description[2] === 0) {
    return { bitDepth, isMonochrome, subsamplingX: 0, subsamplingY: 0, chromaPosition: 0 }; // sRGB
  }
  r.skip(1);
  let subsamplingX = profile === 1 ? 0 : 1;
  let subsamplingY = profile === 0 ? 1 : 0;
  if (profile === 2 && bitDepth === 12) {
    subsamplingX = r.bits(1);
    subsamplingY = subsamplingX === 1 ? r.bits(1) : 0;
  }
  const chromaPosition = subsamplingX === 1 && subsamplingY === 1 ? r.bits(2) : 0;
  return { bitDepth, isMonochrome, subsamplingX, subsamplingY, chromaPosition };
}
