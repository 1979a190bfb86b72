/** Slots at first: enough for a short hole. */
const INITIAL_SLOTS = 64;

/**
 * Payloads that wait behind a missing packet, with the times at which they are due: a ring with the position for an index, as large as the
 * longest wait so far needed. Its user keeps positions less than `capacity` apart.
 */
export class ReceiveWindow {
  /** Positions from the awaited one on that may be held at once. */
  readonly capacity: number;
  #payloads: (Buffer | undefined)[] = new Array(INITIAL_SLOTS).fill(undefined);
  #due = new Float64Array(INITIAL_SLOTS);
  #mask = INITIAL_SLOTS - 1;

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  /** Makes room for the positions `from` … `to`. */
  reserve(from: number, to: number): void {
    const slots = this.#mask + 1;
    if (to - from < slots) return;
    let wanted = slots * 2;
    while (to - from >= wanted) wanted *= 2;
    const payloads: (Buffer | undefined)[] = new Array(wanted).fill(undefined);
    const due = new Float64Array(wanted);
    for (let position = from; position < from + slots; position += 1) {
      payloads[position & (wanted - 1)] = this.#payloads[position & this.#mask];
      due[position & (wanted - 1)] = this.#due[position & this.#mask] as number;
    }
    this.#payloads = payloads;
    this.#due = due;
    this.#mask = wanted - 1;
  }

  put(position: number, payload: Buffer, due: number): void {
    const slot = position & this.#mask;
    this.#payloads[slot] = payload;
    this.#due[slot] = due;
  }

  /** Of a position that is held, in µs. */
  dueOf(position: number): number {
    return this.#due[position & this.#mask] as number;
  }

  /** The payload at `position`, which leaves the window; undefined if it is missing. */
  take(position: number): Buffer | undefined {
    const slot = position & this.#mask;
    const payload = this.#payloads[slot];
    if (payload !== undefined) this.#payloads[slot] = undefined;
    return payload;
  }
}
