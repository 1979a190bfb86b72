/** RTMP 1.0 §5.4, §6.2, §7.1: message type ids. */
export const MESSAGE = {
  SET_CHUNK_SIZE: 1,
  ABORT: 2,
  ACKNOWLEDGEMENT: 3,
  USER_CONTROL: 4,
  WINDOW_ACK_SIZE: 5,
  SET_PEER_BANDWIDTH: 6,
  AUDIO: 8,
  VIDEO: 9,
  DATA_AMF3: 15,
  COMMAND_AMF3: 17,
  DATA: 18,
  COMMAND: 20,
  AGGREGATE: 22,
} as const;

/** RTMP 1.0 §7.1.7: events of user control messages. */
export const USER_EVENT = {
  STREAM_BEGIN: 0,
  STREAM_EOF: 1,
  SET_BUFFER_LENGTH: 3,
  PING_REQUEST: 6,
  PING_RESPONSE: 7,
} as const;

/** Chunk streams this side sends on. 2 is for control by RTMP 1.0 §5.4, 3 for commands of the connection by custom. */
export const CHUNK_STREAM = { CONTROL: 2, COMMAND: 3, STREAM_STATUS: 5 } as const;

/** The longest message a 24-bit length can announce. */
export const MAX_MESSAGE_BYTES = 0xff_ffff;

/** A message to be sent: chunk stream, type, message stream, time in ms (32 bits), body of at most 16,777,215 bytes. */
export interface OutgoingMessage {
  readonly chunkStreamId: number;
  readonly type: number;
  readonly streamId: number;
  readonly timestamp: number;
  readonly body: Buffer;
}

/** A protocol control message whose body is one 32-bit integer: Set Chunk Size, Abort, Acknowledgement, Window Ack Size. RTMP 1.0 §5.4. */
export function controlMessage(type: number, value: number): OutgoingMessage {
  const body = Buffer.allocUnsafe(4);
  body.writeUInt32BE(value >>> 0);
  return { chunkStreamId: CHUNK_STREAM.CONTROL, type, streamId: 0, timestamp: 0, body };
}

/** Set Peer Bandwidth with the dynamic limit type (2), as other servers send it. RTMP 1.0 §5.4.5. */
export function peerBandwidthMessage(bytes: number): OutgoingMessage {
  const body = Buffer.allocUnsafe(5);
  body.writeUInt32BE(bytes >>> 0);
  body[4] = 2;
  return { chunkStreamId: CHUNK_STREAM.CONTROL, type: MESSAGE.SET_PEER_BANDWIDTH, streamId: 0, timestamp: 0, body };
}

/** A user control message with one 32-bit argument: a message stream id, or a time in ms. RTMP 1.0 §7.1.7. */
export function userControlMessage(event: number, value: number): OutgoingMessage {
  const body = Buffer.allocUnsafe(6);
  body.writeUInt16BE(event);
  body.writeUInt32BE(value >>> 0, 2);
  return { chunkStreamId: CHUNK_STREAM.CONTROL, type: MESSAGE.USER_CONTROL, streamId: 0, timestamp: 0, body };
}
