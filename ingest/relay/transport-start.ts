import type { Batch } from './batch.ts';
import { GopCache, type GopCacheLimits } from './gop-cache.ts';

/** Where viewers of a publication's own transport stream start: it marks its keyframes earlier than they are known as frames. */
export class TransportStart {
  /** The present publication has a transport stream. */
  isPresent = false;
  /** It has said where a keyframe begins. */
  hasMarks = false;
  readonly #gop: GopCache;

  constructor(limits: GopCacheLimits) {
    this.#gop = new GopCache(limits, ({ endTransportBytes }) => endTransportBytes);
  }

  /** The batch to start at; undefined where a joiner has to wait for a keyframe. */
  get start(): Batch | undefined {
    return this.#gop.start;
  }

  /** A keyframe begins with `batch`. */
  restart(batch: Batch): void {
    this.hasMarks = true;
    this.#gop.restart(batch);
  }

  /** The batches up to `newest` have grown. */
  grew(newest: Batch): void {
    this.#gop.grew(newest);
  }

  /** Another publication follows. */
  clear(): void {
    this.isPresent = false;
    this.hasMarks = false;
    this.#gop.clear();
  }
}
