import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ChunkReader } from '../../ingest/protocol/rtmp/chunk-reader.ts';
import { encodeChunks as encodeByServer } from '../../ingest/protocol/rtmp/chunk-writer.ts';
import { type Amf, decodeAmf, encodeAmf } from './rtmp-amf.ts';
import { ChunkParser, type IncomingMessage } from './rtmp-chunk-parser.ts';
import { encodeChunks } from './rtmp-chunks.ts';
import { RtmpPlayer, RtmpPublisher } from './rtmp-client.ts';

const LIMITS = {
  messageBytes: 2 ** 24,
  commandBytes: 2 ** 24,
  metadataBytes: 2 ** 24,
  partialBytes: 2 ** 24,
  chunkStreams: 64,
  chunkSizeMin: 1,
  chunkSizeMax: 2 ** 24,
};

const messages = fc.array(
  fc.record({
    chunkStreamId: fc.constantFrom(4, 6, 63),
    type: fc.constantFrom(8, 9),
    timestamp: fc.oneof(fc.nat(5000), fc.constantFrom(0xff_fffe, 0xff_ffff, 0x100_0000, 2 ** 32 - 1)),
    body: fc.uint8Array({ maxLength: 600 }).map((bytes) => Buffer.from(bytes)),
  }),
  { maxLength: 12 },
);

describe('the test client and the server read and write the same chunks', () => {
  it.each([true, false])('client → server, extended time on type-3 chunks: %s', (extTimestampOnType3) => {
    fc.assert(
      fc.property(messages, fc.integer({ min: 1, max: 200 }), (sent, split) => {
        const form = { chunkSize: 128, extTimestampOnType3 };
        const wire = Buffer.concat(sent.map((m) => encodeChunks({ ...m, messageStreamId: 1 }, form)));
        const got: unknown[] = [];
        const reader = new ChunkReader(LIMITS, {
          onMessage: (type, streamId, timestamp, body) =>
            got.push({ type, streamId, timestamp, body: body.toString('hex') }),
          onDiscarded: () => got.push('discarded'),
        });
        for (let at = 0; at < wire.length; at += split) reader.receive(wire.subarray(at, at + split));
        const want = sent.map((m) => ({
          type: m.type,
          streamId: 1,
          timestamp: m.timestamp,
          body: m.body.toString('hex'),
        }));
        expect(got).toEqual(want);
      }),
    );
  });

  it('server → client', () => {
    fc.assert(
      fc.property(messages, fc.integer({ min: 1, max: 200 }), (sent, split) => {
        const wire = encodeByServer(
          sent.map((m) => ({ ...m, streamId: 1 })),
          128,
        );
        const got: IncomingMessage[] = [];
        const parser = new ChunkParser((message) => got.push(message));
        for (let at = 0; at < wire.length; at += split) parser.push(wire.subarray(at, at + split));
        expect(got).toEqual(sent.map((m) => ({ ...m, messageStreamId: 1 })));
      }),
    );
  });
});

it('AMF0 values survive', () => {
  const values: Amf[] = [
    'connect',
    1,
    { app: 'live', fourCcList: ['av01', 'hvc1'], flag: true, nothing: null },
    undefined,
  ];
  expect(decodeAmf(encodeAmf(...values))).toEqual(values);
});

describe('a client whose server', () => {
  let server: Server;
  const sockets = new Set<Socket>();
  const url = () => `rtmp://127.0.0.1:${(server.address() as AddressInfo).port}/live/x`;

  beforeEach(async () => {
    server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => {});
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
    await once(server.close(), 'close');
  });

  it('hangs up is told so', async () => {
    server.on('connection', (socket) => socket.end());
    await expect(RtmpPublisher.connect(url())).rejects.toThrow('connection closed');
  });

  it('never answers is ended by the signal', async () => {
    const attempt = RtmpPlayer.connect(url(), { signal: AbortSignal.timeout(50) });
    await expect(attempt).rejects.toThrow('connection closed');
  });

  it('sends something else than RTMP is told so', async () => {
    server.on('connection', (socket) => socket.write(Buffer.alloc(4000, 'x')));
    await expect(RtmpPublisher.connect(url())).rejects.toThrow('S0 is 120');
  });
});
