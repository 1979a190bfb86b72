/** How large one run of the benchmark is. */
export interface Plan {
  readonly name: 'full' | 'small';
  /** Each server is measured this often, in turns. */
  readonly rounds: number;
  readonly bitsPerSecond: number;
  readonly viewers: number;
  readonly publishers: number;
  readonly recorded: number;
  /** Publishers by SRT. */
  readonly srtPublishers: number;
  /** Seconds of one window. */
  readonly seconds: number;
  /** Of the window while recording: several segments long. */
  readonly recordedSeconds: number;
  readonly warmupSeconds: number;
  /** Aims are multiplied by this: a shared machine says little in a short time. */
  readonly slack: number;
  /** The same for latencies: with a hundred frames the p99 is the worst of them. */
  readonly latencySlack: number;
}

export const FULL: Plan = {
  name: 'full',
  rounds: 3,
  bitsPerSecond: 2_700_000,
  viewers: 400,
  publishers: 100,
  recorded: 50,
  srtPublishers: 40,
  seconds: 10,
  recordedSeconds: 24,
  warmupSeconds: 6,
  slack: 1,
  latencySlack: 1,
};

/**
 * At most 90 seconds; part of `npm test`. The servers are measured while their code is still being compiled, which is why the limits
 * are wide: it finds what has become many times worse.
 */
export const SMALL: Plan = {
  name: 'small',
  rounds: 1,
  bitsPerSecond: 2_700_000,
  viewers: 200,
  publishers: 100,
  recorded: 30,
  srtPublishers: 20,
  seconds: 4,
  recordedSeconds: 8,
  warmupSeconds: 3,
  slack: 4,
  latencySlack: 10,
};

/** What the project wants to reach, as ratios to a peer in the same round, or in the unit of the name. */
export const AIMS = {
  viewersToNginx: 0.45,
  viewersToNodeMediaServer: 0.38,
  largeBatchToNginx: 0.2,
  publishersToNginx: 1.7,
  latencyOneMs: 5,
  latencyManyMs: 75,
  recordCpuSecondsPerGigabyte: 8,
  confirmSeconds: 1,
  eventLoopSeconds: 0.02,
  srtToLibsrt: 0.55,
  srtRecordedToLibsrt: 0.75,
  srtEncryptionToLibsrt: 0.15,
} as const;
