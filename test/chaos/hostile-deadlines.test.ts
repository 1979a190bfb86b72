import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Besieged } from '../support/besieged.ts';
import { command, connectCommand, HostilePeer, handshake, ping, requestOf } from '../support/hostile-peer.ts';
import { RtmpPublisher } from '../support/rtmp-client.ts';
import { waitFor } from '../support/wait-for.ts';

const REQUEST_MS = 2_000;
const AUDIO = 8;
/** AAC configuration and a frame. */
const HEADER = Buffer.from('af001190', 'hex');
const FRAME = Buffer.from('af01210049900219002380', 'hex');

describe('peers who keep a connection and do nothing with it', () => {
  let siege: Besieged;
  let port: number;
  beforeAll(async () => {
    siege = await Besieged.start({
      env: {
        HEADWATER_LIMITS_HANDSHAKE: '1s',
        HEADWATER_LIMITS_REQUEST: `${REQUEST_MS}ms`,
        HEADWATER_LIMITS_PUBLISHER_READ: '2s',
        HEADWATER_LIMITS_PUBLISHER_MEDIA: '3s',
      },
    });
    port = siege.server.ports.rtmp;
  });
  afterAll(() => siege[Symbol.asyncDispose]());

  /** Says each of the bytes on its own, and over and over, until it is cut off. */
  async function dribble(peer: HostilePeer, bytes: Buffer): Promise<void> {
    for (let at = 0; !peer.socket.destroyed; at = (at + 1) % bytes.length) {
      peer.write(bytes.subarray(at, at + 1));
      await Promise.race([delay(50), peer.closed]);
    }
  }

  describe.concurrent('each is closed at its deadline', () => {
    it('a handshake, one byte at a time: ERR_RTMP_HANDSHAKE_TIMEOUT', async () => {
      await using peer = await HostilePeer.connect(port);
      await dribble(peer, handshake());
      expect(await siege.faultOf(peer)).toBe('ERR_RTMP_HANDSHAKE_TIMEOUT');
    });

    it('not one byte: ERR_RTMP_HANDSHAKE_TIMEOUT', async () => {
      await using peer = await HostilePeer.connect(port);
      await peer.closed;
      expect(await siege.faultOf(peer)).toBe('ERR_RTMP_HANDSHAKE_TIMEOUT');
    });

    it('no C2: ERR_RTMP_HANDSHAKE_TIMEOUT', async () => {
      await using peer = await HostilePeer.connect(port);
      peer.write(handshake().subarray(0, 1537));
      await peer.closed;
      expect(await siege.faultOf(peer)).toBe('ERR_RTMP_HANDSHAKE_TIMEOUT');
    });

    it('neither publish nor play, but pings: ERR_RTMP_REQUEST_TIMEOUT', async () => {
      await using peer = await HostilePeer.rtmp(port);
      peer.write(connectCommand());
      await dribble(peer, ping());
      expect(await siege.faultOf(peer)).toBe('ERR_RTMP_REQUEST_TIMEOUT');
    });

    it('half a publish command: ERR_RTMP_REQUEST_TIMEOUT', async () => {
      await using peer = await HostilePeer.rtmp(port);
      peer.write(requestOf('publish', 'live/half').subarray(0, -5));
      await peer.closed;
      expect(await siege.faultOf(peer)).toBe('ERR_RTMP_REQUEST_TIMEOUT');
    });

    it('publish, and then nothing: ERR_PUBLISHER_READ_TIMEOUT', async () => {
      await using peer = await HostilePeer.rtmp(port);
      peer.write(requestOf('publish', 'live/silent'));
      await peer.closed;
      expect(peer.heard).toContain('NetStream.Publish.Start');
      expect(await siege.faultOf(peer)).toBe('ERR_PUBLISHER_READ_TIMEOUT');
      await siege.server.waitForLog('publication ended', { stream_key: 'live/silent', cause: 'timeout' });
    });

    it('publish, and pings but no media: ERR_PUBLISHER_NO_MEDIA', async () => {
      await using peer = await HostilePeer.rtmp(port);
      peer.write(requestOf('publish', 'live/no-media'));
      await dribble(peer, ping());
      expect(await siege.faultOf(peer)).toBe('ERR_PUBLISHER_NO_MEDIA');
      await siege.server.waitForLog('publication ended', { stream_key: 'live/no-media', cause: 'timeout' });
    });

    it('a publisher that has stopped has the same time to begin anew, and no more: ERR_RTMP_REQUEST_TIMEOUT', async () => {
      const since = Date.now();
      await using publisher = await RtmpPublisher.connect(siege.server.rtmp('live/anew'));
      const name = `${publisher.connection.socket.localAddress}:${publisher.connection.socket.localPort}`;
      await publisher.publish();
      await publisher.send(AUDIO, 0, HEADER);
      for (let ms = 0; ms < 1.2 * REQUEST_MS; ms += 100) {
        await publisher.send(AUDIO, ms, FRAME);
        await delay(100);
      }
      publisher.connection.command(0, 'deleteStream', null, 1);
      await delay(REQUEST_MS / 2);
      publisher.connection.statuses.length = 0;
      await publisher.publish();
      publisher.connection.command(0, 'deleteStream', null, 1);
      await publisher.connection.closed;
      expect(await siege.faultOf({ name, since })).toBe('ERR_RTMP_REQUEST_TIMEOUT');
      expect(siege.server.log.all('publication ended', { stream_key: 'live/anew', cause: 'unpublish' })).toHaveLength(
        2,
      );
    });

    it('a second publish behind a refused one, in the same breath, is not heard', async () => {
      const { server } = siege;
      await using first = await RtmpPublisher.connect(server.rtmp('live/breath'));
      await first.publish();
      await using held = await HostilePeer.rtmp(port);
      held.write(requestOf('publish', 'live/breath'));
      await waitFor('it to be held', () => server.log.all('publish command', { stream_key: 'live/breath' })[1]);
      await using peer = await HostilePeer.rtmp(port);
      peer.write(
        Buffer.concat([requestOf('publish', 'live/breath'), command('publish', 4, [null, 'other', 'live'], 1)]),
      );
      await peer.closed;
      expect(peer.heard).toContain('NetStream.Publish.BadName');
      expect(server.log.all('publication started', { stream_key: 'live/other' })).toEqual([]);
      await first.stop();
    });
  });

  it('and each is counted under the code it was closed with', async () => {
    expect(await siege.faults('ERR_RTMP_HANDSHAKE_TIMEOUT')).toBe(3);
    expect(await siege.faults('ERR_RTMP_REQUEST_TIMEOUT')).toBe(3);
    expect(await siege.faults('ERR_PUBLISHER_READ_TIMEOUT')).toBe(1);
    expect(await siege.faults('ERR_PUBLISHER_NO_MEDIA')).toBe(1);
    await siege.expectAlive();
    await siege.expectNothingLost();
  });
});
