interface Waiting {
  readonly order: number;
  enter(): void;
}

/** Lets a fixed number of tasks run at once; of those that wait, the one with the lowest order (the oldest segment) goes first. */
export class Slots {
  #free: number;
  readonly #waiting: Waiting[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  /** Runs the task in a slot. @throws the signal's reason when it aborts before there is one; what the task throws */
  async run<T>(order: number, signal: AbortSignal, task: () => Promise<T>): Promise<T> {
    await this.#enter(order, signal);
    try {
      return await task();
    } finally {
      this.#free += 1;
      this.#next();
    }
  }

  async #enter(order: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiting: Waiting = { order, enter: resolve };
    const at = this.#waiting.findLastIndex((other) => other.order <= order) + 1;
    this.#waiting.splice(at, 0, waiting);
    const onAbort = () => {
      const index = this.#waiting.indexOf(waiting);
      if (index < 0) return; // it has entered
      this.#waiting.splice(index, 1);
      reject(signal.reason);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    this.#next();
    try {
      await promise;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  #next(): void {
    if (this.#free === 0) return;
    const first = this.#waiting.shift();
    if (!first) return;
    this.#free -= 1;
    first.enter();
  }
}
