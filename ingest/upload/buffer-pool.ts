/** Sizes are rounded up to this, so that segments of about one size share buffers. */
const STEP_BYTES = 1024 * 1024;

/** Large buffers that are used again: made anew for each segment, they keep the garbage collector busy. */
export class BufferPool {
  readonly #most: number;
  readonly #free: Buffer[] = [];

  /** `most`: how many that nobody uses are kept. */
  constructor(most: number) {
    this.#most = most;
  }

  /** A buffer of at least `bytes`, with anything in it. */
  take(bytes: number): Buffer {
    const at = this.#free.findIndex((buffer) => buffer.length >= bytes);
    const [found] = at < 0 ? [] : this.#free.splice(at, 1);
    return found ?? Buffer.allocUnsafeSlow(Math.ceil(bytes / STEP_BYTES) * STEP_BYTES);
  }

  /** Gives it back: only when nothing reads it any more, a connection that is being given up included. */
  give(buffer: Buffer): void {
    this.#free.push(buffer);
    // The oldest goes: sizes follow those of the segments.
    if (this.#free.length > this.#most) this.#free.shift();
  }
}
