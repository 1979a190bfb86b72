/** Acknowledgements whose confirmation may still come: at least ten seconds of them. */
const SLOTS = 1024;

/** Which full acknowledgement is due, and what the confirmations of those sent say (SRT draft §3.2.4, §4.8.1). */
export class AckHistory {
  readonly #sentAt = new Float64Array(SLOTS);
  readonly #positions = new Float64Array(SLOTS);
  #number = 0;
  #position = 0;
  #lastSentAt = Number.NEGATIVE_INFINITY;
  #confirmed = 0;

  /** Full acknowledgements so far. */
  get sent(): number {
    return this.#number;
  }

  /** When the last one was sent. */
  get lastSentAt(): number {
    return this.#lastSentAt;
  }

  /** The position that the last one acknowledged. */
  get position(): number {
    return this.#position;
  }

  /** The same position is told again only where its confirmation is overdue: it, or the acknowledgement, was lost. */
  isRepetitionDue(now: number, timeoutUs: number): boolean {
    return this.#confirmed < this.#position && now - this.#lastSentAt > timeoutUs;
  }

  /** All before `position` is acknowledged `now`, by the number that is returned. */
  record(position: number, now: number): number {
    this.#number = (this.#number + 1) >>> 0 || 1;
    this.#position = position;
    this.#lastSentAt = now;
    this.#sentAt[this.#number % SLOTS] = now;
    this.#positions[this.#number % SLOTS] = position;
    return this.#number;
  }

  /** The peer confirms a number: µs since it was sent, or -1 if that is not known, or was told already. */
  confirm(number: number, now: number): number {
    const age = (this.#number - number) >>> 0;
    const slot = number % SLOTS;
    const sentAt = this.#sentAt[slot] as number;
    if (age >= SLOTS || age >= this.#number || Number.isNaN(sentAt)) return -1;
    this.#sentAt[slot] = Number.NaN;
    this.#confirmed = Math.max(this.#confirmed, this.#positions[slot] as number);
    return now - sentAt;
  }
}
