import type { AmfInput, AmfValue } from './amf-value.ts';
import { encodeAmf0, parseAmf0Prefix } from './amf0.ts';
import { CHUNK_STREAM, MESSAGE, type OutgoingMessage } from './message.ts';

/** A command message (RTMP 1.0 §7.1.1): name, transaction, command object, arguments. */
export interface Command {
  readonly name: string;
  /** 0 where no answer is wanted, or none was given. */
  readonly transactionId: number;
  readonly object: AmfValue;
  readonly args: readonly AmfValue[];
}

/** The body of a command (AMF0); undefined if it has no name. What is unreadable after the name is taken as not there. */
export function parseCommand(body: Buffer): Command | undefined {
  const [name, transactionId, object, ...args] = parseAmf0Prefix(body).values;
  if (typeof name !== 'string' || name === '') return undefined;
  return { name, transactionId: typeof transactionId === 'number' ? transactionId : 0, object, args };
}

/**
 * The AMF0 part of a message of type 15 or 17 (RTMP 1.0 §7.1.1, §7.1.2): these begin with a byte that selects the format, of which only 0 was
 * ever defined. Some clients leave it out; a text (or the switch to AMF3) that follows tells it from the type of a first value.
 */
export function withoutFormatSelector(body: Buffer): Buffer {
  const second = body[1];
  return body[0] === 0 && (second === 0x02 || second === 0x0c || second === 0x11) ? body.subarray(1) : body;
}

/** A command to the peer, on message stream `streamId`: 0 for the connection's own. */
export function commandMessage(streamId: number, ...values: readonly AmfInput[]): OutgoingMessage {
  return {
    chunkStreamId: streamId === 0 ? CHUNK_STREAM.COMMAND : CHUNK_STREAM.STREAM_STATUS,
    type: MESSAGE.COMMAND,
    streamId,
    timestamp: 0,
    body: encodeAmf0(...values),
  };
}

/** `onStatus` on a message stream (RTMP 1.0 §7.2.2). Clients look at `level` for whether it is an error, then at `code`. */
export function statusMessage(
  streamId: number,
  level: 'status' | 'error',
  code: string,
  description: string,
): OutgoingMessage {
  return commandMessage(streamId, 'onStatus', 0, null, { level, code, description });
}
