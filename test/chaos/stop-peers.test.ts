import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { HostilePeer, handshake, requestOf } from '../support/hostile-peer.ts';
import { framesIn, NumberedStream } from '../support/numbered-stream.ts';
import { completeRecording } from '../support/recording.ts';
import { RtmpPlayer, RtmpPublisher } from '../support/rtmp-client.ts';
import { startServer } from '../support/server.ts';
import { makeClip } from '../support/synthetic-media.ts';
import { watch } from '../support/viewer.ts';
import { waitFor } from '../support/wait-for.ts';

const PATH = 'live/test';

it('tells everybody on SIGTERM, waits for nobody who does not listen, stores all that was seen, and ends with 0', async () => {
  await using server = await startServer({ env: { HEADWATER_RELAY_STALE_AFTER: '60s' } });
  const { rtmp: port, http } = server.ports;
  await using stream = await NumberedStream.start(server, PATH, await makeClip());
  await using rtmp = watch(server.rtmp(PATH), { packetsOnly: true });
  await using flv = watch(server.flv(PATH), { packetsOnly: true });
  await Promise.all([rtmp.started(), flv.started()]);

  await using other = await RtmpPublisher.connect(server.rtmp('live/other'));
  await other.publish();
  await using held = await HostilePeer.rtmp(port);
  await using waiting = await HostilePeer.rtmp(port);
  await using waitingHttp = await HostilePeer.connect(http);
  await using half = await HostilePeer.connect(port);
  await using stalled = await RtmpPlayer.connect(server.rtmp(PATH));
  stalled.pause();
  half.write(handshake().subarray(0, 100));
  waiting.write(requestOf('play', 'live/awaited'));
  waitingHttp.write('GET /live/awaited.flv HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await waitFor('two who wait', () => server.log.all('play command', { stream_key: 'live/awaited' })[1]);
  held.write(requestOf('publish', 'live/other'));
  await waitFor('one to be held', () => server.log.all('publish command', { stream_key: 'live/other' })[1]);

  expect(await server.stop('SIGTERM', 5_000)).toEqual({ code: 0, signal: null });

  for (const viewer of [rtmp, flv]) {
    const { exit, complaints } = await viewer.finished();
    expect(exit.code).toBe(0);
    expect(complaints).toEqual([]);
  }
  expect(other.statuses.map(({ code }) => code)).toContain('NetStream.Unpublish.Success');
  await Promise.all([held.closed, waiting.closed, waitingHttp.closed, half.closed]);
  expect(held.heard).toMatch(/NetStream\.(Unpublish\.Success|Publish\.BadName)/);
  expect(waiting.heard).toMatch(/NetStream\.Play\.(Stop|Failed|StreamNotFound)/);
  expect(waitingHttp.heard).toMatch(/^HTTP\/1.1 503 /);

  const { segments } = await completeRecording(server.store, PATH, 1_000);
  const frames = [];
  for (const { file } of segments) frames.push(...(await framesIn(await readFile(file))));
  expect(frames.map(({ hash }) => hash)).toEqual(stream.sent.slice(0, frames.length));
  expect(frames.length).toBeGreaterThan(stream.seen.at(-1)!);
  expect(server.log.records.filter(({ level }) => level === 'ERROR')).toEqual([]);
  expect(server.process.stderr).toBe('');
});
