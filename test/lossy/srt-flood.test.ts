import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { clip } from '../support/clips.ts';
import { freeUdpPort } from '../support/ports.ts';
import { completeRecording } from '../support/recording.ts';
import { startServer } from '../support/server.ts';
import { tsClip } from '../support/ts-clips.ts';
import { LossyNetwork } from './lossy-network.ts';
import { LossyPublisher } from './lossy-publisher.ts';
import { keptOf } from './recorded-frames.ts';

const PATH = 'live/test';
const PER_SECOND = 20_000;
const SECONDS = 20;
/** On a machine that does other things besides, sending so many may take a little longer. */
const MAX_SECONDS = 1.5 * SECONDS;
const CALM = { lossPercent: 0, delayMs: 5, jitterMs: 0 };
/** Where the server is kept from running for a while, the kernel drops of both: time enough to ask again for what was the publisher's. */
const LATENCY_MS = 1000;
const MEMORY_SAMPLES_MS = 250;
const MAX_GROWTH = 1.1;

it(`${PER_SECOND} handshakes a second from many ports: the publisher loses nothing, memory is flat, others still get in`, async () => {
  const source = await clip('h264-5m');
  const file = await tsClip('h264-5m');
  await using net = LossyNetwork.open();
  const port = await freeUdpPort();
  await using server = await startServer({ args: ['--srt-listen', `${net.here}:${port}`] });
  const target = net.way(port, CALM);
  await net.begin();
  const session = { latency: LATENCY_MS, conntimeo: 10_000 };
  await using publisher = new LossyPublisher(net, file, target, { ...session, streamid: `publish:${PATH}` });
  publisher.feed(100_000).catch(() => {}); // it is stopped before its end
  await server.waitForLog('Codecs detected', { stream_key: PATH });
  await delay(2000);

  const script = join(import.meta.dirname, 'flood.ts');
  const args = [script, net.here, String(port), String(PER_SECOND), String(SECONDS)];
  await using flood = net.neighbour(process.execPath, args);
  const memory: number[] = [];
  let newcomer: LossyPublisher | undefined;
  while (flood.exit === undefined) {
    memory.push(server.rss());
    if (newcomer === undefined && memory.length > SECONDS)
      newcomer = new LossyPublisher(net, file, target, {
        ...session,
        conntimeo: 3000,
        streamid: 'publish:live/newcomer',
      });
    await delay(MEMORY_SAMPLES_MS);
  }
  await using _ = newcomer;
  const { sent, took, answers } = JSON.parse((await flood.succeed()).stdout) as Record<string, number>;
  const view = await server.stream(PATH);
  await publisher.stop();

  console.log(
    `${sent} sent in ${took} s, ${answers} answered; memory ${memory.map((each) => Math.round(each / 2 ** 20))}`,
  );
  expect(sent).toBe(PER_SECOND * SECONDS);
  expect(took).toBeLessThan(MAX_SECONDS);
  expect(answers).toBeGreaterThan(0.5 * (sent ?? 0));
  expect(view?.publisher?.srt).toMatchObject({ pktRcvDrop: 0 });
  expect(server.log.all('Connection accepted', { stream_key: 'live/newcomer' })).toHaveLength(1);
  const fifth = Math.floor(memory.length / 5);
  const early = Math.max(...memory.slice(fifth, 2 * fifth));
  const late = Math.min(...memory.slice(-fifth));
  expect(late).toBeLessThan(MAX_GROWTH * early);
  const recording = await completeRecording(server.store, PATH);
  const { missing, spanMs } = await keptOf(recording, source, 'v:0', 'h264');
  expect(missing).toEqual([]);
  expect(spanMs).toBeGreaterThan(SECONDS * 1000);
});
