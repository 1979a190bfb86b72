/** Large buffers that are used again: made anew each time, they keep the garbage collector busy. */
export class BufferPool {
  readonly #most: number;
  readonly #stepBytes: number;
  readonly #free: Buffer[] = [];

  /** `most`: how many that nobody uses are kept. `stepBytes`: sizes are rounded up to it, so that things of about one size share buffers. */
  constructor(most: number, stepBytes: number) {
    this.#most = most;
    this.#stepBytes = stepBytes;
  }

  /** A buffer of `bytes`, with anything in it. */
  take(bytes: number): Buffer {
    const at = this.#free.findIndex((buffer) => buffer.length >= bytes);
    const [found] = at < 0 ? [] : this.#free.splice(at, 1);
    const whole = found ?? Buffer.allocUnsafeSlow(Math.ceil(bytes / this.#stepBytes) * this.#stepBytes);
    return whole.subarray(0, bytes);
  }

  /** Gives back what `take` gave: only when nothing reads it any more, a connection or a write that is being given up included. */
  give(buffer: Buffer): void {
    this.#free.push(Buffer.from(buffer.buffer));
    // The oldest goes: sizes follow those that are in use.
    if (this.#free.length > this.#most) this.#free.shift();
  }
}
