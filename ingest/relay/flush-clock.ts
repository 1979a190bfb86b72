/** Up to this many viewers in the process, media is sent as soon as the turn of the event loop that brought it is over. */
const IMMEDIATE_VIEWERS = 8;
/** From this many on, the tick has its full length. */
const FULL_TICK_VIEWERS = 200;
/** How soon those are tried again that the kernel could not take all from, ms. */
const RETRY_MS = 20;

/** Length of the flush tick in ms: 0 while few watch, up to `maxBatchMs` as viewers grow. The number of writes is what costs, not their size. */
export function flushTickMs(viewers: number, maxBatchMs: number): number {
  if (viewers <= IMMEDIATE_VIEWERS) return 0;
  return maxBatchMs * Math.min(1, (viewers - IMMEDIATE_VIEWERS) / (FULL_TICK_VIEWERS - IMMEDIATE_VIEWERS));
}

/** What is flushed: says whether it has to be flushed again, although nothing new came, because some viewer lags. */
export interface Flushable {
  flush(now: number): boolean;
}

/** One tick for all paths of the process. Nothing is armed while nothing waits. */
export class FlushClock {
  readonly #dirty = new Set<Flushable>();
  readonly #lagging = new Set<Flushable>();
  readonly #tickMs: () => number;
  #immediate: NodeJS.Immediate | undefined;
  #timer: NodeJS.Timeout | undefined;
  #retry: NodeJS.Timeout | undefined;
  #closed = false;

  /** `tickMs` is asked each time a tick is armed. */
  constructor(tickMs: () => number) {
    this.#tickMs = tickMs;
  }

  /** `target` has something to send: it is flushed at the next tick. */
  markDirty(target: Flushable): void {
    if (this.#dirty.has(target) || this.#closed) return;
    this.#dirty.add(target);
    if (this.#immediate !== undefined || this.#timer !== undefined) return;
    const tickMs = this.#tickMs();
    if (tickMs < 1) {
      this.#immediate = setImmediate(() => {
        this.#immediate = undefined;
        this.#flush(this.#dirty);
      });
    } else {
      this.#timer = setTimeout(() => {
        this.#timer = undefined;
        this.#flush(this.#dirty);
      }, tickMs);
    }
  }

  /** Nothing is flushed any more, neither now nor later. */
  close(): void {
    this.#closed = true;
    clearImmediate(this.#immediate);
    clearTimeout(this.#timer);
    clearTimeout(this.#retry);
  }

  #flush(targets: Set<Flushable>): void {
    const now = performance.now();
    const batch = [...targets];
    targets.clear();
    for (const target of batch) if (target.flush(now)) this.#lagging.add(target);
    if (this.#lagging.size > 0 && this.#retry === undefined && !this.#closed) {
      this.#retry = setTimeout(() => {
        this.#retry = undefined;
        this.#flush(this.#lagging);
      }, RETRY_MS);
    }
  }
}
