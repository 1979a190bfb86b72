/** Every 16th packet and its successor are sent back to back (SRT draft §5.1.2): the time between them shows what the link could carry. */
const PROBE_MASK = 0xf;

/** Estimate of the link's capacity, as an acknowledgement tells it. Of interest to people only; nothing here depends on it. */
export class LinkCapacity {
  #probeAt = -1;
  #intervalUs = 0;

  /** 0 as long as nothing is known. */
  get packetsPerSecond(): number {
    return this.#intervalUs === 0 ? 0 : 1e6 / this.#intervalUs;
  }

  /** A packet with this sequence number came `now`. */
  probe(sequence: number, now: number): void {
    const place = sequence & PROBE_MASK;
    if (place > 1) return;
    if (place === 0) {
      this.#probeAt = now;
      return;
    }
    const interval = now - this.#probeAt;
    if (this.#probeAt < 0 || interval <= 0) return;
    this.#intervalUs += (interval - this.#intervalUs) / (this.#intervalUs === 0 ? 1 : 16);
    this.#probeAt = -1;
  }
}
