/** What a peer may make us believe: more is no link that live video could use. */
const MAX_RTT_US = 10_000_000;
/** Until something is known. SRT draft §4.10. */
const INITIAL_RTT_US = 100_000;

/** The round-trip time of one connection and how much it varies, both in µs (SRT draft §4.10). */
export class RoundTrip {
  #rttUs = INITIAL_RTT_US;
  #varianceUs = INITIAL_RTT_US / 2;
  #isMeasured = false;

  /** `handshakeUs`: a first guess, which the first sample replaces. */
  constructor(handshakeUs?: number) {
    if (handshakeUs !== undefined) this.adopt(handshakeUs, handshakeUs / 2);
  }

  get isMeasured(): boolean {
    return this.#isMeasured;
  }

  get rttUs(): number {
    return this.#rttUs;
  }

  get varianceUs(): number {
    return this.#varianceUs;
  }

  /** By when an answer should have come, unless it was lost. */
  get timeoutUs(): number {
    return this.#rttUs + 4 * this.#varianceUs;
  }

  /** A measurement of our own: from an acknowledgement to its confirmation. */
  sample(us: number): void {
    const rtt = clamped(us);
    if (this.#isMeasured) {
      this.#varianceUs += (Math.abs(rtt - this.#rttUs) - this.#varianceUs) / 4;
      this.#rttUs += (rtt - this.#rttUs) / 8;
    } else {
      this.#isMeasured = true;
      this.#rttUs = rtt;
      this.#varianceUs = rtt / 2;
    }
  }

  /** The peer's value, from its acknowledgements. Who only sends has nothing to measure by itself. */
  adopt(rttUs: number, varianceUs: number): void {
    if (this.#isMeasured) return;
    this.#rttUs = clamped(rttUs);
    this.#varianceUs = clamped(varianceUs);
  }
}

function clamped(us: number): number {
  return Math.min(Math.max(us, 1), MAX_RTT_US);
}
