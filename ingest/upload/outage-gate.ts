import type { Milliseconds } from '../config/defaults.ts';
import type { Fault } from '../runtime/fault.ts';
import type { Log } from '../runtime/log.ts';

/** Bounds of the wait between two attempts. */
export interface RetryBounds {
  readonly min: Milliseconds;
  readonly max: Milliseconds;
}

/** What is known of the store: `code` and `since` (epoch ms) of an outage. */
export type StoreState =
  | { readonly available: true }
  | { readonly available: false; readonly code: string; readonly detail: string; readonly since: number };

/** Longest wait once the program is about to end. */
const HURRIED_MAX: Milliseconds = 1000;

interface Outage {
  readonly since: number;
  last: Fault;
  attempts: number;
  isProbing: boolean;
  /** `Date.now()` at which the next attempt may start. */
  retryAt: number;
}

/** Wait before attempt number `attempt` (from 1): full jitter between the bounds, the upper one doubling from attempt to attempt. */
export function jitter({ min, max }: RetryBounds, attempt: number, random = Math.random()): Milliseconds {
  const top = Math.min(max, min * 2 ** Math.min(attempt, 30));
  return min + random * Math.max(0, top - min);
}

/**
 * What all uploads share about the store. While it answers, every attempt goes through. After a failure that concerns the store
 * as a whole, one attempt at a time finds out whether it is back, with waits that grow; the others stand here. An outage is
 * logged once, and its end once.
 */
export class OutageGate {
  #bounds: RetryBounds;
  readonly #log: Log;
  readonly #waiting = new Set<() => void>();
  #outage: Outage | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(bounds: RetryBounds, log: Log) {
    this.#bounds = bounds;
    this.#log = log;
  }

  get state(): StoreState {
    if (!this.#outage) return { available: true };
    const { last, since } = this.#outage;
    return { available: false, code: last.code, detail: last.message, since };
  }

  /** Waits for leave to try. Each return is followed by `succeeded`, `failed` or `abandoned`. @throws the signal's reason */
  async enter(signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      const outage = this.#outage;
      if (!outage) return;
      if (!outage.isProbing && Date.now() >= outage.retryAt) {
        outage.isProbing = true;
        return;
      }
      await this.#sleep(outage, signal);
    }
  }

  /** The store has answered, whatever it said. */
  succeeded(): void {
    const outage = this.#outage;
    if (!outage) return;
    this.#outage = undefined;
    const seconds = Math.round((Date.now() - outage.since) / 1000);
    this.#log.info({ outage_seconds: seconds, attempts: outage.attempts }, 'store available again');
    this.#wakeAll();
  }

  /** It has not, or not as a store should. */
  failed(fault: Fault): void {
    if (!this.#outage) {
      this.#log.warn({ code: fault.code, detail: fault.message }, 'store unavailable');
      this.#outage = { since: Date.now(), last: fault, attempts: 0, isProbing: true, retryAt: 0 };
    }
    const outage = this.#outage;
    // Attempts that were under way when the outage began fail one after the other: they are the same failure.
    if (!outage.isProbing) return;
    if (fault.code !== outage.last.code) {
      this.#log.warn({ code: fault.code, detail: fault.message }, 'store still unavailable, for another reason');
    }
    outage.last = fault;
    outage.attempts += 1;
    outage.isProbing = false;
    outage.retryAt = Date.now() + jitter(this.#bounds, outage.attempts);
    this.#wakeAll();
  }

  /** The attempt was given up. */
  abandoned(): void {
    if (this.#outage) this.#outage.isProbing = false;
    this.#wakeAll();
  }

  /** Tries again now, and does not wait long any more: the program is about to end. */
  hurry(): void {
    const { min, max } = this.#bounds;
    this.#bounds = { min: Math.min(min, HURRIED_MAX), max: Math.min(max, HURRIED_MAX) };
    if (this.#outage) this.#outage.retryAt = 0;
    this.#wakeAll();
  }

  #sleep(outage: Outage, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = () => {
      this.#waiting.delete(wake);
      signal.removeEventListener('abort', wake);
      if (this.#waiting.size === 0) this.#stopTimer();
      resolve();
    };
    this.#waiting.add(wake);
    signal.addEventListener('abort', wake, { once: true });
    if (!outage.isProbing && this.#timer === undefined) {
      this.#timer = setTimeout(() => this.#wakeAll(), Math.max(1, outage.retryAt - Date.now()));
    }
    return promise;
  }

  /** It is for those who wait alone: without them it would keep the process. */
  #stopTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #wakeAll(): void {
    this.#stopTimer();
    for (const wake of [...this.#waiting]) wake();
  }
}
