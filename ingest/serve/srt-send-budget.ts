/** What may wait for acknowledgement at first, and never less: a large frame. */
const LEAST_BYTES = 256 * 1024;
const MOST_BYTES = 16 * 1024 * 1024;
/** A full buffer that is half empty again so soon, beyond the round trip, shows that the link carries more. */
const QUICK_US = 200_000;
/** What has waited so long shows that it carries less. */
const SLOW_US = 600_000;

/** The part of a connection that the budget looks at. */
export interface SendState {
  /** Bytes sent and not acknowledged, or not sent yet. */
  readonly unacknowledgedBytes: number;
  readonly rttUs: number;
  /** Age of the oldest of them. */
  unacknowledgedUs(now: number): number;
}

/**
 * How much of a viewer's media is handed to its connection at once. What is handed over gets its timestamp then, and is dropped when it
 * becomes too old: so a burst must not be larger than the link carries within a moment. The rest waits in the relay, where it can be
 * skipped up to a keyframe. Grows as long as the link takes it quickly, as TCP does in its slow start.
 */
export class SrtSendBudget {
  #bytes = LEAST_BYTES;
  /** When it was full, as long as it has not been half empty since. */
  #fullAt: number | undefined;

  /** Whether one more message may be handed over. `now` in µs. */
  allows(state: SendState, now: number): boolean {
    if (state.unacknowledgedBytes < this.#bytes) return true;
    this.#fullAt ??= now;
    return false;
  }

  /** To be called at each tick. */
  adjust(state: SendState, now: number): void {
    if (state.unacknowledgedUs(now) > SLOW_US + state.rttUs) {
      this.#bytes = Math.max(LEAST_BYTES, this.#bytes / 2);
      this.#fullAt = undefined;
    } else if (this.#fullAt !== undefined && state.unacknowledgedBytes < this.#bytes / 2) {
      if (now - this.#fullAt < QUICK_US + state.rttUs) this.#bytes = Math.min(MOST_BYTES, this.#bytes * 2);
      this.#fullAt = undefined;
    }
  }
}
