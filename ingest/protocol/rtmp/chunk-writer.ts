import { ByteWriter } from '../../bytes/byte-writer.ts';
import type { OutgoingMessage } from './message.ts';

/** A 24-bit time field of this value announces the 32-bit field. RTMP 1.0 §5.3.1.3. */
const EXTENDED = 0xff_ffff;

/**
 * Messages as chunks: one type-0 chunk each, type-3 chunks for the rest. The extended time stands on every type-3 chunk too, as
 * RTMP 1.0 (2012) asks and ffmpeg needs. For control and command messages; media is serialised in batches elsewhere.
 */
export function encodeChunks(messages: readonly OutgoingMessage[], chunkSize: number): Buffer {
  const w = new ByteWriter();
  for (const message of messages) writeChunks(w, message, chunkSize);
  return w.finish();
}

function writeChunks(w: ByteWriter, message: OutgoingMessage, chunkSize: number): void {
  const { chunkStreamId, type, streamId, timestamp, body } = message;
  const isExtended = timestamp >= EXTENDED;
  writeBasicHeader(w, 0, chunkStreamId);
  w.u24(isExtended ? EXTENDED : timestamp)
    .u24(body.length)
    .u8(type)
    .u32le(streamId);
  if (isExtended) w.u32(timestamp);
  w.bytes(body.subarray(0, chunkSize));
  for (let at = chunkSize; at < body.length; at += chunkSize) {
    writeBasicHeader(w, 3, chunkStreamId);
    if (isExtended) w.u32(timestamp);
    w.bytes(body.subarray(at, at + chunkSize));
  }
}

/** RTMP 1.0 §5.3.1.1: one to three bytes, the shortest that hold the id (2…65,599). */
export function writeBasicHeader(w: ByteWriter, format: 0 | 1 | 2 | 3, chunkStreamId: number): void {
  const high = format << 6;
  if (chunkStreamId < 64) w.u8(high | chunkStreamId);
  else if (chunkStreamId < 320) w.u8(high).u8(chunkStreamId - 64);
  else w.u8(high | 1).u16le(chunkStreamId - 64);
}
