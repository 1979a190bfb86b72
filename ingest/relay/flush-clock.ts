/** Up to this many viewers in the process, media is sent as soon as the turn of the event loop that brought it is over. */
const IMMEDIATE_VIEWERS = 8;
/** From this many on, the tick has its full length. */
const FULL_TICK_VIEWERS = 200;
/** Publishers do not rest for longer ticks, ms: what they send meanwhile has to fit into the kernel's buffer. */
const MAX_REST_MS = 500;
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

/** The part of a socket that rests: it has stopped reading. */
export interface Restful {
  readonly destroyed: boolean;
  resume(): unknown;
}

/** One tick for all paths of the process. Nothing is armed while nothing waits. */
export class FlushClock {
  readonly #dirty = new Set<Flushable>();
  readonly #lagging = new Set<Flushable>();
  readonly #tickMs: () => number;
  #immediate: NodeJS.Immediate | undefined;
  #timer: NodeJS.Timeout | undefined;
  #retry: NodeJS.Timeout | undefined;
  /** Whether sockets may rest until the tick that is armed. */
  #allowsRest = false;
  #resting: Restful[] = [];
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
    this.#allowsRest = tickMs <= MAX_REST_MS;
    if (tickMs < 1) this.#flushAfterReads();
    else this.#timer = setTimeout(() => this.#tick(), tickMs);
  }

  /**
   * The socket of a publisher, which has stopped reading, is resumed when the present tick is over, soon enough that what it reads then is
   * flushed with the rest. False where no tick is armed: then it must go on.
   */
  rest(socket: Restful): boolean {
    if (this.#timer === undefined || !this.#allowsRest) return false;
    this.#resting.push(socket);
    return true;
  }

  /** Nothing is flushed any more, neither now nor later. */
  close(): void {
    this.#closed = true;
    clearImmediate(this.#immediate);
    clearTimeout(this.#timer);
    clearTimeout(this.#retry);
    this.#wake();
  }

  #tick(): void {
    this.#timer = undefined;
    if (this.#wake() === 0) this.#flush(this.#dirty);
    else this.#flushAfterReads();
  }

  /** When the event loop has read from all sockets that have something. */
  #flushAfterReads(): void {
    this.#immediate = setImmediate(() => {
      this.#immediate = undefined;
      this.#flush(this.#dirty);
    });
  }

  #wake(): number {
    const sockets = this.#resting;
    this.#resting = [];
    for (const socket of sockets) if (!socket.destroyed) socket.resume();
    return sockets.length;
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
