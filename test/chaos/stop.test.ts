import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { numberedMedia, numberIn } from '../support/numbered-media.ts';
import { freePort } from '../support/ports.ts';
import { completeRecording, type StoredRecording } from '../support/recording.ts';
import { RtmpPlayer, RtmpPublisher } from '../support/rtmp-client.ts';
import { type Server, startServer } from '../support/server.ts';
import { makeClip, paced } from '../support/synthetic-media.ts';
import { TempDir } from '../support/temp-dir.ts';
import { waitFor } from '../support/wait-for.ts';
import { witness } from '../support/witness.ts';

const PATH = 'live/test';
const FPS = 25;

/** Longer than two signals of one Ctrl+C are apart. */
const LATER_MS = 500;

/** A publisher that goes on until the server is gone, and a viewer that remembers the last frame it saw. */
async function live(server: Server): Promise<{ lastSeen: number; readonly done: Promise<void> }> {
  const clip = await makeClip({ fps: FPS, videoKbps: 300 });
  const publisher = await RtmpPublisher.connect(server.rtmp(PATH));
  await publisher.publish();
  const state = { lastSeen: -1, done: Promise.resolve() };
  const player = await RtmpPlayer.connect(server.rtmp(PATH), {
    onMessage: ({ type, body }) => {
      if (type === 9) state.lastSeen = Math.max(state.lastSeen, numberIn(body) ?? -1);
    },
  });
  state.done = (async () => {
    try {
      for await (const { type, timestamp, body } of paced(numberedMedia(clip)))
        await publisher.send(type, timestamp, body);
    } catch {
      // the server has closed the connection
    }
    publisher.destroy();
    player.destroy();
  })();
  return state;
}

async function framesOf(recording: StoredRecording): Promise<number> {
  let frames = 0;
  for (const { file } of recording.segments) {
    for (const track of await witness(file)) if (track.type === 'video') frames += track.packets;
  }
  return frames;
}

it('ends in good order on SIGTERM: every frame that a viewer saw is stored', async () => {
  await using server = await startServer({ args: ['--segment-duration', '2s'] });
  const stream = await live(server);
  await waitFor('three seconds of media', () => stream.lastSeen > 3 * FPS);
  expect(await server.stop()).toEqual({ code: 0, signal: null });
  await stream.done;
  expect(server.log.records.at(-1)!.msg).toBe('server stopped');
  const recording = await completeRecording(server.store, PATH, 1000);
  expect(await framesOf(recording)).toBeGreaterThan(stream.lastSeen);
});

it('ends at once on a second signal while the store is away, and the next start stores all of it', async () => {
  using dir = new TempDir('stop');
  const away = ['--store', 's3://bucket', '--s3-endpoint', `http://127.0.0.1:${await freePort()}`];
  const spool = ['--spool', `${dir.path}/spool`];
  const env = { HEADWATER_STORE_S3_ACCESS_KEY_ID: 'a', HEADWATER_STORE_S3_SECRET_ACCESS_KEY: 'b' };
  let frames = 0;
  {
    await using server = await startServer({
      args: [...away, ...spool, '--segment-duration', '2s'],
      env,
    });
    const stream = await live(server);
    await waitFor('three seconds of media', () => stream.lastSeen > 3 * FPS);
    const stopped = server.stop();
    await server.waitForLog('stopping; a second signal stops at once');
    await stream.done;
    await delay(LATER_MS);
    expect(server.process.exit, 'the first signal waits for the uploads').toBeUndefined();
    const asked = performance.now();
    await server.stop();
    expect(performance.now() - asked, 'ms to end').toBeLessThan(2000);
    expect(await stopped).toEqual({ code: 143, signal: null });
    frames = stream.lastSeen;
  }
  await using server = await startServer({ args: ['--store', `file://${dir.path}/store`, ...spool] });
  const recording = await completeRecording(`${dir.path}/store`, PATH);
  expect(await framesOf(recording)).toBeGreaterThan(frames);
  expect(await server.metric('headwater_upload_backlog_segments')).toBe(0);
});

it('takes both signals of a Ctrl+C under npm for one', async () => {
  await using server = await startServer();
  const stream = await live(server);
  await waitFor('a second of media', () => stream.lastSeen > FPS);
  const stopped = server.stop('SIGINT');
  expect(await server.stop('SIGINT')).toEqual({ code: 0, signal: null });
  await stopped;
  await stream.done;
  const recording = await completeRecording(server.store, PATH, 1000);
  expect(await framesOf(recording)).toBeGreaterThan(stream.lastSeen);
});
