import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Besieged } from '../support/besieged.ts';
import {
  claim,
  command,
  connectCommand,
  HostilePeer,
  message,
  ping,
  requestOf,
  setChunkSize,
} from '../support/hostile-peer.ts';
import { RtmpPublisher } from '../support/rtmp-client.ts';
import { waitFor } from '../support/wait-for.ts';

const MIB = 2 ** 20;
const VIDEO = 9;
const PENDING = 200;
const SESSIONS = 12;
const MAX_GROWTH = 128 * MIB;

const times = (count: number, bytes: Buffer): Buffer => Buffer.concat(Array<Buffer>(count).fill(bytes));
/** FCPublish is answered twice, the second time with the name it came with. */
const chatter = times(200, command('FCPublish', 4, [null, 'x'.repeat(100)]));
const nonsense = times(2_000, message(99, Buffer.alloc(1)));
const pings = times(2_000, ping());

describe('peers who send too much, or come in too great numbers', () => {
  let siege: Besieged;
  let port: number;
  let memory: number;
  beforeAll(async () => {
    siege = await Besieged.start({
      // A line for each message skipped would be a flood of its own.
      args: ['--log-level', 'info'],
      env: {
        HEADWATER_LIMITS_HANDSHAKE: '2s',
        HEADWATER_LIMITS_REQUEST: '3s',
        HEADWATER_LIMITS_PUBLISHER_MEDIA: '3s',
        HEADWATER_LIMITS_PENDING_PER_ADDRESS: String(PENDING),
        HEADWATER_LIMITS_SESSIONS_PER_ADDRESS: String(SESSIONS),
        HEADWATER_PLAY_WAIT_FOR_PUBLISHER: '3s',
      },
    });
    port = siege.server.ports.rtmp;
    memory = siege.highestMemory();
  });
  afterAll(() => siege[Symbol.asyncDispose]());

  it.each([
    { name: 'pings', before: () => Buffer.alloc(0), flood: pings },
    { name: 'commands', before: () => connectCommand(), flood: chatter },
    { name: 'pings of a publisher', before: () => requestOf('publish', 'live/flood'), flood: pings },
    { name: 'commands of a viewer', before: () => requestOf('play', 'live/bystander'), flood: chatter },
    { name: 'commands of one who waits', before: () => requestOf('play', 'live/nobody'), flood: chatter },
  ])('$name whose answers are not read: ERR_RTMP_FLOOD', async ({ before, flood }) => {
    const count = await siege.faults('ERR_RTMP_FLOOD');
    await using peer = await HostilePeer.rtmp(port, { deaf: true });
    peer.write(before());
    void peer.flood(flood);
    expect(await siege.faultOf(peer)).toBe('ERR_RTMP_FLOOD');
    expect(await siege.faults('ERR_RTMP_FLOOD')).toBe(count + 1);
    await siege.expectAlive();
  });

  it('media before the publisher may: ERR_RTMP_FLOOD', async () => {
    await using first = await RtmpPublisher.connect(siege.server.rtmp('live/held'));
    await first.publish();
    await using peer = await HostilePeer.rtmp(port);
    const media = Buffer.concat([
      setChunkSize(MIB),
      ...Array<Buffer>(9).fill(claim(6, VIDEO, MIB, Buffer.alloc(MIB, 0x27))),
    ]);
    peer.write(Buffer.concat([requestOf('publish', 'live/held'), media]));
    await peer.closed;
    expect(await siege.faultOf(peer)).toBe('ERR_RTMP_FLOOD');
    await siege.expectAlive();
  });

  it.each([
    { name: 'commands', verb: 'play', flood: chatter, code: 'ERR_RTMP_FLOOD' },
    { name: 'what nobody understands', verb: 'play', flood: nonsense, code: 'ERR_RTMP_FLOOD' },
    { name: 'the same, as publishers', verb: 'publish', flood: nonsense, code: 'ERR_PUBLISHER_NO_MEDIA' },
  ] as const)(
    'three who flood with $name and read all answers hold nobody up: $code',
    async ({ verb, flood, code }) => {
      const peers = await Promise.all(Array.from({ length: 3 }, () => HostilePeer.rtmp(port)));
      for (const [i, peer] of peers.entries()) {
        peer.write(requestOf(verb, `live/flood-${i}`));
        void peer.flood(flood);
      }
      for (const peer of peers) expect(await siege.faultOf(peer)).toBe(code);
      console.log(`longest wait ${siege.stream.longestWait.toFixed(0)} ms`);
      for (const peer of peers) await peer[Symbol.asyncDispose]();
      await siege.expectAlive();
    },
  );

  it.each([
    { kind: 'RTMP', from: '127.0.0.2', first: 'ERR_RTMP_HANDSHAKE_TIMEOUT' },
    { kind: 'HTTP', from: '127.0.0.3', first: 'ERR_HTTP_REQUEST_TIMEOUT' },
  ])(
    '300 $kind connections of one address that never speak: 100 are refused, the others run into their deadline',
    async ({ kind, from, first }) => {
      const code = 'ERR_LIMIT_PENDING_PER_ADDRESS';
      const [refused, late] = [await siege.faults(code), await siege.faults(first)];
      const to = kind === 'RTMP' ? port : siege.server.ports.http;
      const peers = await Promise.all(Array.from({ length: 300 }, () => HostilePeer.connect(to, { from })));
      await waitFor('100 to be refused', async () => (await siege.faults(code)) === refused + 100);
      await siege.server.waitForLog('connections refused', { code, peer_addr: from });
      // Others are let in meanwhile.
      await using other = await RtmpPublisher.connect(siege.server.rtmp('live/other'));
      await other.publish();
      await other.stop();
      await Promise.all(peers.map(({ closed }) => closed));
      expect(await siege.faults(first)).toBe(late + PENDING);
      expect(await siege.faults(code)).toBe(refused + 100);
      await using again =
        kind === 'RTMP' ? await HostilePeer.rtmp(to, { from }) : await HostilePeer.connect(to, { from });
      again.write(kind === 'RTMP' ? requestOf('play', 'live/bystander') : 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
      await again.hears(kind === 'RTMP' ? 'NetStream.Play.Start' : 'HTTP/1.1 404 ');
      await siege.expectAlive();
    },
  );

  it('viewers who wait for a publisher count as not accepted; when it comes, they no longer do', async () => {
    const from = '127.0.0.5';
    const waiting = await Promise.all(Array.from({ length: SESSIONS }, () => HostilePeer.rtmp(port, { from })));
    for (const peer of waiting) peer.write(requestOf('play', 'live/awaited'));
    const silent = await Promise.all(
      Array.from({ length: PENDING - SESSIONS }, () => HostilePeer.connect(port, { from })),
    );
    await using refused = await HostilePeer.connect(port, { from });
    await refused.closed;
    await using publisher = await RtmpPublisher.connect(siege.server.rtmp('live/awaited'));
    await publisher.publish();
    for (const peer of waiting) await peer.hears('NetStream.Play.Start');
    await using next = await HostilePeer.rtmp(port, { from });
    await waitFor('the next one to be let in', () => next.heard.length > 0);
    for (const peer of [...waiting, ...silent]) await peer[Symbol.asyncDispose]();
    await publisher.stop();
  });

  it(`more than ${SESSIONS} publishers and viewers of one address: ERR_LIMIT_SESSIONS_PER_ADDRESS, and they are told`, async () => {
    const from = '127.0.0.4';
    const code = 'ERR_LIMIT_SESSIONS_PER_ADDRESS';
    const count = await siege.faults(code);
    const viewers = await Promise.all(Array.from({ length: SESSIONS }, () => HostilePeer.rtmp(port, { from })));
    for (const viewer of viewers) {
      viewer.write(requestOf('play', 'live/bystander'));
      await viewer.hears('NetStream.Play.Start');
    }
    await using viewer = await HostilePeer.rtmp(port, { from });
    viewer.write(requestOf('play', 'live/bystander'));
    await viewer.hears('NetStream.Play.Failed');
    expect(await siege.faultOf(viewer)).toBe(code);
    await using publisher = await HostilePeer.rtmp(port, { from });
    publisher.write(requestOf('publish', 'live/thirteenth'));
    await publisher.hears('NetStream.Publish.Denied');
    expect(await siege.faultOf(publisher)).toBe(code);
    await using http = await HostilePeer.connect(siege.server.ports.http, { from });
    http.write('GET /live/bystander.flv HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await http.hears('HTTP/1.1 429 ');
    expect(await siege.faults(code)).toBe(count + 3);

    await viewers[0]![Symbol.asyncDispose]();
    await siege.server.waitForLog('Connection closed', {}, { after: siege.server.log.records.length - 1 });
    await using next = await HostilePeer.rtmp(port, { from });
    next.write(requestOf('play', 'live/bystander'));
    await next.hears('NetStream.Play.Start');
    for (const each of viewers) await each[Symbol.asyncDispose]();
  });

  it('all this while a publisher and a viewer lost nothing, and memory stayed', async () => {
    await siege.expectAlive();
    await siege.expectNothingLost();
    const growth = siege.highestMemory() - memory;
    console.log(
      `memory grew by at most ${(growth / MIB).toFixed(0)} MiB, longest wait ${siege.stream.longestWait.toFixed(0)} ms`,
    );
    expect(growth).toBeLessThan(MAX_GROWTH);
  });
});
