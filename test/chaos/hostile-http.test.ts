import { setTimeout as delay } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Besieged } from '../support/besieged.ts';
import { selfSigned } from '../support/certificate.ts';
import { HostilePeer, handshake } from '../support/hostile-peer.ts';
import { freePort } from '../support/ports.ts';
import { RtmpPlayer, RtmpPublisher } from '../support/rtmp-client.ts';
import { startServer } from '../support/server.ts';
import { TempDir } from '../support/temp-dir.ts';
import { waitFor } from '../support/wait-for.ts';

const MIB = 2 ** 20;
const [VIDEO, KEY_FRAME] = [9, Buffer.from('1701000000', 'hex')] as const;
const AVC_HEADER = Buffer.from(
  '17000000000142c01fffe1000967 42c01fda014016ec01000468ce3c80'.replaceAll(' ', ''),
  'hex',
);
const get = (target: string, headers = ''): string => `GET ${target} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n`;

describe('peers who break HTTP and TLS', () => {
  const temp = new TempDir('hostile');
  let siege: Besieged;
  let http: number;
  let tls: number;
  beforeAll(async () => {
    const { cert, key } = await selfSigned(temp);
    tls = await freePort();
    siege = await Besieged.start({
      args: ['--tls-listen', `127.0.0.1:${tls}`, '--tls-cert', cert, '--tls-key', key],
      env: {
        HEADWATER_LIMITS_HANDSHAKE: '1s',
        HEADWATER_LIMITS_REQUEST: '2s',
        HEADWATER_VIEWER_EVICT_AFTER: '2s',
        HEADWATER_PLAY_WAIT_FOR_PUBLISHER: '50ms',
      },
    });
    http = siege.server.ports.http;
  });
  afterAll(async () => {
    await siege?.[Symbol.asyncDispose]();
    temp[Symbol.dispose]();
  });

  describe('TLS', () => {
    it('TLS on the RTMP port: ERR_RTMP_NOT_RTMP', async () => {
      const before = await siege.faults('ERR_RTMP_NOT_RTMP');
      const socket = connectTls({ port: siege.server.ports.rtmp, host: '127.0.0.1', rejectUnauthorized: false });
      socket.on('error', () => {});
      await new Promise((resolve) => socket.once('close', resolve));
      expect(await siege.faults('ERR_RTMP_NOT_RTMP')).toBe(before + 1);
    });

    it.each([
      { name: 'RTMP', bytes: handshake() },
      { name: 'HTTP', bytes: Buffer.from(get('/')) },
      { name: 'nothing', bytes: Buffer.alloc(0) },
      { name: 'half a greeting', bytes: Buffer.from('160301020001', 'hex') },
    ])('$name on the RTMPS port: ERR_TLS_HANDSHAKE', async ({ bytes }) => {
      const before = await siege.faults('ERR_TLS_HANDSHAKE');
      await using peer = await HostilePeer.connect(tls);
      peer.write(bytes);
      await peer.closed;
      expect(await siege.faults('ERR_TLS_HANDSHAKE')).toBe(before + 1);
      await siege.server.waitForLog('TLS handshake failed', { code: 'ERR_TLS_HANDSHAKE', peer_addr: '127.0.0.1' });
      await siege.expectAlive();
    });

    it('TLS handshakes that are never finished count as pending, and hold up no stop', async () => {
      await using server = await startServer({
        args: [
          '--tls-listen',
          '127.0.0.1:0',
          '--tls-cert',
          temp.join('localhost.crt'),
          '--tls-key',
          temp.join('localhost.key'),
        ],
        env: { HEADWATER_LIMITS_PENDING_PER_ADDRESS: '10', HEADWATER_LIMITS_HANDSHAKE: '60s' },
      });
      const { addr } = await server.waitForLog('RTMPS server listening');
      const to = Number(String(addr).split(':').at(-1));
      const peers = await Promise.all(Array.from({ length: 15 }, () => HostilePeer.connect(to)));
      await waitFor(
        'five to be refused',
        async () =>
          (await server.metric('headwater_connection_faults_total{code="ERR_LIMIT_PENDING_PER_ADDRESS"}')) === 5,
      );
      await using half = await HostilePeer.connect(server.ports.http, { from: '127.0.0.2' });
      half.write('GET / HTTP/1.1\r\n');
      await peers.at(-1)!.closed;
      expect(await server.stop('SIGTERM', 5_000)).toEqual({ code: 0, signal: null });
      await Promise.all(peers.map(({ closed }) => closed));
    });
  });

  describe('requests', () => {
    it.each([
      { name: 'RTMP', status: 400, code: 'ERR_HTTP_MALFORMED', said: handshake() },
      {
        name: 'a greeting of TLS',
        status: 400,
        code: 'ERR_HTTP_MALFORMED',
        said: Buffer.from('16030102000100', 'hex'),
      },
      {
        name: 'two lengths',
        status: 400,
        code: 'ERR_HTTP_MALFORMED',
        said: get('/', 'Content-Length: 1\r\nContent-Length: 2\r\n'),
      },
      {
        name: 'a URL of 64 KiB',
        status: 431,
        code: 'ERR_HTTP_HEADERS_TOO_LARGE',
        said: get(`/${'a'.repeat(65_536)}.flv`),
      },
      {
        name: '10,000 headers',
        status: 431,
        code: 'ERR_HTTP_HEADERS_TOO_LARGE',
        said: get('/', 'a: b\r\n'.repeat(10_000)),
      },
    ])('$name: $status, $code', async ({ status, code, said }) => {
      const before = await siege.faults(code);
      await using peer = await HostilePeer.connect(http);
      peer.write(said);
      await peer.closed;
      expect(peer.heard).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
      expect(await siege.faults(code)).toBe(before + 1);
      await siege.server.waitForLog('HTTP connection closed', { code, peer_addr: peer.name });
      await siege.expectAlive();
    });

    it.each([
      { said: get('/live/..%2f..%2fetc%2fpasswd.flv'), status: 404 },
      { said: get('/live/../../etc/passwd'), status: 404 },
      { said: get('/%ff%fe.flv'), status: 404 },
      { said: get('/live/%00.flv'), status: 404 },
      { said: get('/.flv'), status: 404 },
      { said: get('//[.flv'), status: 400 },
      { said: get('http://[/'), status: 400 },
      { said: get('/live/bystander.flv').replace('GET', 'POST'), status: 405 },
      { said: get('/live/bystander.flv').replace('GET', 'DELETE'), status: 405 },
      { said: get('/api/v1/streams').replace('GET', 'PUT'), status: 405 },
      { said: get('/api/v1/streams/%E0%A4%A'), status: 404 },
      { said: get('/live/nobody.flv'), status: 404 },
    ])('$said → $status, and the connection can be used again', async ({ said, status }) => {
      await using peer = await HostilePeer.connect(http);
      peer.write(said);
      await peer.hears('"code"');
      expect(peer.heard).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
      peer.write(get('/api/v1/streams'));
      await peer.hears('"streams"');
    });

    it('asking for nothing again and again, on one connection, leaves nothing behind', async () => {
      await using peer = await HostilePeer.connect(http);
      for (let n = 1; n <= 15; n++) {
        peer.write(get('/live/nobody.flv'));
        await waitFor('the next answer', () => peer.heard.split('ERR_STREAM_NOT_FOUND').length === n + 1, {
          everyMs: 5,
        });
      }
    });

    it('one header a second, a body that never comes, or nothing: ERR_HTTP_REQUEST_TIMEOUT', async () => {
      const before = await siege.faults('ERR_HTTP_REQUEST_TIMEOUT');
      const peers = await Promise.all([0, 1, 2].map(() => HostilePeer.connect(http)));
      const [slow, bodiless] = [peers[0]!, peers[1]!];
      bodiless.write(get('/api/v1/streams', 'Content-Length: 1000000000\r\n'));
      for (slow.write('GET / HTTP/1.1\r\n'); !slow.socket.destroyed; await delay(200)) slow.write('a: b\r\n');
      await Promise.all(peers.map(({ closed }) => closed));
      expect(slow.heard).toMatch(/^HTTP\/1.1 408 /);
      expect(await siege.faults('ERR_HTTP_REQUEST_TIMEOUT')).toBe(before + 3);
      await siege.expectAlive();
    });

    it('a thousand requests before the first is answered: ERR_HTTP_PIPELINED, and one viewer at most', async () => {
      const before = await siege.faults('ERR_HTTP_PIPELINED');
      await using peer = await HostilePeer.connect(http);
      peer.write(get('/live/bystander.flv').repeat(1000));
      await peer.closed;
      expect(await siege.faults('ERR_HTTP_PIPELINED')).toBe(before + 1);
      await waitFor('viewers to have left', async () => (await siege.server.metric('headwater_viewers')) === 1);
      await siege.expectAlive();
    });

    it('what a viewer says while it watches does not get into its stream', async () => {
      await using peer = await HostilePeer.connect(http);
      peer.write(get('/live/bystander.flv'));
      await peer.hears('FLV');
      peer.write(Buffer.alloc(100, 0xff));
      await peer.closed;
      expect(peer.heard).not.toContain('400 Bad Request');
    });
  });

  it('viewers that do not read, over RTMP, RTMPS and HTTP: ERR_VIEWER_STALLED', async () => {
    await using publisher = await RtmpPublisher.connect(siege.server.rtmp('live/large'));
    await publisher.publish();
    await publisher.send(VIDEO, 0, AVC_HEADER);
    const send = (ms: number) =>
      publisher.send(
        VIDEO,
        ms,
        Buffer.concat([KEY_FRAME, Buffer.from([0, 0x0f, 0xff, 0xfc, 0x65]), Buffer.alloc(MIB - 5, 0x27)]),
      );
    await send(0);
    const rtmp = await RtmpPlayer.connect(siege.server.rtmp('live/large'));
    const rtmps = await RtmpPlayer.connect(`rtmps://127.0.0.1:${tls}/live/large`);
    rtmp.pause();
    rtmps.pause();
    await using flv = await HostilePeer.connect(http, { deaf: true });
    flv.write(get('/live/large.flv'));
    const memory = siege.server.rss();
    const sending = new AbortController();
    const published = (async () => {
      for (let ms = 100; !sending.signal.aborted; ms += 100) {
        await send(ms);
        await delay(100);
      }
    })();
    await waitFor('all three to be closed', async () => (await siege.faults('ERR_VIEWER_STALLED')) === 3);
    sending.abort();
    await published;
    expect(siege.server.log.records.filter(({ code }) => code === 'ERR_VIEWER_STALLED')).toHaveLength(3);
    console.log(
      `memory grew by ${((siege.server.rss() - memory) / MIB).toFixed(0)} MiB beside three stalled viewers of 80 Mbit/s`,
    );
    await publisher.stop();
    rtmp.destroy();
    rtmps.destroy();
    await siege.expectAlive();
  });

  it('all this while a publisher and a viewer lost nothing', async () => {
    await siege.expectNothingLost();
  });
});
