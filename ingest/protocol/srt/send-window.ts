/** Slots at first: what a quick peer leaves unacknowledged. */
const INITIAL_SLOTS = 64;

/**
 * Datagrams until they are acknowledged: a ring with the position for an index, as large as was needed so far. Each with the time at which it
 * was given to us, when it was sent again last, and whether it should be now.
 */
export class SendWindow {
  readonly #capacity: number;
  #datagrams: (Buffer | undefined)[] = new Array(INITIAL_SLOTS).fill(undefined);
  #takenAt = new Float64Array(INITIAL_SLOTS);
  #resentAt = new Float64Array(INITIAL_SLOTS);
  #wanted = new Uint8Array(INITIAL_SLOTS);
  #mask = INITIAL_SLOTS - 1;
  #first = 0;
  #end = 0;
  #bytes = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** The oldest position that is kept. */
  get first(): number {
    return this.#first;
  }

  /** The position that the next datagram gets. */
  get end(): number {
    return this.#end;
  }

  get packets(): number {
    return this.#end - this.#first;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get isFull(): boolean {
    return this.#end - this.#first >= this.#capacity;
  }

  /** So many more find room. */
  get freePackets(): number {
    return this.#capacity - this.packets;
  }

  push(datagram: Buffer, now: number): void {
    if (this.packets > this.#mask) this.#grow();
    const slot = this.#end & this.#mask;
    this.#datagrams[slot] = datagram;
    this.#takenAt[slot] = now;
    this.#resentAt[slot] = Number.NEGATIVE_INFINITY;
    this.#wanted[slot] = 0;
    this.#end += 1;
    this.#bytes += datagram.length;
  }

  /** Forgets everything before `position`. */
  release(position: number): void {
    for (; this.#first < position; this.#first += 1) {
      const slot = this.#first & this.#mask;
      this.#bytes -= (this.#datagrams[slot] as Buffer).length;
      this.#datagrams[slot] = undefined;
    }
  }

  /** Of a position that is kept. */
  at(position: number): Buffer {
    return this.#datagrams[position & this.#mask] as Buffer;
  }

  takenAt(position: number): number {
    return this.#takenAt[position & this.#mask] as number;
  }

  /** Asks for a datagram to be sent again, unless it was since `notSince`, or is asked for already. */
  want(position: number, notSince: number): boolean {
    const slot = position & this.#mask;
    if (this.#wanted[slot] === 1 || (this.#resentAt[slot] as number) > notSince) return false;
    this.#wanted[slot] = 1;
    return true;
  }

  isWanted(position: number): boolean {
    return this.#wanted[position & this.#mask] === 1;
  }

  markResent(position: number, now: number): void {
    const slot = position & this.#mask;
    this.#wanted[slot] = 0;
    this.#resentAt[slot] = now;
  }

  #grow(): void {
    const slots = this.#mask + 1;
    const datagrams: (Buffer | undefined)[] = new Array(slots * 2).fill(undefined);
    const takenAt = new Float64Array(slots * 2);
    const resentAt = new Float64Array(slots * 2);
    const wanted = new Uint8Array(slots * 2);
    const mask = slots * 2 - 1;
    for (let position = this.#first; position < this.#end; position += 1) {
      const from = position & this.#mask;
      const to = position & mask;
      datagrams[to] = this.#datagrams[from];
      takenAt[to] = this.#takenAt[from] as number;
      resentAt[to] = this.#resentAt[from] as number;
      wanted[to] = this.#wanted[from] as number;
    }
    this.#datagrams = datagrams;
    this.#takenAt = takenAt;
    this.#resentAt = resentAt;
    this.#wanted = wanted;
    this.#mask = mask;
  }
}
