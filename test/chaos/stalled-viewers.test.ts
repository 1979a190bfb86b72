import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { numberedMedia, numberIn } from '../support/numbered-media.ts';
import { completeRecording } from '../support/recording.ts';
import { RtmpPlayer, RtmpPublisher } from '../support/rtmp-client.ts';
import { startServer } from '../support/server.ts';
import { makeClip, paced } from '../support/synthetic-media.ts';
import { waitFor } from '../support/wait-for.ts';
import { witness } from '../support/witness.ts';

const STALLED = 100;
const READING = 10;
const SECONDS = 30;
const PATH = 'live/test';
const MAX_GROWTH_BYTES = 30 * 1024 * 1024;

it(`serves ${READING} viewers every frame beside ${STALLED} that stop reading, and keeps its memory`, async () => {
  await using server = await startServer();
  const clip = await makeClip({ width: 1280, height: 720, videoKbps: 4_000, gop: 50 });
  await using publisher = await RtmpPublisher.connect(server.rtmp(PATH));
  await publisher.publish();
  const sent: number[] = [];
  const stop = new AbortController();
  const publishing = (async () => {
    for await (const { type, timestamp, body } of paced(numberedMedia(clip), { signal: stop.signal })) {
      if (type === 9) sent.push(numberIn(body) ?? -1);
      await publisher.send(type, timestamp, body);
    }
  })();

  const got: { readonly numbers: number[]; readonly hash: ReturnType<typeof createHash> }[] = [];
  const readers = await Promise.all(
    Array.from({ length: READING }, () => {
      const one = { numbers: [] as number[], hash: createHash('md5') };
      got.push(one);
      return RtmpPlayer.connect(server.rtmp(PATH), {
        onMessage: ({ type, body }) => {
          const number = type === 9 ? numberIn(body) : undefined;
          if (number !== undefined) one.numbers.push(number);
        },
      });
    }),
  );
  await waitFor('all readers to have media', () => got.every(({ numbers }) => numbers.length > 50));
  const before = server.rss();
  const stalled = await Promise.all(Array.from({ length: STALLED }, () => RtmpPlayer.connect(server.rtmp(PATH))));
  for (const player of stalled) player.pause();

  let worst = before;
  const until = performance.now() + SECONDS * 1000;
  while (performance.now() < until) {
    worst = Math.max(worst, server.rss());
    await delay(250);
  }
  stop.abort();
  await publishing;
  await publisher.stop();
  console.log(`memory grew by at most ${((worst - before) / 2 ** 20).toFixed(1)} MiB`);
  expect(worst - before).toBeLessThan(MAX_GROWTH_BYTES);
  expect(await server.metric('headwater_viewers_evicted_total')).toBe(STALLED);

  const last = Math.max(...sent);
  await waitFor('the readers to have all', () =>
    got.every(({ numbers }) => numbers.at(-1) === last || numbers.includes(last)),
  );
  for (const { numbers } of got) {
    const first = numbers[0]!;
    expect(numbers).toEqual(Array.from({ length: last - first + 1 }, (_, i) => first + i));
  }
  const recording = await completeRecording(server.store, PATH);
  const read = await Promise.all(recording.segments.map(({ file }) => witness(file)));
  const frames = read
    .flat()
    .filter(({ type }) => type === 'video')
    .reduce((sum, { packets }) => sum + packets, 0);
  expect(frames).toBe(last + 1);
  for (const player of [...readers, ...stalled]) player.destroy();
});
