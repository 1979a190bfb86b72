import { setTimeout as delay } from 'node:timers/promises';
import type { LoadSample, LoadSpec } from './load.ts';
import { LoadProcess } from './load-process.ts';
import type { BenchServer } from './servers.ts';

/** What a server did and cost in one window. */
export interface Measured {
  readonly server: string;
  readonly seconds: number;
  /** User + system, all processes of the server. */
  readonly cpuSeconds: number;
  /** Delivered to viewers, or received from publishers: 10⁹ bytes. */
  readonly gigabytes: number;
  readonly cpuSecondsPerGigabyte: number;
  /** Delivered over wanted: below 1 the server, or the load, did not keep up. */
  readonly delivered: number;
  readonly latenciesMs: readonly number[];
  readonly missedFrames: number;
  readonly lostConnections: number;
  /** The busiest load process, as a share of one core. */
  readonly loadShare: number;
  readonly serverShare: number;
  readonly residentBytes: number;
}

/** Window and rate of a measurement. */
export interface Window {
  readonly bitsPerSecond: number;
  readonly seconds: number;
  readonly warmupSeconds: number;
}

const PROBES = 4;

/** One publisher, `viewers` viewers; a few of them, first and last to join, are probes that take latencies. */
export async function measureViewers(server: BenchServer, viewers: number, window: Window): Promise<Measured> {
  const url = server.url('bench');
  const probes = Math.min(PROBES, viewers);
  const early = Array.from({ length: Math.ceil(probes / 2) }, () => url);
  const late = Array.from({ length: Math.floor(probes / 2) }, () => url);
  const { bitsPerSecond } = window;
  await using source = await LoadProcess.start({ publish: [url], bitsPerSecond, view: [], probe: early });
  const crowd = { publish: [], bitsPerSecond, view: [{ url, count: viewers - probes }], probe: [] };
  await using mass = await LoadProcess.start(crowd);
  await using last = await LoadProcess.start({ ...crowd, view: [], probe: late });
  return await measure(server, [source, mass, last], window, viewers, (sample) => sample.receivedBytes);
}

/** `publishers` publishers, each on a path of its own, nobody watches. `during` runs at the window's two ends. */
export async function measurePublishers(
  server: BenchServer,
  publishers: number,
  window: Window,
  atEnds: () => Promise<void> = async () => {},
): Promise<Measured> {
  const publish = Array.from({ length: publishers }, (_, i) => server.url(`bench${i}`));
  const spec: LoadSpec = { publish, bitsPerSecond: window.bitsPerSecond, view: [], probe: [] };
  await using load = await LoadProcess.start(spec);
  return await measure(server, [load], window, publishers, (sample) => sample.sentBytes - sample.unsentBytes, atEnds);
}

/** One window: what the loads sent or got, and what the server used for it. */
export async function measure(
  server: BenchServer,
  loads: readonly LoadProcess[],
  { bitsPerSecond, seconds, warmupSeconds }: Window,
  streams: number,
  bytesOf: (sample: LoadSample) => number,
  atEnds: () => Promise<void> = async () => {},
): Promise<Measured> {
  const sampleAll = () => Promise.all(loads.map((load) => load.sample()));
  await delay(warmupSeconds * 1000);
  await atEnds();
  const [before, cpuBefore, from] = [await sampleAll(), server.cpuSeconds(), performance.now()];
  await delay(seconds * 1000);
  const [after, cpuAfter, to] = [await sampleAll(), server.cpuSeconds(), performance.now()];
  const residentBytes = server.residentBytes();
  await atEnds();
  const took = (to - from) / 1000;
  const cpuSeconds = cpuAfter - cpuBefore;
  const gigabytes = sum(after.map((sample, i) => bytesOf(sample) - bytesOf(before[i]!))) / 1e9;
  return {
    server: server.name,
    seconds: took,
    cpuSeconds,
    gigabytes,
    cpuSecondsPerGigabyte: cpuSeconds / gigabytes,
    delivered: (gigabytes * 8e9) / (streams * bitsPerSecond * took),
    latenciesMs: after.flatMap((sample) => sample.latenciesMs),
    missedFrames: sum(after.map((sample, i) => sample.missedFrames - before[i]!.missedFrames)),
    lostConnections: sum(after.map((sample) => sample.lost)),
    loadShare: Math.max(...after.map((sample, i) => (sample.cpuSeconds - before[i]!.cpuSeconds) / took)),
    serverShare: cpuSeconds / took,
    residentBytes,
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
