/** Tag types of an FLV file (FLV 10.1 §E.4.1). */
export const AUDIO_TAG = 8;
export const VIDEO_TAG = 9;
export const SCRIPT_TAG = 18;
export const AMF3_SCRIPT_TAG = 15;

/** Bytes before a tag's body, and of the PreviousTagSize after it. */
export const TAG_HEAD_BYTES = 11;
export const TAG_TRAILER_BYTES = 4;

/** A tag of an FLV file: audio (8), video (9) or script data (18). */
export interface FlvTag {
  readonly type: typeof AUDIO_TAG | typeof VIDEO_TAG | typeof SCRIPT_TAG;
  /** Milliseconds on the file's own time; 32 bits are stored. */
  readonly timestamp: number;
  /** As in the RTMP message; at most 2²⁴ − 1 bytes. */
  readonly body: Buffer;
}

/**
 * The 11 bytes before a tag's body (FLV 10.1 §E.4.1): type, size, time with its high byte last, stream 0.
 */
export function encodeTagHead(
  type: FlvTag['type'] | typeof AMF3_SCRIPT_TAG,
  bodyBytes: number,
  timestamp: number,
): Buffer {
  const head = Buffer.allocUnsafe(TAG_HEAD_BYTES);
  head[0] = type;
  head.writeUIntBE(bodyBytes, 1, 3);
  head.writeUIntBE(timestamp & 0xff_ffff, 4, 3);
  head[7] = timestamp >>> 24;
  head.writeUIntBE(0, 8, 3);
  return head;
}

/** PreviousTagSize after a tag with a body of `bodyBytes`. */
export function encodeTagTrailer(bodyBytes: number): Buffer {
  const trailer = Buffer.allocUnsafe(TAG_TRAILER_BYTES);
  trailer.writeUInt32BE(TAG_HEAD_BYTES + bodyBytes);
  return trailer;
}
