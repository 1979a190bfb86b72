import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteWriter } from '../../bytes/byte-writer.ts';
import { ChunkReader } from './chunk-reader.ts';
import { encodeChunks, writeBasicHeader } from './chunk-writer.ts';
import type { OutgoingMessage } from './message.ts';
import type { RtmpLimits } from './rtmp-limits.ts';

const LIMITS: RtmpLimits = {
  messageBytes: 0xff_ffff,
  commandBytes: 256 * 1024,
  metadataBytes: 1024 * 1024,
  partialBytes: 32 * 1024 * 1024,
  chunkStreams: 64,
  chunkSizeMin: 128,
  chunkSizeMax: 16_777_215,
};

/** Events as text: `type@time/stream:body`, `discarded`, and the code of the fault that ended it. */
function read(pieces: readonly Buffer[], limits: Partial<RtmpLimits> = {}): string[] {
  const events: string[] = [];
  const reader = new ChunkReader(
    { ...LIMITS, ...limits },
    {
      onMessage: (type, streamId, timestamp, body) => {
        events.push(`${type}@${timestamp}/${streamId}:${body.length > 16 ? body.length : body.toString('hex')}`);
      },
      onDiscarded: () => events.push('discarded'),
    },
  );
  try {
    for (const piece of pieces) reader.receive(piece);
  } catch (error) {
    events.push((error as { code: string }).code);
  }
  return events;
}

