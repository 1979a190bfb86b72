/** One RTMP message as a client sends it. */
export interface OutgoingMessage {
  readonly chunkStreamId: number;
  readonly type: number;
  /** Milliseconds, 32 bits. */
  readonly timestamp: number;
  readonly messageStreamId: number;
  readonly body: Buffer;
}

/** How a client cuts its messages. */
export interface ChunkForm {
  readonly chunkSize: number;
  /** Whether type-3 chunks repeat an extended timestamp (RTMP 1.0 §5.3.1.3); librtmp and older OBS do not. */
  readonly extTimestampOnType3: boolean;
}

const EXTENDED = 0xff_ffff;

/**
 * One message as a type-0 chunk and type-3 chunks (RTMP 1.0 §5.3.1), in a buffer of its own. Written apart from the server's
 * writer, so that the two can be held against each other. `chunkStreamId` must be 2…63.
 */
export function encodeChunks(message: OutgoingMessage, { chunkSize, extTimestampOnType3 }: ChunkForm): Buffer {
  const { body } = message;
  const extended = message.timestamp >= EXTENDED;
  const pieces = Math.max(1, Math.ceil(body.length / chunkSize));
  const type3Bytes = 1 + (extended && extTimestampOnType3 ? 4 : 0);
  const out = Buffer.allocUnsafe(12 + (extended ? 4 : 0) + body.length + (pieces - 1) * type3Bytes);
  out[0] = message.chunkStreamId;
  out.writeUIntBE(extended ? EXTENDED : message.timestamp, 1, 3);
  out.writeUIntBE(body.length, 4, 3);
  out[7] = message.type;
  out.writeUInt32LE(message.messageStreamId, 8);
  let at = 12;
  if (extended) at = out.writeUInt32BE(message.timestamp, at);
  for (let from = 0; from < body.length || from === 0; from += chunkSize) {
    if (from > 0) {
      out[at++] = 0xc0 | message.chunkStreamId;
      if (type3Bytes === 5) at = out.writeUInt32BE(message.timestamp, at);
    }
    at += body.copy(out, at, from, Math.min(from + chunkSize, body.length));
  }
  return out;
}
