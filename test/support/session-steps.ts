import { expect } from 'vitest';
import type { AmfInput } from '../../ingest/protocol/rtmp/amf-value.ts';
import { encodeAmf0 } from '../../ingest/protocol/rtmp/amf0.ts';
import { encodeChunks } from '../../ingest/protocol/rtmp/chunk-writer.ts';
import { traceSession } from './session-trace.ts';

/** C0, C1 and C2 of the simple handshake. */
export const HELLO = Buffer.concat([Buffer.of(3), Buffer.alloc(4), Buffer.alloc(4), Buffer.alloc(1528 + 1536, 1)]);
/** Bytes written as hex digits. */
export const hex = (text: string) => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');
/** One message in chunks of 128 bytes. */
export const message = (type: number, streamId: number, body: Buffer, timestamp = 0) =>
  encodeChunks([{ chunkStreamId: 3, type, streamId, timestamp, body }], 128);
/** An AMF0 command message. */
export const command = (streamId: number, ...values: AmfInput[]) => message(20, streamId, encodeAmf0(...values));
/** An audio message. */
export const media = (timestamp: number, text: string, streamId = 1) => message(8, streamId, hex(text), timestamp);
/** The usual commands of a client. */
export const CONNECT = command(0, 'connect', 1, { app: 'live', tcUrl: 'rtmp://h/live', flashVer: 'F' });
export const CREATE = command(0, 'createStream', 4, null);
export const PUBLISH = command(1, 'publish', 5, null, 'test', 'live');
export const PLAY = command(1, 'play', 5, null, 'test', -2000);

/** What a session says up to the answer to `connect`. */
export const CONNECTED = [
  'handshake simple',
  '> control 5(2500000)',
  '> control 6(2500000)',
  '> control 1(65536)',
  '> on 0: _result 1 {fmsVer capabilities mode fourCcList videoFourCcInfoMap audioFourCcInfoMap capsEx} {status NetConnection.Connect.Success}',
  'connect live rtmp://h/live "F" encoding 0 fourcc [] caps 0',
];
/** What a session says when a viewer is accepted. */
export const PLAYING = [
  '> event 0(1)',
  '> on 1: onStatus 0 null {status NetStream.Play.Reset}',
  '> on 1: onStatus 0 null {status NetStream.Play.Start}',
  '> type 18 on 1: |RtmpSampleAccess true true',
];

/** A session after connect and createStream, whose lines so far have been taken. */
export function connected(decide?: Parameters<typeof traceSession>[0]) {
  const trace = traceSession(decide);
  trace.receive(HELLO, CONNECT, CREATE);
  expect(trace.take()).toEqual([...CONNECTED, '> on 0: _result 4 null 1']);
  return trace;
}
/** Decides nothing yet. */
export const later = () => {};
