import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Besieged } from '../support/besieged.ts';
import {
  claim,
  command,
  connectCommand,
  HostilePeer,
  handshake,
  message,
  requestOf,
  setChunkSize,
} from '../support/hostile-peer.ts';
import { RtmpPublisher } from '../support/rtmp-client.ts';

const MIB = 2 ** 20;
const [VIDEO, DATA, COMMAND] = [9, 18, 20] as const;
const LONGEST_MESSAGE = 2 ** 24 - 1;
/** Bytes by which memory may grow over the whole siege: what Node's heap and buffers take and give back late. */
const MAX_GROWTH = 160 * MIB;

/** Objects within objects, `depth` deep. */
const nested = (depth: number): Buffer =>
  Buffer.concat([
    ...Array<Buffer>(depth).fill(Buffer.from([3, 0, 1, 0x61])),
    Buffer.alloc(3 * depth, Buffer.from([0, 0, 9])),
  ]);

const text = (value: string): Buffer => Buffer.concat([Buffer.from([2, 0, value.length]), Buffer.from(value)]);

/** Chunk streams `count`, each with a message begun. */
const begun = (count: number, type: number, length: number, payload: Buffer): Buffer =>
  Buffer.concat(Array.from({ length: count }, (_, i) => claim(4 + i, type, length, payload)));

