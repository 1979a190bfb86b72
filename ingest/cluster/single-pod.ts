import type { Claim, Ownership } from './ownership.ts';
import { randomPub } from './random-pub.ts';

/** The only process there is: it owns every path. Epochs are Unix seconds, or one more than the last where that would not be higher. */
export class SinglePod implements Ownership {
  /** Highest epoch of paths whose epoch has run ahead of the clock; the rest is forgotten, as the clock gives a higher one. */
  readonly #ahead = new Map<string, number>();
  readonly #nowSeconds: () => number;

  constructor(nowSeconds: () => number = () => Math.floor(Date.now() / 1000)) {
    this.#nowSeconds = nowSeconds;
  }

  claim(path: string): Claim {
    const now = this.#nowSeconds();
    const epoch = Math.max((this.#ahead.get(path) ?? 0) + 1, now);
    this.seen(path, epoch);
    return { pub: randomPub(), epoch };
  }

  /** Nobody else waits for it. */
  release(): void {}

  seen(path: string, epoch: number): void {
    const now = this.#nowSeconds();
    for (const [other, last] of this.#ahead) {
      if (last >= now) break; // oldest entries come first
      this.#ahead.delete(other);
    }
    if (epoch < now || epoch <= (this.#ahead.get(path) ?? 0)) return;
    this.#ahead.delete(path);
    this.#ahead.set(path, epoch);
  }
}
