/** Counts are looked at this often. */
const INTERVAL_US = 1_000_000;

/** How fast two counts grow, over about the last second. */
export class RateMeter {
  #since: number;
  #packets = 0;
  #bytes = 0;
  packetsPerSecond = 0;
  bytesPerSecond = 0;

  constructor(now: number) {
    this.#since = now;
  }

  /** Cheap: may be called at each tick. */
  update(now: number, packets: number, bytes: number): void {
    const passed = now - this.#since;
    if (passed < INTERVAL_US) return;
    this.packetsPerSecond = ((packets - this.#packets) * 1e6) / passed;
    this.bytesPerSecond = ((bytes - this.#bytes) * 1e6) / passed;
    this.#since = now;
    this.#packets = packets;
    this.#bytes = bytes;
  }
}
