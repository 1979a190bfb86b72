/** How full the spool is. */
export interface SpoolUsage {
  readonly usedBytes: number;
  /** What the spool may hold: `spool.maxBytes`, or what it holds and the disk still has room for, whichever is less. */
  readonly limitBytes: number;
  /** Seconds until the limit at the rate of the last half minute; Infinity while it does not grow. */
  readonly secondsToFull: number;
  readonly level: SpoolLevel;
}

/** `warn` from `spool.warnAt` on, `full` from `spool.fullAt` on. */
export type SpoolLevel = 'ok' | 'warn' | 'full';

const RATE_WINDOW_MS = 30_000;

/** Decides the level. A spool that was full is not so again before it is halfway back to `warnAt`, so that it does not flap. */
export function decideLevel(
  fraction: number,
  before: SpoolLevel,
  { warnAt, fullAt }: { readonly warnAt: number; readonly fullAt: number },
): SpoolLevel {
  const fullFrom = before === 'full' ? (warnAt + fullAt) / 2 : fullAt;
  if (fraction >= fullFrom) return 'full';
  return fraction >= warnAt ? 'warn' : 'ok';
}

/** Follows the spool's size: fed about once a second, it gives level and seconds to full. */
export class Watermark {
  readonly #thresholds: { readonly warnAt: number; readonly fullAt: number };
  readonly #maxBytes: number | null;
  #samples: { readonly atMs: number; readonly bytes: number }[] = [];
  #usage: SpoolUsage = {
    usedBytes: 0,
    limitBytes: Number.POSITIVE_INFINITY,
    secondsToFull: Number.POSITIVE_INFINITY,
    level: 'ok',
  };

  constructor(thresholds: { readonly warnAt: number; readonly fullAt: number; readonly maxBytes: number | null }) {
    this.#thresholds = thresholds;
    this.#maxBytes = thresholds.maxBytes;
  }

  get usage(): SpoolUsage {
    return this.#usage;
  }

  /** `freeBytes`: what the disk still takes; `nowMs`: any monotonic clock. */
  update(usedBytes: number, freeBytes: number, nowMs: number): SpoolUsage {
    const limitBytes = Math.min(this.#maxBytes ?? Number.POSITIVE_INFINITY, usedBytes + freeBytes);
    this.#samples = this.#samples.filter((sample) => nowMs - sample.atMs <= RATE_WINDOW_MS);
    this.#samples.push({ atMs: nowMs, bytes: usedBytes });
    const first = this.#samples[0] as { atMs: number; bytes: number };
    const bytesPerMs = nowMs > first.atMs ? (usedBytes - first.bytes) / (nowMs - first.atMs) : 0;
    const secondsToFull =
      bytesPerMs > 0 ? Math.max(0, limitBytes - usedBytes) / bytesPerMs / 1000 : Number.POSITIVE_INFINITY;
    const fraction = limitBytes > 0 ? usedBytes / limitBytes : 1;
    const level = decideLevel(fraction, this.#usage.level, this.#thresholds);
    this.#usage = { usedBytes, limitBytes, secondsToFull, level };
    return this.#usage;
  }
}
