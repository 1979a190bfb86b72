import { countedAs } from './peer-address.ts';

/** Addresses that are remembered. Beyond it those are forgotten that have all their tokens back, and the oldest, down to half of it. */
const MAX_ADDRESSES = 10_000;

interface Bucket {
  tokens: number;
  /** When `tokens` was right, ms. */
  at: number;
}

/** Lets each address (see {@link countedAs}) do something `perSecond` times a second, and twice that at once. 0: no limit. */
export class AddressRate {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #buckets = new Map<string, Bucket>();

  constructor(perSecond: number) {
    this.#perSecond = perSecond;
    this.#burst = 2 * perSecond;
  }

  /** Whether one may do it once more. `now`: ms. */
  take(from: string, now: number): boolean {
    if (this.#perSecond === 0) return true;
    const address = countedAs(from);
    let bucket = this.#buckets.get(address);
    if (bucket === undefined) {
      if (this.#buckets.size >= MAX_ADDRESSES) this.#forget(now);
      bucket = { tokens: this.#burst, at: now };
      this.#buckets.set(address, bucket);
    }
    bucket.tokens = this.#tokensOf(bucket, now);
    bucket.at = now;
    if (bucket.tokens < 1) return false;
    bucket.tokens--;
    return true;
  }

  #tokensOf({ tokens, at }: Bucket, now: number): number {
    return Math.min(this.#burst, tokens + ((now - at) / 1000) * this.#perSecond);
  }

  #forget(now: number): void {
    for (const [address, bucket] of this.#buckets) {
      if (this.#tokensOf(bucket, now) >= this.#burst) this.#buckets.delete(address);
    }
    // Most of them are at work: the oldest give way, so that this is not to be done again at the next address.
    for (const address of this.#buckets.keys()) {
      if (this.#buckets.size <= MAX_ADDRESSES / 2) break;
      this.#buckets.delete(address);
    }
  }
}
