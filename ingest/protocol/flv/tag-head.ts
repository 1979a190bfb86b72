import { type AudioFourCc, fourCcNumber, hasCompositionTime, type VideoFourCc } from './four-cc.ts';

/** Widest composition time that 24 signed bits hold, in ms. */
const MAX_COMPOSITION_MS = 0x7f_ff_ff;

/** What the head of a video tag body says, for a body that holds one packet of one track. */
export interface VideoHead {
  readonly fourCc: VideoFourCc;
  /** 0…255; track 0 is written without a multitrack header. */
  readonly trackId: number;
  readonly packet: 'config' | 'frame';
  readonly isKey: boolean;
  /** PTS − DTS, whole ms; meaningless (and not written) for codecs without NAL units. */
  readonly compositionMs: number;
}

/** What the head of an audio tag body says, for a body that holds one packet of one track. */
export interface AudioHead {
  readonly fourCc: AudioFourCc;
  /** 0…255; track 0 is written without a multitrack header. */
  readonly trackId: number;
  readonly packet: 'config' | 'frame';
}

/**
 * The bytes in front of a video packet's payload. H.264 of track 0 gets the legacy header, which every player knows
 * (FLV 10.1 §E.4.3.1); everything else the enhanced one (E-RTMP v2 §"Enhanced Video").
 */
export function encodeVideoHead(head: VideoHead): Buffer {
  const frameType = head.isKey ? 1 : 2;
  const cts = Math.max(-MAX_COMPOSITION_MS, Math.min(MAX_COMPOSITION_MS, head.compositionMs)) & 0xff_ff_ff;
  if (head.fourCc === 'avc1' && head.trackId === 0) {
    const out = Buffer.allocUnsafe(5);
    out[0] = (frameType << 4) | 7;
    out.writeUIntBE(head.packet === 'config' ? 0 : 0x01_00_00_00 + cts, 1, 4);
    return out;
  }
  // CodedFramesX (3) leaves out a composition time of 0; the codecs without one have only CodedFrames (1).
  const timed = head.packet === 'frame' && hasCompositionTime(head.fourCc);
  const packetType = head.packet === 'config' ? 0 : timed && cts === 0 ? 3 : 1;
  const out = enhancedHead(
    0x80 | (frameType << 4),
    6,
    packetType,
    head.fourCc,
    head.trackId,
    timed && cts !== 0 ? 3 : 0,
  );
  if (timed && cts !== 0) out.writeUIntBE(cts, out.length - 3, 3);
  return out;
}

/**
 * The bytes in front of an audio packet's payload; undefined where the codec needs no such packet. AAC and MP3 of track 0
 * get the legacy header (FLV 10.1 §E.4.2.1), whose rate and channel bits nobody reads for AAC and MP3.
 */
export function encodeAudioHead(head: AudioHead): Buffer | undefined {
  const packetType = head.packet === 'config' ? 0 : 1;
  if (head.trackId === 0 && head.fourCc === 'mp4a') return Buffer.from([0xaf, packetType]);
  if (head.trackId === 0 && head.fourCc === '.mp3') return head.packet === 'config' ? undefined : Buffer.from([0x2f]);
  return enhancedHead(0x90, 5, packetType, head.fourCc, head.trackId, 0);
}

/** First byte, multitrack header (OneTrack) where the track is not 0, FourCC, `spare` bytes left for the caller. */
function enhancedHead(
  firstByte: number,
  multitrackType: number,
  packetType: number,
  fourCc: string,
  trackId: number,
  spare: number,
): Buffer {
  const isMultitrack = trackId !== 0;
  const out = Buffer.allocUnsafe((isMultitrack ? 7 : 5) + spare);
  let at = 0;
  out[at++] = firstByte | (isMultitrack ? multitrackType : packetType);
  if (isMultitrack) out[at++] = packetType; // high nibble 0: OneTrack
  at = out.writeUInt32BE(fourCcNumber(fourCc), at);
  if (isMultitrack) out[at] = trackId;
  return out;
}
