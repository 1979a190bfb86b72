import { NeedMoreBytes } from './byte-reader.ts';

/**
 * Cursor over bits, most significant first. For H.264, H.265 and H.266 the bytes must be an RBSP: emulation prevention already removed.
 * Every read
 * @throws NeedMoreBytes when it goes past the end.
 */
export class BitReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Offset of the next bit to be read. */
  get at(): number {
    return this.#at;
  }

  /** Bits not read yet. */
  get left(): number {
    return this.#bytes.length * 8 - this.#at;
  }

  /** An unsigned integer of `count` bits, 0 to 32. */
  bits(count: number): number {
    if (!(count >= 0 && count <= 32)) throw new RangeError(`${count} bits in one read`);
    if (count > this.left) throw new NeedMoreBytes(`${count} bits wanted, ${this.left} left`);
    let value = 0;
    let missing = count;
    while (missing > 0) {
      const free = 8 - (this.#at & 7);
      const take = Math.min(missing, free);
      const byte = this.#bytes[this.#at >>> 3] as number;
      // Not shifted but multiplied: 32 bits stay unsigned.
      value = value * (1 << take) + ((byte >>> (free - take)) & ((1 << take) - 1));
      this.#at += take;
      missing -= take;
    }
    return value;
  }

  /** One bit as a statement. */
  flag(): boolean {
    return this.bits(1) === 1;
  }

  /** Unsigned Exp-Golomb, up to 2³² − 2. ISO 14496-10 §9.1. @throws NeedMoreBytes also for a code of more than 32 leading zeros. */
  ue(): number {
    let zeros = 0;
    while (this.bits(1) === 0) {
      zeros += 1;
      if (zeros > 32) throw new NeedMoreBytes('an Exp-Golomb code does not end');
    }
    return 2 ** zeros - 1 + this.bits(zeros);
  }

  /** Signed Exp-Golomb. ISO 14496-10 §9.1.1. */
  se(): number {
    const code = this.ue();
    return code % 2 === 1 ? (code + 1) / 2 : 0 - code / 2;
  }

  skip(count: number): void {
    if (!(count >= 0 && count <= this.left)) throw new NeedMoreBytes(`${count} bits wanted, ${this.left} left`);
    this.#at += count;
  }

  /** Moves to the next byte boundary; stays where it is on one. */
  align(): void {
    this.#at = (this.#at + 7) & ~7;
  }
}
