import type { Batch } from './batch.ts';

/** How much of the running GOP is kept for those who join late. */
export interface GopCacheLimits {
  readonly gopCacheBytes: number;
  /** Milliseconds of media. */
  readonly gopCacheDuration: number;
}

/** Where a late joiner starts: the batch of the newest keyframe, while all since then is within the limits. */
export class GopCache {
  #start: Batch | undefined;
  #bytesBefore = 0;
  readonly #limits: GopCacheLimits;
  readonly #bytesUpTo: (batch: Batch) => number;

  /** `bytesUpTo`: of all batches up to the end of one. */
  constructor(limits: GopCacheLimits, bytesUpTo: (batch: Batch) => number) {
    this.#limits = limits;
    this.#bytesUpTo = bytesUpTo;
  }

  /** The batch to start at; undefined where a joiner has to wait for a keyframe. */
  get start(): Batch | undefined {
    return this.#start;
  }

  /** A keyframe opened `batch`. */
  restart(batch: Batch): void {
    this.#start = batch;
    this.#bytesBefore = this.#bytesUpTo(batch);
  }

  /** The batches up to `newest` have grown: over a limit the cache is let go. */
  grew(newest: Batch): void {
    if (this.#start === undefined) return;
    const tooLarge = this.#bytesUpTo(newest) - this.#bytesBefore > this.#limits.gopCacheBytes;
    const tooLong = newest.lastMs - this.#start.firstMs > this.#limits.gopCacheDuration;
    if (tooLarge || tooLong) this.clear();
  }

  /** What is cached fits no decoder any more: a new video configuration, another publisher. */
  clear(): void {
    this.#start = undefined;
  }
}
