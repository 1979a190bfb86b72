/** Spreads writes that are not urgent: so many a second in all, and each key no more often than its interval. */
export class SlowLane {
  readonly #everyMs: number;
  readonly #intervalMs: number;
  readonly #now: () => number;
  readonly #writtenAt = new Map<string, number>();
  /** When a key's turn comes. */
  readonly #turns = new Map<string, number>();
  #nextTurn = Number.NEGATIVE_INFINITY;

  /** `now`: milliseconds of a clock that never goes back. */
  constructor(perSecond: number, intervalMs: number, now: () => number = () => performance.now()) {
    this.#everyMs = 1000 / perSecond;
    this.#intervalMs = intervalMs;
    this.#now = now;
  }

  /** How long the key must wait; 0: its turn has come, and is taken. */
  wait(key: string): number {
    const now = this.#now();
    const turn = this.#turns.get(key) ?? this.#reserve(key, now);
    if (turn > now) return Math.ceil(turn - now);
    this.#turns.delete(key);
    return 0;
  }

  /** The key was written, in this lane or the other. */
  wrote(key: string): void {
    this.#turns.delete(key);
    this.#writtenAt.set(key, this.#now());
  }

  forget(key: string): void {
    this.#turns.delete(key);
    this.#writtenAt.delete(key);
  }

  #reserve(key: string, now: number): number {
    const rested = (this.#writtenAt.get(key) ?? Number.NEGATIVE_INFINITY) + this.#intervalMs;
    // A key that has to rest first takes no turn from others meanwhile.
    if (rested > now) return rested;
    const turn = Math.max(now, this.#nextTurn);
    this.#nextTurn = turn + this.#everyMs;
    this.#turns.set(key, turn);
    return turn;
  }
}