describe('peers who break RTMP', () => {
  let siege: Besieged;
  let memory: number;
  beforeAll(async () => {
    siege = await Besieged.start({
      env: { HEADWATER_LIMITS_HANDSHAKE: '2s', HEADWATER_LIMITS_REQUEST: '3s' },
    });
    memory = siege.highestMemory();
  });
  afterAll(() => siege[Symbol.asyncDispose]());

  it.each<{ readonly name: string; readonly code: string; readonly bytes: () => Buffer | string }>([
    { name: 'HTTP', code: 'ERR_RTMP_NOT_RTMP', bytes: () => 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n' },
    { name: 'RTMPE', code: 'ERR_RTMP_NOT_RTMP', bytes: () => handshake().fill(6, 0, 1) },
    { name: 'a chunk that goes on with none', code: 'ERR_RTMP_CHUNK_HEADER', bytes: () => shaken(Buffer.from([0xc4])) },
    { name: 'chunks of one byte', code: 'ERR_RTMP_CHUNK_SIZE', bytes: () => shaken(setChunkSize(1)) },
    { name: 'chunks of no byte', code: 'ERR_RTMP_CHUNK_SIZE', bytes: () => shaken(setChunkSize(0)) },
    {
      name: 'Set Chunk Size without its size',
      code: 'ERR_RTMP_CONTROL',
      bytes: () => shaken(message(1, Buffer.alloc(2), { chunkStreamId: 2 })),
    },
    {
      name: 'a 65th chunk stream',
      code: 'ERR_RTMP_CHUNK_STREAMS',
      bytes: () => shaken(begun(65, VIDEO, 200, Buffer.alloc(128))),
    },
    {
      name: 'a command of 512 KiB',
      code: 'ERR_RTMP_MESSAGE_TOO_LARGE',
      bytes: () => shaken(message(COMMAND, Buffer.alloc(512 * 1024))),
    },
    {
      name: 'metadata of more than 1 MiB',
      code: 'ERR_RTMP_MESSAGE_TOO_LARGE',
      bytes: () => shaken(message(DATA, Buffer.alloc(MIB + 1))),
    },
    {
      name: 'more than 32 MiB of unfinished messages',
      code: 'ERR_RTMP_PARTIAL_TOO_LARGE',
      bytes: () =>
        shaken(
          requestOf('publish', 'live/partial'),
          setChunkSize(MIB),
          begun(34, VIDEO, LONGEST_MESSAGE, Buffer.alloc(MIB)),
        ),
    },
    {
      name: 'more than 1 MiB of them without publishing',
      code: 'ERR_RTMP_PARTIAL_TOO_LARGE',
      bytes: () => shaken(connectCommand(), setChunkSize(MIB), begun(2, VIDEO, LONGEST_MESSAGE, Buffer.alloc(MIB))),
    },
    {
      name: 'publish before connect',
      code: 'ERR_RTMP_COMMAND',
      bytes: () => shaken(command('publish', 1, [null, 'a'])),
    },
    { name: 'connect twice', code: 'ERR_RTMP_COMMAND', bytes: () => shaken(connectCommand(), connectCommand()) },
    {
      name: 'connect with objects 20,000 deep',
      code: 'ERR_RTMP_COMMAND',
      bytes: () => shaken(message(COMMAND, Buffer.concat([text('connect'), Buffer.alloc(9), nested(20_000)]))),
    },
    {
      name: '33 message streams',
      code: 'ERR_RTMP_STREAMS',
      bytes: () => shaken(connectCommand(), ...Array<Buffer>(33).fill(command('createStream', 2, [null]))),
    },
  ])('$name: $code', async ({ code, bytes }) => {
    const before = await siege.faults(code);
    await using peer = await HostilePeer.connect(siege.server.ports.rtmp);
    peer.write(bytes());
    await peer.closed;
    expect(await siege.faultOf(peer)).toBe(code);
    expect(await siege.faults(code)).toBe(before + 1);
    await siege.expectAlive();
  });

  it.each([
    { name: 'two dots', app: 'live', key: '..' },
    { name: 'dots that climb', app: 'live/../../etc', key: 'passwd' },
    { name: 'a control character', app: 'live', key: 'a\u001b[2J' },
    { name: 'a backslash', app: 'live', key: 'a\\b' },
    { name: 'no name', app: 'live', key: '' },
    { name: 'nothing at all', app: '', key: '' },
    { name: 'a name of 1,000 bytes', app: 'live', key: 'a'.repeat(1000) },
  ])('a path of $name: ERR_RTMP_BAD_PATH, and the client is told', async ({ app, key }) => {
    const before = await siege.faults('ERR_RTMP_BAD_PATH');
    for (const verb of ['publish', 'play']) {
      await using peer = await HostilePeer.rtmp(siege.server.ports.rtmp);
      peer.write(
        Buffer.concat([connectCommand(app), command('createStream', 2, [null]), command(verb, 3, [null, key], 1)]),
      );
      await peer.closed;
      expect(peer.heard).toContain(verb === 'publish' ? 'NetStream.Publish.Rejected' : 'NetStream.Play.Failed');
      expect(await siege.faultOf(peer)).toBe('ERR_RTMP_BAD_PATH');
    }
    expect(await siege.faults('ERR_RTMP_BAD_PATH')).toBe(before + 2);
    await siege.expectAlive();
  });

  it('random bytes, from the first one on and after the handshake: each ends by a code of RTMP', async () => {
    const peers = await Promise.all(
      Array.from({ length: 40 }, async (_, i) => {
        const peer =
          i % 2 ? await HostilePeer.rtmp(siege.server.ports.rtmp) : await HostilePeer.connect(siege.server.ports.rtmp);
        peer.write(randomBytes(64 * 1024));
        return peer;
      }),
    );
    for (const peer of peers) {
      await peer.closed;
      expect(await siege.faultOf(peer)).toMatch(/^ERR_RTMP_/);
    }
    await siege.expectAlive();
  });

  it('lengths claimed and never sent cost no memory: 40 connections of 60 messages of 16 MiB', async () => {
    const before = siege.server.rss();
    const peers = await Promise.all(
      Array.from({ length: 40 }, async () => {
        const peer = await HostilePeer.rtmp(siege.server.ports.rtmp);
        peer.write(Buffer.concat([setChunkSize(0x7fff_ffff), begun(1, VIDEO, LONGEST_MESSAGE, Buffer.alloc(1))]));
        return peer;
      }),
    );
    const others = await Promise.all(
      Array.from({ length: 40 }, async () => {
        const peer = await HostilePeer.rtmp(siege.server.ports.rtmp);
        peer.write(begun(60, VIDEO, LONGEST_MESSAGE, Buffer.alloc(128)));
        return peer;
      }),
    );
    for (const peer of [...peers, ...others]) expect(await siege.faultOf(peer)).toBe('ERR_RTMP_REQUEST_TIMEOUT');
    expect(siege.server.rss() - before).toBeLessThan(64 * MIB);
    for (const peer of [...peers, ...others]) await peer[Symbol.asyncDispose]();
    await siege.expectAlive();
  });

  it('a chunk size of 2³¹ − 1 is as good as the longest message', async () => {
    await using publisher = await RtmpPublisher.connect(siege.server.rtmp('live/large'), { chunkSize: 0x7fff_ffff });
    await publisher.publish();
    await publisher.send(VIDEO, 0, Buffer.alloc(12 * MIB));
    await publisher.stop();
    await siege.server.waitForLog('publication ended', { stream_key: 'live/large', cause: 'unpublish' });
  });

  it('AMF bombs in a stream are skipped and counted; the stream goes on', async () => {
    const skipped = (code: string) => siege.server.metric(`headwater_skipped_messages_total{code="${code}"}`);
    await using publisher = await RtmpPublisher.connect(siege.server.rtmp('live/bombs'));
    await publisher.publish();
    const onMetaData = text('onMetaData');
    await publisher.send(DATA, 0, Buffer.concat([onMetaData, nested(100_000)]));
    // Arrays that claim 2³² − 1 items; strings that claim more than there is; dates without a time.
    for (const claimed of ['0affffffff', '08ffffffff', '0cffffffff61', '02ffff61', '0b00'])
      await publisher.send(DATA, 0, Buffer.concat([onMetaData, Buffer.from(claimed, 'hex')]));
    await publisher.send(COMMAND, 0, Buffer.concat([text('unheardOf'), Buffer.alloc(9), nested(10_000)]));
    publisher.connection.command(1, 'publish', null, 'again');
    await publisher.connection.status('NetStream.Publish.BadName');
    expect(await skipped('ERR_AMF_TOO_DEEP')).toBeGreaterThan(0);
    expect(await skipped('ERR_AMF_TRUNCATED')).toBeGreaterThan(0);
    expect(await skipped('ERR_RTMP_SECOND_STREAM')).toBe(1);
    await publisher.stop();
    await siege.server.waitForLog('publication ended', { stream_key: 'live/bombs', cause: 'unpublish' });
    await siege.expectAlive();
  });

  it('all this while a publisher and a viewer lost nothing, and memory stayed', async () => {
    await siege.expectNothingLost();
    const growth = siege.highestMemory() - memory;
    console.log(
      `memory grew by at most ${(growth / MIB).toFixed(0)} MiB, longest wait ${siege.stream.longestWait.toFixed(0)} ms`,
    );
    expect(growth).toBeLessThan(MAX_GROWTH);
  });
});

function shaken(...then: readonly Buffer[]): Buffer {
  return Buffer.concat([handshake(), ...then]);
}
