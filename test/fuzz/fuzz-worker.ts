import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { parentPort, workerData } from 'node:worker_threads';
import { MEDIA_TARGETS } from './media-targets.ts';
import { mutate } from './mutate.ts';
import { Random } from './random.ts';
import { RTMP_TARGETS } from './rtmp-targets.ts';
import { shrink } from './shrink.ts';
import { SRT_MEDIA_TARGETS } from './srt-media-targets.ts';
import { SRT_TARGETS } from './srt-targets.ts';
import type { FuzzTarget } from './target.ts';

/** What fuzz.ts starts this worker with. `shared`: what is being run, for when it never comes back; see fuzz.ts. */
export interface FuzzJob {
  readonly seconds: number;
  readonly seed: number;
  /** Only this target; all where it is undefined. */
  readonly target: string | undefined;
  /** Only this input. */
  readonly input: Uint8Array | undefined;
  readonly shared: SharedArrayBuffer;
}

/** What it answers, once. Memory in bytes after a garbage collection, at a fifth of the time and at its end. */
export interface FuzzResult {
  readonly counts: Readonly<Record<string, number>>;
  readonly slowestMs: Readonly<Record<string, number>>;
  readonly memory: readonly [atAFifth: number, atTheEnd: number];
  readonly finding: { readonly target: string; readonly input: Uint8Array; readonly what: string } | undefined;
}

/** CPU time one input may take. Inputs have at most 128 KiB. */
const MAX_CPU_MS = 500;
/** Inputs of one target before the next has its turn. */
const TURN = 50;
/** One input of this many is generated where the target can generate, the others are mutated. */
const GENERATE_ONE_IN = 3;

const job = workerData as FuzzJob;
const state = new Int32Array(job.shared, 0, 3);
const stateBytes = new Uint8Array(job.shared, 12);
const targets = [...RTMP_TARGETS, ...SRT_TARGETS, ...MEDIA_TARGETS, ...SRT_MEDIA_TARGETS];

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** The memory of Buffers is given back by another thread, some time after the collection that found them unused. */
async function memoryNow(): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let tries = 0; tries < 5; tries += 1) {
    collect();
    await delay(50);
    const { heapUsed, external } = process.memoryUsage();
    least = Math.min(least, heapUsed + external);
  }
  return least;
}

/** Runs one input; what is wrong with it, or undefined. */
async function judge(
  target: FuzzTarget,
  input: Buffer,
  splitSeed: number,
  slowest: { ms: number },
): Promise<string | undefined> {
  for (let tries = 0; ; tries += 1) {
    const began = process.threadCpuUsage();
    try {
      // The parser gets memory of its own: what it writes or keeps does not change the seed.
      await target.run(Buffer.from(input), new Random(splitSeed));
    } catch (error) {
      return error instanceof Error ? (error.stack ?? String(error)) : String(error);
    }
    const { user, system } = process.threadCpuUsage(began);
    const ms = (user + system) / 1000;
    // A garbage collection may fall into it: only what is slow each time is slow.
    if (ms <= MAX_CPU_MS) {
      slowest.ms = Math.max(slowest.ms, ms);
      return undefined;
    }
    if (tries === 2) return `took ${ms.toFixed(0)} ms of CPU time, three times`;
  }
}

async function run(): Promise<FuzzResult> {
  const chosen = targets.filter(({ name }) => job.target === undefined || name === job.target);
  if (chosen.length === 0)
    throw new Error(`no target ${job.target}; there are ${targets.map(({ name }) => name).join(' ')}`);
  const random = new Random(job.seed);
  const counts = Object.fromEntries(chosen.map(({ name }) => [name, 0]));
  const slowest = Object.fromEntries(chosen.map(({ name }) => [name, { ms: 0 }]));
  const result = (memory: readonly [number, number], finding?: FuzzResult['finding']): FuzzResult => ({
    counts,
    slowestMs: Object.fromEntries(Object.entries(slowest).map(([name, { ms }]) => [name, ms])),
    memory,
    finding,
  });
  const began = performance.now();
  const elapsed = (): number => (performance.now() - began) / 1000;
  let atAFifth: number | undefined;
  for (let index = 0; ; index = (index + 1) % chosen.length) {
    const target = chosen[index] as FuzzTarget;
    for (let turn = 0; turn < TURN; turn += 1) {
      const input = job.input ? Buffer.from(job.input) : makeInput(target, random);
      stateBytes.set(input.subarray(0, stateBytes.length));
      state[1] = input.length;
      state[2] = targets.indexOf(target);
      Atomics.add(state, 0, 1);
      const splitSeed = random.u32();
      const what = await judge(target, input, splitSeed, slowest[target.name] as { ms: number });
      counts[target.name] = (counts[target.name] as number) + 1;
      if (what !== undefined) {
        const again = (shorter: Buffer): Promise<string | undefined> => judge(target, shorter, splitSeed, { ms: 0 });
        return result([0, 0], { target: target.name, input: await shrink(input, what, again), what });
      }
    }
    if (job.input) return result([0, 0]);
    if (atAFifth === undefined && elapsed() >= job.seconds / 5) atAFifth = await memoryNow();
    if (elapsed() >= job.seconds) return result([atAFifth ?? (await memoryNow()), await memoryNow()]);
  }
}

function makeInput(target: FuzzTarget, random: Random): Buffer {
  if (target.generate && random.oneIn(GENERATE_ONE_IN)) {
    const made = target.generate(random);
    return random.oneIn(2) ? made : mutate(made, random, target.seeds);
  }
  return mutate(random.pick(target.seeds), random, target.seeds);
}

parentPort?.postMessage(await run());
