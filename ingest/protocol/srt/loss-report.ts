import { HEADER_BYTES } from './packet.ts';

/** Marks the first word of a range (SRT draft §3.2.5, appendix A); a single packet is a word without it. */
const RANGE = 0x8000_0000;
const SINGLE_BYTES = 4;
const RANGE_BYTES = 8;

export function lossBytes(first: number, last: number): number {
  return first === last ? SINGLE_BYTES : RANGE_BYTES;
}

/** Writes the loss of `first` … `last` (sequence numbers); returns the offset behind it. */
export function writeLoss(datagram: Buffer, at: number, first: number, last: number): number {
  if (first === last) return datagram.writeUInt32BE(first, at);
  datagram.writeUInt32BE(RANGE + first, at);
  return datagram.writeUInt32BE(last, at + SINGLE_BYTES);
}

/** Reads the losses of a report one after the other. */
export class LossReportReader {
  readonly #datagram: Buffer;
  #at = HEADER_BYTES;
  first = 0;
  last = 0;
  /** A range without an end, or with another one's beginning for its end. */
  isBroken = false;

  constructor(datagram: Buffer) {
    this.#datagram = datagram;
  }

  /** Sets `first` and `last` to the next loss; false at the end, and where the report is broken. */
  next(): boolean {
    const left = this.#datagram.length - this.#at;
    if (left < SINGLE_BYTES) return false;
    const word = this.#datagram.readUInt32BE(this.#at);
    this.first = word % RANGE;
    this.last = word;
    if (word < RANGE) {
      this.#at += SINGLE_BYTES;
      return true;
    }
    this.last = left < RANGE_BYTES ? RANGE : this.#datagram.readUInt32BE(this.#at + SINGLE_BYTES);
    this.isBroken = this.last >= RANGE;
    this.#at += RANGE_BYTES;
    return !this.isBroken;
  }
}
