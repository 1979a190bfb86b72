import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tool } from '../setup/tools.ts';
import { clip } from '../support/clips.ts';
import { freeUdpPort } from '../support/ports.ts';
import { start, type TestProcess } from '../support/process.ts';
import { completeRecording } from '../support/recording.ts';
import { type Server, startServer } from '../support/server.ts';
import { TempDir } from '../support/temp-dir.ts';
import { tsClip } from '../support/ts-clips.ts';
import { LossyNetwork } from './lossy-network.ts';
import { LossyPublisher } from './lossy-publisher.ts';
import { gapsOf, keptOf } from './recorded-frames.ts';

const MESSAGE_BYTES = 1316;
/** Slow messages behind the file: of these, the last may get lost unnoticed. */
const TRAILERS = 20;
const RTT_MS = 80;
const DELAY = { delayMs: RTT_MS / 2, jitterMs: 4 };
const PATH = 'live/test';
const SETTLE_MS = 3000;
const MIN_SPAN_MS = 60_000;

/** Statistics of a publisher's connection, under libsrt's names. */
type Statistics = Readonly<Record<string, number>>;

/** One of our servers, what publishes to it over the lossy network, and the statistics at its end. */
interface Link {
  readonly server: Server;
  readonly publisher: LossyPublisher;
  statistics: Statistics;
}

/** srt-live-transmit as a receiver: how many packets it gave up. */
class Reference implements AsyncDisposable {
  readonly process: TestProcess;
  readonly #dir = new TempDir('reference');

  constructor(address: string, port: number, latency: number) {
    const report = ['-s', '100', '-fullstats', '-pf', 'json', '-statsout', this.#file];
    const source = `srt://${address}:${port}?mode=listener&latency=${latency}`;
    const args = ['-loglevel', 'error', ...report, source, 'file://con'];
    this.process = start(tool('srt-live-transmit'), args, { onStdout() {} });
  }

  get #file(): string {
    return this.#dir.join('statistics.json');
  }

  /** Totals of its last report. */
  statistics(): { readonly packetsDropped: number; readonly packetsUnique: number } {
    const lines = readFileSync(this.#file, 'utf8').split('\n');
    const last = lines.findLast((line) => line.endsWith('}}')) as string;
    return (JSON.parse(last) as { recv: { packetsDropped: number; packetsUnique: number } }).recv;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.process[Symbol.asyncDispose]();
    this.#dir[Symbol.dispose]();
  }
}

describe('a minute at 5 Mbit/s, 40 ms each way, datagrams that overtake each other', () => {
  const stack = new AsyncDisposableStack();
  const links = {} as Record<'calm' | 'tight' | 'wild', Link>;
  let reference: Reference;
  let source: string;
  let messages: number;

  beforeAll(async () => {
    source = await clip('h264-5m');
    const file = await tsClip('h264-5m');
    messages = Math.ceil(readFileSync(file).length / MESSAGE_BYTES);
    const net = stack.use(LossyNetwork.open());
    const open = async (lossPercent: number) => {
      const port = await freeUdpPort();
      const server = stack.use(await startServer({ args: ['--srt-listen', `${net.here}:${port}`] }));
      return { server, target: net.way(port, { lossPercent, ...DELAY }) };
    };
    const calm = await open(5);
    const tight = await open(5);
    const wild = await open(20);
    const port = await freeUdpPort();
    const referenceTarget = net.way(port, { lossPercent: 5, ...DELAY });
    await net.begin();
    reference = stack.use(new Reference(net.here, port, 4 * RTT_MS));
    await delay(500);
    const publishTo = ({ server, target }: typeof calm, latency: number): Link => {
      const options = { streamid: `publish:${PATH}`, latency, conntimeo: 10_000 };
      return { server, publisher: stack.use(new LossyPublisher(net, file, target, options)), statistics: {} };
    };
    links.calm = publishTo(calm, 8 * RTT_MS);
    links.tight = publishTo(tight, 4 * RTT_MS);
    links.wild = publishTo(wild, 4 * RTT_MS);
    const other = stack.use(new LossyPublisher(net, file, referenceTarget, { latency: 4 * RTT_MS, conntimeo: 10_000 }));
    await Promise.all([...Object.values(links).map((each) => each.publisher), other].map((each) => each.feed(100_000)));
    await delay(SETTLE_MS);
    for (const link of Object.values(links)) {
      const view = await link.server.stream(PATH);
      link.statistics = (view?.publisher?.srt ?? {}) as Statistics;
    }
    await Promise.all([...Object.values(links).map((each) => each.publisher), other].map((each) => each.stop()));
  }, 150_000);
  afterAll(async () => {
    await stack.disposeAsync();
  });

  it('the network was as bad as it was meant to be', () => {
    for (const [name, atLeast] of [
      ['calm', 0.04],
      ['tight', 0.04],
      ['wild', 0.16],
    ] as const) {
      const { pktRcvLoss, pktRcvRetrans, msRTT } = links[name].statistics;
      expect(pktRcvLoss, name).toBeGreaterThan(atLeast * messages);
      expect(pktRcvRetrans, name).toBeGreaterThan(atLeast * messages);
      expect(msRTT, name).toBeGreaterThan(RTT_MS - 8);
    }
  });

  it('loses nothing at 5 % each way and a latency of eight round trips', async () => {
    const { server, statistics } = links.calm;
    expect(statistics).toMatchObject({ latency: 8 * RTT_MS, pktRcvDrop: 0 });
    const recording = await completeRecording(server.store, PATH);
    expect(gapsOf(recording)).toEqual([]);
    for (const stream of ['v:0', 'a:0'] as const) {
      const { missing, spanMs } = await keptOf(recording, source, stream, 'h264');
      expect(missing, stream).toEqual([]);
      expect(spanMs, stream).toBeGreaterThan(MIN_SPAN_MS);
    }
  });

  it('gives up at most twice what srt-live-transmit does, and 3, at a latency of four round trips', () => {
    const { pktRcvDrop } = links.tight.statistics;
    const { packetsDropped, packetsUnique } = reference.statistics();
    console.log(`given up at four round trips: ${pktRcvDrop}, srt-live-transmit ${packetsDropped}`);
    expect(packetsUnique).toBeGreaterThan(0.95 * messages);
    expect(pktRcvDrop).toBeLessThanOrEqual(2 * packetsDropped + 3);
  });

  it('declares everything that it lacks at 20 %, and stores no damaged frame as whole', async () => {
    const { server, statistics } = links.wild;
    const { pktRcvDrop = 0, pktRecvUnique = 0 } = statistics;
    console.log(`given up at 20 %: ${pktRcvDrop} of ${messages}`);
    expect(pktRcvDrop).toBeGreaterThan(0);
    // Every message that was sent has come once, or was given up.
    expect(pktRecvUnique + pktRcvDrop).toBeGreaterThanOrEqual(messages);
    expect(pktRecvUnique + pktRcvDrop).toBeLessThanOrEqual(messages + TRAILERS);
    expect(server.log.all('Connection accepted', { protocol: 'srt' })).toHaveLength(1);
    const recording = await completeRecording(server.store, PATH);
    expect(gapsOf(recording).length).toBeGreaterThan(0);
    for (const stream of ['v:0', 'a:0'] as const) {
      const { undeclared, spanMs } = await keptOf(recording, source, stream, 'h264');
      expect(undeclared, stream).toEqual([]);
      expect(spanMs, stream).toBeGreaterThan(MIN_SPAN_MS);
    }
  });
});
