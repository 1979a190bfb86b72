import { ByteReader } from '../bytes/byte-reader.ts';
import { attempt } from './attempt.ts';
import type { VideoFormat } from './video-format.ts';
import type { VpFormat } from './vp-record.ts';

const START_CODE = 0x9d_01_2a;

/** Whether a decoder can start at this frame (RFC 6386 §9.1). */
export function isVp8Key(frame: Buffer): boolean {
  return frame.length > 0 && (frame[0]! & 1) === 0;
}

/** What the header of a key frame says (RFC 6386 §9.1); undefined for other frames. */
export function parseVp8Key(frame: Buffer): (VideoFormat & VpFormat) | undefined {
  if (!isVp8Key(frame)) return undefined;
  return attempt(() => {
    const r = new ByteReader(frame);
    const profile = (r.u8() >> 1) & 7;
    r.skip(2);
    if (r.u24() !== START_CODE) return undefined;
    const width = r.u16le() & 0x3fff; // the top bits ask for upscaling
    const height = r.u16le() & 0x3fff;
    if (width === 0 || height === 0) return undefined;
    return { profile, bitDepth: 8, subsamplingX: 1, subsamplingY: 1, isFullRange: false, width, height };
  });
}