const hex = (text: string) => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');
/** `count` bytes of payload that is no extended time. */
const fill = (count: number) => 'dd'.repeat(count);
const cut = (bytes: Buffer, at: readonly number[]) => {
  const edges = [0, ...at.map((n) => n % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return edges.slice(1).map((edge, i) => bytes.subarray(edges[i], edge));
};

/** Bytes that only a reader meets: other stacks' ways to write the same. */
const READ_CASES: { name: string; bytes: string; want: string[]; limits?: Partial<RtmpLimits> }[] = [
  { name: 'type 0', bytes: '04 000014 000002 08 01000000 af01', want: ['8@20/1:af01'] },
  {
    name: 'type 1 and 2 add their delta',
    bytes: '04 000014 000001 08 01000000 aa  44 000017 000002 09 bbbb  84 000001 cccc',
    want: ['8@20/1:aa', '9@43/1:bbbb', '9@44/1:cccc'],
  },
  {
    name: 'type 3 after type 2 adds the same delta again',
    bytes: '04 000014 000001 08 01000000 aa  84 000017 bb  c4 cc  c4 dd',
    want: ['8@20/1:aa', '8@43/1:bb', '8@66/1:cc', '8@89/1:dd'],
  },
  {
    name: 'type 3 after type 0 adds its time once and again (FMLE: 26, 52, 78)',
    bytes: '04 00001a 000001 08 01000000 aa  c4 bb  c4 cc',
    want: ['8@26/1:aa', '8@52/1:bb', '8@78/1:cc'],
  },
  {
    name: 'type 3 after type 0 with a late time keeps the time (nginx)',
    bytes: '04 36ee80 000001 08 01000000 aa  c4 bb',
    want: ['8@3600000/1:aa', '8@3600000/1:bb'],
  },
  {
    name: 'type 1 first on a chunk stream counts from 0 (librtmp answers pings so)',
    bytes: '42 000005 000006 04 0007 00000001',
    want: ['4@5/0:000700000001'],
  },
  {
    name: 'type 2 first is a fault',
    bytes: '84 000001 aa',
    want: ['ERR_RTMP_CHUNK_HEADER'],
  },
  { name: 'type 3 first is a fault', bytes: 'c4 aa', want: ['ERR_RTMP_CHUNK_HEADER'] },
  {
    name: 'ids 64 and 319 in both encodings are the same chunk streams',
    bytes:
      '00 00 000014 000001 08 01000000 aa  81 0000 000001 bb  00 ff 000014 000001 08 01000000 cc  81 ff00 000002 dd',
    want: ['8@20/1:aa', '8@21/1:bb', '8@20/1:cc', '8@22/1:dd'],
  },
  {
    name: 'an id of three bytes is little-endian',
    bytes: '01 0001 000014 000001 08 01000000 aa c1 0001 bb',
    want: ['8@20/1:aa', '8@40/1:bb'],
  },
  {
    name: 'the message stream id is little-endian',
    bytes: '04 000000 000001 08 04030201 aa',
    want: ['8@0/16909060:aa'],
  },
  {
    name: 'a delta of 0xfffffe is not extended',
    bytes: '04 000000 000001 08 01000000 aa 84 fffffe bb',
    want: ['8@0/1:aa', '8@16777214/1:bb'],
  },
  {
    name: 'deltas of 0xffffff and 0x1000000 are extended',
    bytes: '04 000000 000001 08 01000000 aa 84 ffffff 00ffffff bb 84 ffffff 01000000 cc',
    want: ['8@0/1:aa', '8@16777215/1:bb', '8@33554431/1:cc'],
  },
  {
    name: 'an extended delta starts each further message with its field',
    bytes: '04 000000 000001 08 01000000 aa 84 ffffff 01000000 bb c4 01000000 cc c4 02000000 dd',
    want: ['8@0/1:aa', '8@16777216/1:bb', '8@33554432/1:cc', '8@67108864/1:dd'],
  },
  {
    name: 'time wraps at 2³²',
    bytes: '04 ffffff 000001 08 01000000 fffffff0 aa 84 000020 bb c4 cc',
    want: ['8@4294967280/1:aa', '8@16/1:bb', '8@48/1:cc'],
  },
  {
    name: 'a delta past 2³¹ goes back (an underflow in OBS)',
    bytes: '04 000014 000001 08 01000000 aa 84 ffffff ffffffff bb',
    want: ['8@20/1:aa', '8@19/1:bb'],
  },
  {
    name: 'extended time on continuations (ffmpeg, OBS since 30.1)',
    bytes: `04 ffffff 000102 09 01000000 01000000 ${fill(128)} c4 01000000 ${fill(128)} c4 01000000 ${fill(2)}`,
    want: ['9@16777216/1:258'],
  },
  {
    name: 'no extended time on continuations (librtmp, OBS up to 30.0)',
    bytes: `04 ffffff 000102 09 01000000 01000000 ${fill(128)} c4 ${fill(128)} c4 ${fill(2)}`,
    want: ['9@16777216/1:258'],
  },
  {
    name: 'extended time on continuations without its top bit',
    bytes: `04 ffffff 000081 09 01000000 f0000000 ${fill(128)} c4 70000000 dd`,
    want: ['9@4026531840/1:129'],
  },
  {
    name: 'payload that begins like the extended time is payload',
    bytes: `04 ffffff 000082 09 01000000 01000000 ${fill(128)} c4 0100 04 000014 000001 08 01000000 aa`,
    want: ['9@16777216/1:130', '8@20/1:aa'],
  },
  {
    name: 'extended time, then the same time in a type-3 message: with the field and without',
    bytes: '04 ffffff 000001 08 01000000 01000000 aa c4 01000000 bb c4 cc 84 000005 dd',
    want: ['8@16777216/1:aa', '8@16777216/1:bb', '8@16777216/1:cc', '8@16777221/1:dd'],
  },
  {
    name: 'chunks of two chunk streams interleave',
    bytes: `04 000000 000081 08 01000000 ${fill(128)} 06 000000 000081 09 01000000 ${fill(128)} c4 dd c6 dd`,
    want: ['8@0/1:129', '9@0/1:129'],
  },
  {
    name: 'a new chunk size holds for the next chunk of a message under way',
    bytes: `04 000000 000201 08 01000000 ${fill(128)} 02 000000 000004 01 00000000 00000181 c4 ${fill(385)}`,
    want: ['1@0/0:00000181', '8@0/1:513'],
  },
  {
    name: 'abort drops the unfinished message; what follows is a new one',
    bytes: `04 000003 000081 08 01000000 ${fill(128)} 02 000000 000004 02 00000000 00000004 c4 ${fill(128)} c4 dd`,
    want: ['discarded', '2@0/0:00000004', '8@6/1:129'],
  },
  { name: 'abort of nothing', bytes: '02 000000 000004 02 00000000 00000009', want: ['2@0/0:00000009'] },
  {
    name: 'type 0 in the middle of a message starts a new one',
    bytes: `04 000000 000081 08 01000000 ${fill(128)} 04 000001 000001 08 01000000 aa`,
    want: ['discarded', '8@1/1:aa'],
  },
  {
    name: 'empty messages are whole at once',
    bytes: '04 000014 000000 08 01000000 c4 c4 84 000001 04 000015 000001 09 01000000 aa',
    want: ['8@20/1:', '8@40/1:', '8@60/1:', '8@61/1:', '9@21/1:aa'],
  },
  { name: 'chunk size 127 is refused', bytes: '02 000000 000004 01 00000000 0000007f', want: ['ERR_RTMP_CHUNK_SIZE'] },
  { name: 'chunk size 0 is refused', bytes: '02 000000 000004 01 00000000 00000000', want: ['ERR_RTMP_CHUNK_SIZE'] },
  {
    name: 'chunk size 0x7fffffff is the longest message, the top bit is nothing',
    bytes: `02 000000 000004 01 00000000 ffffffff 04 000000 000100 08 01000000 ${fill(256)}`,
    want: ['1@0/0:ffffffff', '8@0/1:256'],
  },
  {
    name: 'a chunk size above the limit is refused',
    bytes: '02 000000 000004 01 00000000 00010001',
    limits: { chunkSizeMax: 65_536 },
    want: ['ERR_RTMP_CHUNK_SIZE'],
  },
  {
    name: 'a chunk size of three bytes is refused',
    bytes: '02 000000 000003 01 00000000 000100',
    want: ['ERR_RTMP_CONTROL'],
  },
  {
    name: 'an abort of three bytes is refused',
    bytes: '02 000000 000003 02 00000000 000004',
    want: ['ERR_RTMP_CONTROL'],
  },
  { name: 'a command past the limit', bytes: '03 000000 040001 14 00000000', want: ['ERR_RTMP_MESSAGE_TOO_LARGE'] },
  { name: 'metadata past the limit', bytes: '03 000000 100001 12 01000000', want: ['ERR_RTMP_MESSAGE_TOO_LARGE'] },
  {
    name: 'an unknown type past the limit',
    bytes: '03 000000 040001 63 01000000',
    want: ['ERR_RTMP_MESSAGE_TOO_LARGE'],
  },
  {
    name: 'media past the limit',
    bytes: '03 000000 000401 09 01000000',
    limits: { messageBytes: 1024 },
    want: ['ERR_RTMP_MESSAGE_TOO_LARGE'],
  },
  {
    name: 'one chunk stream too many',
    bytes: '04 000000 000001 08 01000000 aa 05 000000 000001 08 01000000 bb 06 000000 000001 08 01000000 cc',
    limits: { chunkStreams: 2 },
    want: ['8@0/1:aa', '8@0/1:bb', 'ERR_RTMP_CHUNK_STREAMS'],
  },
  {
    name: 'unfinished messages past the limit',
    bytes: `04 000000 000081 08 01000000 ${fill(128)} 05 000000 000081 08 01000000 dd`,
    limits: { partialBytes: 257 },
    want: ['ERR_RTMP_PARTIAL_TOO_LARGE'],
  },
];

/** Messages that this side writes, at chunk size 128. */
const BOTH_CASES: { name: string; message: OutgoingMessage; bytes: string; want: string }[] = [
  {
    name: 'one chunk',
    message: { chunkStreamId: 3, type: 20, streamId: 0, timestamp: 7, body: hex('0102') },
    bytes: '03 000007 000002 14 00000000 0102',
    want: '20@7/0:0102',
  },
  {
    name: 'nothing',
    message: { chunkStreamId: 4, type: 8, streamId: 1, timestamp: 0, body: hex('') },
    bytes: '04 000000 000000 08 01000000',
    want: '8@0/1:',
  },
  {
    name: 'exactly two chunks',
    message: { chunkStreamId: 6, type: 9, streamId: 1, timestamp: 0xfffffe, body: hex(fill(256)) },
    bytes: `06 fffffe 000100 09 01000000 ${fill(128)} c6 ${fill(128)}`,
    want: '9@16777214/1:256',
  },
  {
    name: 'extended time',
    message: { chunkStreamId: 6, type: 9, streamId: 1, timestamp: 0xffffff, body: hex(fill(129)) },
    bytes: `06 ffffff 000081 09 01000000 00ffffff ${fill(128)} c6 00ffffff dd`,
    want: '9@16777215/1:129',
  },
  ...(
    [
      [2, '02'],
      [63, '3f'],
      [64, '0000'],
      [319, '00ff'],
      [320, '010001'],
      [65_599, '01ffff'],
    ] as const
  ).map(([chunkStreamId, header]) => ({
    name: `chunk stream ${chunkStreamId}`,
    message: { chunkStreamId, type: 8, streamId: 1, timestamp: 0, body: hex('aa') },
    bytes: `${header} 000000 000001 08 01000000 aa`,
    want: '8@0/1:aa',
  })),
];

describe('ChunkReader', () => {
  it.each(READ_CASES)('$name', ({ bytes, want, limits }) => {
    expect(read([hex(bytes)], limits)).toEqual(want);
  });

  it.each(READ_CASES)('byte by byte: $name', ({ bytes, want, limits }) => {
    expect(
      read(
        [...hex(bytes)].map((byte) => Buffer.of(byte)),
        limits,
      ),
    ).toEqual(want);
  });

  it('any split of the bytes gives the same events', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...READ_CASES.filter((c) => c.limits === undefined)),
        fc.array(fc.nat(700), { maxLength: 12 }),
        ({ bytes, want }, at) => {
          expect(read(cut(hex(bytes), at))).toEqual(want);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('any messages, chunk sizes and splits come out as they went in', () => {
    const message = fc.record({
      chunkStreamId: fc.constantFrom(2, 3, 63, 64, 319, 320, 65_599),
      type: fc.constantFrom(8, 9, 18, 20),
      streamId: fc.nat(0xffff_ffff),
      timestamp: fc.oneof(fc.nat(0xffff_ffff), fc.constantFrom(0xfffffe, 0xffffff, 0x1000000, 0xffffffff)),
      body: fc.uint8Array({ maxLength: 600 }).map((bytes) => Buffer.from(bytes)),
    });
    fc.assert(
      fc.property(
        fc.array(message, { maxLength: 8 }),
        fc.integer({ min: 128, max: 300 }),
        fc.array(fc.nat(), { maxLength: 12 }),
        (messages, chunkSize, at) => {
          const size = Buffer.alloc(4);
          size.writeUInt32BE(chunkSize);
          const bytes = Buffer.concat([
            encodeChunks([{ chunkStreamId: 2, type: 1, streamId: 0, timestamp: 0, body: size }], 128),
            encodeChunks(messages, chunkSize),
          ]);
          const got: unknown[] = [];
          const reader = new ChunkReader(LIMITS, {
            onMessage: (type, streamId, timestamp, body) =>
              got.push([type, streamId, timestamp, body.toString('hex'), body.length]),
            onDiscarded: () => got.push('discarded'),
          });
          for (const piece of cut(bytes, at)) reader.receive(piece);
          expect(got.slice(1)).toEqual(
            messages.map((m) => [m.type, m.streamId, m.timestamp, m.body.toString('hex'), m.body.length]),
          );
        },
      ),
    );
  });

  it('gives each message memory that later bytes do not touch', () => {
    const bodies: Buffer[] = [];
    const reader = new ChunkReader(LIMITS, { onMessage: (_t, _s, _ts, body) => bodies.push(body), onDiscarded() {} });
    const socketBuffer = hex('04 000014 000004 08 01000000 01020304');
    reader.receive(socketBuffer);
    socketBuffer.fill(0);
    expect(bodies.map((b) => b.toString('hex'))).toEqual(['01020304']);
  });

  it('reads a message of 12 MiB in chunks of 4096, whole', () => {
    const body = Buffer.alloc(12 * 1024 * 1024, 0x5a);
    body[body.length - 1] = 1;
    const got: Buffer[] = [];
    const reader = new ChunkReader(LIMITS, { onMessage: (_t, _s, _ts, b) => got.push(b), onDiscarded() {} });
    reader.receive(hex('02 000000 000004 01 00000000 00001000'));
    const bytes = encodeChunks([{ chunkStreamId: 6, type: 9, streamId: 1, timestamp: 0, body }], 4096);
    for (let at = 0; at < bytes.length; at += 65_521) reader.receive(bytes.subarray(at, at + 65_521));
    expect(got[1]?.equals(body)).toBe(true);
    expect(got[1]?.buffer.byteLength).toBe(body.length);
  });

  it('does not give memory for what a header only claims', () => {
    const w = new ByteWriter();
    for (let id = 3; id < 60; id += 1) {
      writeBasicHeader(w, 0, id);
      w.u24(0).u24(0xffffff).u8(9).u32le(1).fill(128);
    }
    const before = process.memoryUsage().arrayBuffers;
    const reader = new ChunkReader(LIMITS, { onMessage() {}, onDiscarded() {} });
    reader.receive(w.finish());
    // 57 messages claim 956 MB, and have sent 128 bytes each.
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 * 1024 * 1024);
  });
});

describe('encodeChunks', () => {
  it.each(BOTH_CASES)('$name', ({ message, bytes, want }) => {
    expect(encodeChunks([message], 128).toString('hex')).toBe(hex(bytes).toString('hex'));
    expect(read([hex(bytes)], { chunkStreams: 1 })).toEqual([want]);
  });
});
