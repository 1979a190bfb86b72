/** What may go out at once after a pause: the packets of two ticks, and never less than a large frame. */
const BURST_SECONDS = 0.02;
const MIN_BURST_BYTES = 128 * 1024;
/** IP and UDP headers count too. */
const OVERHEAD_BYTES = 28;

/** Keeps what is sent below a rate, with short bursts (SRT draft §5.1): a bucket that fills with time. */
export class Pacer {
  readonly bytesPerSecond: number;
  readonly #burstBytes: number;
  #allowance: number;
  #filledAt: number;

  constructor(bytesPerSecond: number, now: number) {
    this.bytesPerSecond = bytesPerSecond;
    this.#burstBytes = Math.max(MIN_BURST_BYTES, bytesPerSecond * BURST_SECONDS);
    this.#allowance = this.#burstBytes;
    this.#filledAt = now;
  }

  /** What has become allowed until `now`. */
  fill(now: number): void {
    const earned = ((now - this.#filledAt) * this.bytesPerSecond) / 1e6;
    this.#allowance = Math.min(this.#burstBytes, this.#allowance + earned);
    this.#filledAt = now;
  }

  /** Whether anything may be sent. */
  get isOpen(): boolean {
    return this.#allowance > 0;
  }

  spend(datagramBytes: number): void {
    this.#allowance -= datagramBytes + OVERHEAD_BYTES;
  }
}
