import { setTimeout as delay } from 'node:timers/promises';
import { markClock, markedCycle, readMark } from '../support/marked-media.ts';
import { RtmpPlayer, RtmpPublisher } from '../support/rtmp-client.ts';
import { Feed } from './feed.ts';

/** What one load process does, told to it in its first message. */
export interface LoadSpec {
  /** One publisher for each URL. */
  readonly publish: readonly string[];
  readonly bitsPerSecond: number;
  /** Viewers that count bytes only, `count` of them on each URL. */
  readonly view: readonly { readonly url: string; readonly count: number }[];
  /** Viewers that read every message and take the latency from its mark: one for each URL. */
  readonly probe: readonly string[];
}

/** Counters since the process began; latencies since the last sample. */
export interface LoadSample {
  readonly atMs: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly cpuSeconds: number;
  /** Milliseconds from a frame's write to its last byte read, one for each video frame at each probe. */
  readonly latenciesMs: readonly number[];
  /** Frames that probes missed, by their numbers. */
  readonly missedFrames: number;
  /** Connections that were lost: none should be. */
  readonly lost: number;
  /** Bytes that publishers could not yet hand to the kernel: what is here was not received by the server in time. */
  readonly unsentBytes: number;
}

/** Parent → load process. */
export type LoadRequest = { readonly do: 'start'; readonly spec: LoadSpec } | { readonly do: 'sample' | 'stop' };
/** Load process → parent. */
export type LoadReply =
  | { readonly did: 'start' | 'stop' }
  | { readonly did: 'sample'; readonly sample: LoadSample }
  | { readonly did: 'fail'; readonly error: string };

const CONNECTING_AT_ONCE = 20;
const GOP_MS = 2000;

const publishers: RtmpPublisher[] = [];
const players: RtmpPlayer[] = [];
let latencies: number[] = [];
let missedFrames = 0;
let lost = 0;
let feed: Feed | undefined;

async function start({ publish, bitsPerSecond, view, probe }: LoadSpec): Promise<void> {
  publishers.push(...(await inTurns(publish, connectPublisher)));
  if (publishers.length > 0) feed = new Feed(publishers, markedCycle({ bitsPerSecond }), GOP_MS);
  const viewers = view.flatMap(({ url, count }) => Array.from({ length: count }, () => url));
  players.push(...(await inTurns(probe, connectProbe)));
  players.push(...(await inTurns(viewers, (url) => RtmpPlayer.connect(url))));
  for (const { connection } of [...publishers, ...players]) connection.socket.once('close', () => lost++);
}

async function connectPublisher(url: string): Promise<RtmpPublisher> {
  const publisher = await RtmpPublisher.connect(url);
  await publisher.publish();
  publisher.connection.countOnly = true;
  return publisher;
}

function connectProbe(url: string): Promise<RtmpPlayer> {
  let last: number | undefined;
  return RtmpPlayer.connect(url, {
    onMessage: ({ type, body }) => {
      const mark = type === 9 ? readMark(body) : null;
      if (!mark) return;
      latencies.push(markClock() - mark.sentAtMs);
      if (last !== undefined) missedFrames += Math.max(0, mark.frame - last - 1);
      last = mark.frame;
    },
  });
}

/** Connects a few at a time: servers limit how many may be connecting. */
async function inTurns<T>(urls: readonly string[], connect: (url: string) => Promise<T>): Promise<T[]> {
  const all: T[] = [];
  for (let i = 0; i < urls.length; i += CONNECTING_AT_ONCE)
    all.push(...(await Promise.all(urls.slice(i, i + CONNECTING_AT_ONCE).map(connect))));
  return all;
}

function sample(): LoadSample {
  const { user, system } = process.cpuUsage();
  const sockets = publishers.map((p) => p.connection.socket);
  const taken = {
    atMs: performance.now(),
    sentBytes: sockets.reduce((sum, s) => sum + s.bytesWritten, 0),
    receivedBytes: players.reduce((sum, p) => sum + p.bytesRead, 0),
    cpuSeconds: (user + system) / 1e6,
    latenciesMs: latencies,
    missedFrames,
    lost,
    unsentBytes: sockets.reduce((sum, s) => sum + s.writableLength, 0),
  };
  latencies = [];
  return taken;
}

/** Publishers say goodbye; viewers are cut. */
async function stop(): Promise<void> {
  feed?.[Symbol.dispose]();
  await Promise.race([Promise.all(publishers.map((p) => p.stop())), delay(1000)]);
  for (const { connection } of [...publishers, ...players]) connection.destroy();
}

function reply(message: LoadReply): void {
  process.send?.(message);
}

process.on('message', async (request: LoadRequest) => {
  try {
    if (request.do === 'start') await start(request.spec);
    if (request.do === 'stop') await stop();
    reply(request.do === 'sample' ? { did: 'sample', sample: sample() } : { did: request.do });
    if (request.do === 'stop') process.disconnect();
  } catch (error) {
    reply({ did: 'fail', error: error instanceof Error ? error.stack! : String(error) });
  }
});
// Without its parent it has nothing to do.
process.once('disconnect', () => process.exit());
