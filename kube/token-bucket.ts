/** Waits in line for a token. */
interface Waiter {
  readonly grant: () => void;
  readonly signal: AbortSignal | undefined;
}

/** Lets `perSecond` requests a second through, `burst` at once after a quiet time, in the order they came. */
export class TokenBucket {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #now: () => number;
  #tokens: number;
  #filledAt: number;
  /** No token is given before this time. */
  #pausedUntil = 0;
  #waiting: Waiter[] = [];
  #timer: NodeJS.Timeout | undefined;

  /** `now` in milliseconds of a clock that never goes back. */
  constructor(perSecond: number, burst: number, now: () => number = () => performance.now()) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#now = now;
    this.#tokens = burst;
    this.#filledAt = now();
  }

  /** Resolves when the caller may go. @throws the signal's reason when it aborts first. */
  async take(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (this.#waiting.length === 0 && this.#spend()) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const leave = (): void => reject(signal?.reason);
    signal?.addEventListener('abort', leave, { once: true });
    this.#waiting.push({ grant: resolve, signal });
    this.#schedule();
    try {
      await promise;
    } finally {
      signal?.removeEventListener('abort', leave);
    }
  }

  /** Lets nobody through for a while: the server asked for it. */
  pause(ms: number): void {
    this.#pausedUntil = Math.max(this.#pausedUntil, this.#now() + ms);
  }

  #spend(): boolean {
    const now = this.#now();
    this.#tokens = Math.min(this.#burst, this.#tokens + ((now - this.#filledAt) / 1000) * this.#perSecond);
    this.#filledAt = now;
    if (now < this.#pausedUntil || this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  #schedule(): void {
    if (this.#timer !== undefined) return;
    const untilToken = ((1 - this.#tokens) / this.#perSecond) * 1000;
    const wait = Math.max(1, untilToken, this.#pausedUntil - this.#now());
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#waiting = this.#waiting.filter(({ signal }) => !signal?.aborted);
      let granted = 0;
      while (granted < this.#waiting.length && this.#spend()) this.#waiting[granted++]!.grant();
      this.#waiting.splice(0, granted);
      if (this.#waiting.length > 0) this.#schedule();
    }, wait);
  }
}
