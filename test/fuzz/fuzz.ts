/**
 * `node test/fuzz/fuzz.ts [--seconds N] [--seed S] [--target NAME] [--input HEX]`: mutated and generated input for every parser that reads
 * what peers and damaged files hold. Looked for: errors other than a ProtocolError, broken properties (any split gives the same events; times
 * never go back; …), input that takes long, memory that grows. A finding is printed with its seed and input, and the exit code is 1.
 */
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import type { FuzzJob, FuzzResult } from './fuzz-worker.ts';

const { values: flags } = parseArgs({
  options: {
    seconds: { type: 'string', default: '30' },
    seed: { type: 'string' },
    target: { type: 'string' },
    input: { type: 'string' },
  },
});

/** An input that has not come back for so long never will. */
const HANG_MS = 20_000;
/** Memory after garbage collection may differ this much and still be flat. */
const FLAT_SHARE = 1.1;
const FLAT_BYTES = 4 * 1024 * 1024;

const seed = flags.seed === undefined ? Math.floor(Math.random() * 2 ** 32) : Number(flags.seed);
// Counter of inputs, length of the present one, its target; then its bytes.
const shared = new SharedArrayBuffer(12 + 256 * 1024);
const state = new Int32Array(shared, 0, 3);
const job: FuzzJob = {
  seconds: Number(flags.seconds),
  seed,
  target: flags.target,
  input: flags.input === undefined ? undefined : Buffer.from(flags.input, 'hex'),
  shared,
};

console.log(`fuzz: seed ${seed}, ${job.seconds} s`);
const worker = new Worker(new URL('./fuzz-worker.ts', import.meta.url), { workerData: job });
let isDone = false;
let lastCount = -1;
let changedAt = performance.now();
const watch = setInterval(() => {
  const count = Atomics.load(state, 0);
  if (count !== lastCount) {
    lastCount = count;
    changedAt = performance.now();
  } else if (performance.now() - changedAt > HANG_MS) {
    const input = Buffer.from(new Uint8Array(shared, 12, state[1]));
    fail(`target number ${state[2]}: no end after ${HANG_MS} ms`, input);
  }
}, 500);

worker.on('message', (result: FuzzResult) => {
  isDone = true;
  clearInterval(watch);
  report(result);
});
worker.on('error', (error) => fail(`the fuzzer itself failed: ${error.stack}`, undefined));
worker.on('exit', () => {
  if (!isDone) fail('the fuzzer ended without a result', undefined);
});

function report({ counts, slowestMs, memory, finding }: FuzzResult): void {
  for (const [name, count] of Object.entries(counts)) {
    console.log(
      `${name.padEnd(14)} ${String(count).padStart(9)} inputs, slowest ${(slowestMs[name] ?? 0).toFixed(1)} ms`,
    );
  }
  if (finding) fail(`${finding.target}: ${finding.what}`, Buffer.from(finding.input));
  const [before, after] = memory;
  const megabytes = (bytes: number): string => `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
  console.log(`memory after GC: ${megabytes(before)} at a fifth, ${megabytes(after)} at the end`);
  if (after > before * FLAT_SHARE + FLAT_BYTES) fail('memory grows', undefined);
  console.log('no finding');
}

function fail(what: string, input: Buffer | undefined): never {
  console.error(`FINDING with --seed ${seed}\n${what}`);
  if (input) console.error(`--input ${input.toString('hex')}`);
  process.exit(1);
}
