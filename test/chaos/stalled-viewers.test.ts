import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { numberedMedia, numberIn } from '../support/numbered-media.ts';
import { completeRecording } from '../support/recording.ts';
import { RtmpPlayer, RtmpPublisher } from '../support/rtmp-client.ts';
import { type Server, startServer } from '../support/server.ts';
import { makeClip, paced } from '../support/synthetic-media.ts';
import { waitFor } from '../support/wait-for.ts';
import { witness } from '../support/witness.ts';

const STALLED = 100;
const READING = 10;
const SECONDS = 30;
const WARM_UP_SECONDS = 6;
const PATH = 'live/test';
const MAX_GROWTH_BYTES = 30 * 1024 * 1024;

/** The most memory that the server has in the next `seconds`, bytes. */
async function highestMemory(server: Server, seconds: number): Promise<number> {
  let highest = 0;
  for (const until = performance.now() + seconds * 1000; performance.now() < until; await delay(250))
    highest = Math.max(highest, server.rss());
  return highest;
}

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

  const got: { readonly numbers: number[] }[] = [];
  const readers = await Promise.all(
    Array.from({ length: READING }, () => {
      const one = { numbers: [] as number[] };
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
  const stalled = await Promise.all(Array.from({ length: STALLED }, () => RtmpPlayer.connect(server.rtmp(PATH))));
  // All are served for a while, and segments stored: the server has what it needs for its work. Then they stop reading.
  await waitFor(
    'two segments to be stored',
    async () => (await server.metric('headwater_upload_confirm_seconds_count')) >= 2,
  );
  const before = await highestMemory(server, WARM_UP_SECONDS);
  for (const player of stalled) player.pause();

  const worst = await highestMemory(server, SECONDS);
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
