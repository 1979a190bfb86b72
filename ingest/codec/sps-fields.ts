import type { BitReader } from '../bytes/bit-reader.ts';

/** Coded size and conformance window, as H.265 §7.3.2.2.1 and H.266 §7.3.2.4 have them; undefined where no picture is left. */
export function readCroppedSize(r: BitReader, chroma: number): { width: number; height: number } | undefined {
  const codedWidth = r.ue();
  const codedHeight = r.ue();
  const window = r.flag() ? { left: r.ue(), right: r.ue(), top: r.ue(), bottom: r.ue() } : undefined;
  const unitX = chroma === 1 || chroma === 2 ? 2 : 1;
  const unitY = chroma === 1 ? 2 : 1;
  const width = codedWidth - (window ? (window.left + window.right) * unitX : 0);
  const height = codedHeight - (window ? (window.top + window.bottom) * unitY : 0);
  return width > 0 && height > 0 ? { width, height } : undefined;
}

/** Aspect ratio, overscan, video signal and chroma location, with which the VUI of H.264 (§E.1.1) and H.265 (§E.2.1) begins. */
export function skipVuiHead(r: BitReader): void {
  if (r.flag() && r.bits(8) === 255) r.skip(32); // sample aspect ratio
  if (r.flag()) r.skip(1); // overscan
  if (r.flag()) {
    r.skip(4);
    if (r.flag()) r.skip(24);
  }
  if (r.flag()) {
    r.ue(); // chroma sample location
    r.ue();
  }
}
