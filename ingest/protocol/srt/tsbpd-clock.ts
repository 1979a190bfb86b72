/** A packet is never due later than this behind its latency, whatever its timestamp says: a hole before it would stop the stream. */
const MAX_AHEAD_US = 1_000_000;
/** Measurements in one correction: single ones hold the jitter of the network. */
const DRIFT_SAMPLES = 256;
/** Drift below this is left alone. SRT draft §4.7. */
const DRIFT_TOLERANCE_US = 5_000;

/**
 * Timestamp-based packet delivery (SRT draft §4.5): by which time of ours a packet of the peer is due. Timestamps have 32 bits and wrap every
 * 71.6 minutes. Of the possible epochs the one is meant that lies nearest to the time that has really passed, so that neither an idle hour
 * nor a late retransmission from before the wrap is mistaken.
 */
export class TsbpdClock {
  /** Our time at which the peer's clock began. */
  #base: number;
  readonly #latencyUs: number;
  #driftSum = 0;
  #driftCount = 0;
  #driftUs = 0;
  /** Half of it was in the base already when that was taken. */
  #firstRttUs = -1;

  /** `peerTimestamp` was sent by the peer in a packet that came at `arrivedAt`. All in µs. */
  constructor(peerTimestamp: number, arrivedAt: number, latencyUs: number) {
    this.#base = arrivedAt - peerTimestamp;
    this.#latencyUs = latencyUs;
  }

  /** When what came `now` with this timestamp is due. */
  dueAt(timestamp: number, now: number): number {
    const due = this.#sentAt(timestamp, now) + this.#latencyUs + this.#driftUs;
    return Math.min(due, now + this.#latencyUs + MAX_AHEAD_US);
  }

  /** A control packet with this timestamp came `now`: how far the peer's clock has drifted away from ours shows in many of them. */
  trace(timestamp: number, now: number, rttUs: number): void {
    if (this.#firstRttUs < 0) this.#firstRttUs = rttUs;
    this.#driftSum += now - this.#sentAt(timestamp, now) - (rttUs - this.#firstRttUs) / 2;
    this.#driftCount += 1;
    if (this.#driftCount < DRIFT_SAMPLES) return;
    const drift = this.#driftSum / this.#driftCount;
    const excess = Math.abs(drift) > DRIFT_TOLERANCE_US ? drift : 0;
    this.#base += excess;
    this.#driftUs = drift - excess;
    this.#driftSum = 0;
    this.#driftCount = 0;
  }

  /** Our time at which a packet was sent, not counting its way here. */
  #sentAt(timestamp: number, now: number): number {
    const elapsed = now - this.#base;
    return now + ((timestamp - elapsed) | 0);
  }
}
