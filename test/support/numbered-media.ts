import type { MediaMessage } from '../../ingest/protocol/rtmp/media-message.ts';
import { loopClip, type MediaClip } from './synthetic-media.ts';

const UUID = Buffer.from('4845414457415445522d4e554d424552', 'hex');
const DIGITS = 8;
const AVC_HEADER_BYTES = 5;

/** A clip without end whose every video frame carries its number (from 0) in an SEI, so that a frame is known again wherever it turns up. Still decodable. */
export function* numberedMedia(clip: MediaClip, options: { readonly fromMs?: number } = {}): Generator<MediaMessage> {
  let number = 0;
  for (const message of loopClip(clip, options)) {
    const isFrame = message.type === 9 && message.body[1] === 1;
    yield isFrame ? { ...message, body: withNumber(message.body, number++) } : message;
  }
}

/** The number in a video frame, whatever container it was found in; undefined where it has none. */
export function numberIn(frame: Uint8Array): number | undefined {
  const bytes = Buffer.from(frame.buffer, frame.byteOffset, Math.min(frame.byteLength, 256));
  const at = bytes.indexOf(UUID);
  return at < 0
    ? undefined
    : Number.parseInt(bytes.toString('latin1', at + UUID.length, at + UUID.length + DIGITS), 16);
}

/** SEI: type 6, payload type 5 (user data unregistered), its size, UUID, digits, stop bit (H.264 §D.1.7). */
function withNumber(body: Buffer, number: number): Buffer {
  const digits = Buffer.from(number.toString(16).padStart(DIGITS, '0'), 'latin1');
  const sei = Buffer.concat([Buffer.from([6, 5, UUID.length + DIGITS]), UUID, digits, Buffer.from([0x80])]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(sei.length);
  return Buffer.concat([body.subarray(0, AVC_HEADER_BYTES), length, sei, body.subarray(AVC_HEADER_BYTES)]);
}
