import type { MediaMessage } from '../../ingest/protocol/rtmp/media-message.ts';

/** 1280×720 H.264, and the same at 640×360, as x264 wrote them; AAC-LC 48 and 44.1 kHz stereo. As FLV tag bodies. */
export const AVC_720 = Buffer.from(
  '17000000000142c01fffe100176742c01fda014016ec0440000003004000000c83c60ca801000468ce3c80',
  'hex',
);
export const AVC_360 = Buffer.from(
  '17000000000142c01effe100196742c01ed900a02ff97011000003000100000300320f162e4801000568cb83cb20',
  'hex',
);
export const AAC_48 = Buffer.from('af001190', 'hex');
export const AAC_44 = Buffer.from('af001210', 'hex');

const MARK = 'HWN';

/** A video frame (`K` keyframe or `p`) or sound whose payload carries `number`. */
export function drawnFrame(kind: 'K' | 'p' | 'a', timestamp: number, number: number, bytes = 64): MediaMessage {
  const payload = Buffer.alloc(bytes, 0x55);
  payload.write(MARK, 1, 'latin1');
  payload.writeUInt32BE(number, 1 + MARK.length);
  if (kind === 'a') return { type: 8, timestamp, body: Buffer.concat([Buffer.from([0xaf, 1]), payload]) };
  payload[0] = kind === 'K' ? 0x65 : 0x41;
  const head = Buffer.from([kind === 'K' ? 0x17 : 0x27, 1, 0, 0, 0, 0, 0, 0, 0]);
  head.writeUInt32BE(bytes, 5);
  return { type: 9, timestamp, body: Buffer.concat([head, payload]) };
}

/** The number a recorded frame carries; undefined where it has none. */
export function drawnNumber(data: Uint8Array): number | undefined {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const at = bytes.indexOf(MARK, 0, 'latin1');
  return at < 0 ? undefined : bytes.readUInt32BE(at + MARK.length);
}

/** A configuration message at a time. */
export function header(body: Buffer, timestamp = 0): MediaMessage {
  return { type: body[0] === 0xaf ? 8 : 9, timestamp, body };
}

/**
 * Media drawn as letters, each `stepMs` after the one before: 'K' keyframe, 'p' other frame, 'a' sound at the same time as the
 * letter before it. Frames are numbered from `from` on, in order.
 */
export function* drawn(
  letters: string,
  { fromMs = 0, stepMs = 100, from = 0, bytes = 64 } = {},
): Generator<MediaMessage> {
  let at = fromMs - stepMs;
  let number = from;
  for (const letter of letters) {
    if (letter !== 'K' && letter !== 'p' && letter !== 'a') continue;
    if (letter !== 'a') at += stepMs;
    yield drawnFrame(letter, Math.max(fromMs, at), number, bytes);
    number += 1;
  }
}
