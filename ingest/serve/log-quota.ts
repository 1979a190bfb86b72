/** Lines that strangers can cause, by sending packets: so many a second, the rest is counted. */
const LINES_PER_SECOND = 50;

/** Keeps a flood of refused peers from becoming a flood of lines. */
export class LogQuota {
  #second = Number.NEGATIVE_INFINITY;
  #lines = 0;
  #suppressed = 0;

  /** Undefined: do not log. Else the number of lines that were left out since the last one. `now`: ms. */
  take(now: number): number | undefined {
    if (now - this.#second >= 1_000) {
      this.#second = now;
      this.#lines = 0;
    }
    if (this.#lines >= LINES_PER_SECOND) {
      this.#suppressed++;
      return undefined;
    }
    this.#lines++;
    const suppressed = this.#suppressed;
    this.#suppressed = 0;
    return suppressed;
  }
}
