import type { Log } from '../ingest/runtime/log.ts';
import { type Meter, NO_METER } from '../ingest/runtime/meter.ts';
import { jittered, waitAfter } from './backoff.ts';
import { KubeError, type KubeFault } from './kube-error.ts';

export interface WorkQueueOptions {
  /** In logs and metrics. */
  readonly name: string;
  /** Does what the key needs. A number is when to do it again, in milliseconds; an error is tried again with backoff. */
  readonly work: (key: string, signal: AbortSignal) => Promise<number | undefined>;
  /** Keys worked on at the same time. */
  readonly workers?: number;
  readonly minBackoffMs?: number;
  readonly maxBackoffMs?: number;
  readonly log: Log;
  readonly meter?: Meter;
}

/** The API server is at fault, and not the key: when it is back, all keys are done within seconds. The token bucket bounds their rate. */
const OUTAGE_BACKOFF_MS = 2000;
const OUTAGES: ReadonlySet<string> = new Set<KubeFault>([
  'ERR_KUBE_THROTTLED',
  'ERR_KUBE_TIMEOUT',
  'ERR_KUBE_UNAVAILABLE',
  'ERR_KUBE_UNREACHABLE',
]);
const isOutage = (error: unknown): boolean => error instanceof KubeError && OUTAGES.has(error.code);

/** The longest that a timer can wait; what is later is merely looked at too early. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** What is waiting for its time. */
interface Delayed {
  readonly timer: NodeJS.Timeout;
  readonly dueAt: number;
}

/**
 * Keys to be worked on. A key is worked on once at a time; added while it waits it is done once, added while it is worked
 * on it is done once more afterwards, so that the last change is always seen. Failures wait from 5 ms to 5 min,
 * those of the API server's 2 s at most.
 */
export class WorkQueue {
  readonly #options: WorkQueueOptions;
  readonly #workers: number;
  readonly #minBackoffMs: number;
  readonly #maxBackoffMs: number;
  readonly #meter: Meter;
  /** In order of arrival. */
  readonly #waiting = new Set<string>();
  readonly #active = new Set<string>();
  /** Added while active. */
  readonly #dirty = new Set<string>();
  readonly #delayed = new Map<string, Delayed>();
  readonly #failures = new Map<string, number>();
  #signal: AbortSignal | undefined;
  #idle: (() => void) | undefined;

  constructor(options: WorkQueueOptions) {
    this.#options = options;
    this.#workers = options.workers ?? 16;
    this.#minBackoffMs = options.minBackoffMs ?? 5;
    this.#maxBackoffMs = options.maxBackoffMs ?? 300_000;
    this.#meter = options.meter ?? NO_METER;
  }

  /** Keys that wait or are worked on; delayed ones are not counted. */
  get depth(): number {
    return this.#waiting.size + this.#active.size;
  }

  /** Has the key worked on as soon as a worker is free. */
  add(key: string): void {
    this.#cancelDelayed(key);
    if (this.#active.has(key)) this.#dirty.add(key);
    else this.#waiting.add(key);
    this.#pump();
  }

  /** Adds the key after `ms`, unless it is added before that anyway; of two delays the shorter one counts. */
  addAfter(key: string, ms: number): void {
    const dueAt = performance.now() + ms;
    const before = this.#delayed.get(key);
    if (before && before.dueAt <= dueAt) return;
    this.#cancelDelayed(key);
    this.#delayed.set(key, { dueAt, timer: setTimeout(() => this.add(key), Math.min(ms, MAX_TIMER_MS)) });
  }

  /** Works until `signal` aborts and what is under way has ended. Keys may be added before. */
  async run(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#signal = signal;
    this.#idle = resolve;
    const stop = (): void => {
      for (const key of [...this.#delayed.keys()]) this.#cancelDelayed(key);
      if (this.#active.size === 0) resolve();
    };
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    this.#pump();
    await promise;
  }

  #pump(): void {
    if (this.#signal === undefined || this.#signal.aborted) return;
    for (const key of this.#waiting) {
      if (this.#active.size >= this.#workers) return;
      this.#waiting.delete(key);
      this.#active.add(key);
      void this.#workOn(key, this.#signal);
    }
  }

  async #workOn(key: string, signal: AbortSignal): Promise<void> {
    try {
      const again = await this.#options.work(key, signal);
      this.#failures.delete(key);
      if (again !== undefined && !signal.aborted) this.addAfter(key, Math.max(1, again));
    } catch (error) {
      if (!signal.aborted) this.#putOff(key, error);
    }
    this.#active.delete(key);
    if (this.#dirty.delete(key)) this.add(key);
    this.#pump();
    if (signal.aborted && this.#active.size === 0) this.#idle?.();
  }

  #putOff(key: string, error: unknown): void {
    const failures = this.#failures.get(key) ?? 0;
    this.#failures.set(key, failures + 1);
    const most = isOutage(error) ? Math.min(OUTAGE_BACKOFF_MS, this.#maxBackoffMs) : this.#maxBackoffMs;
    const backoff = jittered(waitAfter(failures, this.#minBackoffMs, most));
    const wait = Math.max(backoff, error instanceof KubeError ? error.retryAfterMs : 0);
    this.#meter.count('headwater_kube_queue_retries_total', this.#options.name);
    // A conflict is two writers in one moment, and the next try settles it; only a repeated one is worth a line.
    const expected = KubeError.is(error, 'ERR_KUBE_CONFLICT') && failures < 3;
    const line = { queue: this.#options.name, key, failures: failures + 1, retry_ms: Math.round(wait), err: error };
    this.#options.log[expected ? 'debug' : 'warn'](line, 'work failed');
    this.addAfter(key, wait);
  }

  #cancelDelayed(key: string): void {
    clearTimeout(this.#delayed.get(key)?.timer);
    this.#delayed.delete(key);
  }
}
