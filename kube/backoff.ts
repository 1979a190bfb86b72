/** Waits that double from `minMs` to `maxMs`, each between half of itself and all of it, so that many never come together. */
export class Backoff {
  readonly #minMs: number;
  readonly #maxMs: number;
  #failures = 0;

  constructor(minMs: number, maxMs: number) {
    this.#minMs = minMs;
    this.#maxMs = maxMs;
  }

  /** Milliseconds to wait after one more failure. */
  next(): number {
    return jittered(waitAfter(this.#failures++, this.#minMs, this.#maxMs));
  }

  /** It went well: the next failure waits `minMs` again. */
  reset(): void {
    this.#failures = 0;
  }
}

/** The wait after so many failures before this one, without jitter. */
export function waitAfter(failures: number, minMs: number, maxMs: number): number {
  return Math.min(maxMs, minMs * 2 ** Math.min(failures, 30));
}

/** Between half of `ms` and all of it. */
export function jittered(ms: number): number {
  return ms * (0.5 + Math.random() / 2);
}
