import { BitReader } from '../bytes/bit-reader.ts';
import { attempt } from './attempt.ts';
import type { VideoFormat } from './video-format.ts';
import type { VpFormat } from './vp-record.ts';

const SYNC_CODE = 0x49_83_42;
const SRGB = 7;

/** Whether a decoder can start at this frame: frame_type 0 and not a repeat of an earlier one (VP9 §7.2). */
export function isVp9Key(frame: Buffer): boolean {
  const first = frame[0] ?? 0;
  if (first >> 6 !== 2) return false;
  const isProfile3 = (first & 0x30) === 0x30; // one reserved bit more
  return (isProfile3 ? first & 0x06 : first & 0x0c) === 0;
}

/** What the uncompressed header of a key frame says (VP9 §6.2); undefined for other frames. */
export function parseVp9Key(frame: Buffer): (VideoFormat & VpFormat) | undefined {
  if (!isVp9Key(frame)) return undefined;
  return attempt(() => {
    const r = new BitReader(frame);
    r.skip(2);
    const profile = r.bits(1) + 2 * r.bits(1);
    r.skip(profile === 3 ? 5 : 4);
    if (r.bits(24) !== SYNC_CODE) return undefined;
    const bitDepth = profile >= 2 ? (r.flag() ? 12 : 10) : 8;
    const isOdd = (profile & 1) === 1;
    let subsamplingX = isOdd ? 0 : 1;
    let subsamplingY = subsamplingX;
    let isFullRange = true;
    if (r.bits(3) === SRGB) {
      if (isOdd) r.skip(1);
    } else {
      isFullRange = r.flag();
      if (isOdd) {
        subsamplingX = r.bits(1);
        subsamplingY = r.bits(1);
        r.skip(1);
      }
    }
    const width = r.bits(16) + 1;
    const height = r.bits(16) + 1;
    return { profile, bitDepth, subsamplingX, subsamplingY, isFullRange, width, height };
  });
}
