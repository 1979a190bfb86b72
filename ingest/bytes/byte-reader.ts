/** Raised by a reader when fewer bytes are left than a field needs. Never reaches a user: the parser that reads turns it into its own fault. */
export class NeedMoreBytes extends Error {
  override readonly name = 'NeedMoreBytes';
}

/**
 * Cursor over bytes already received. Every read checks its bound; every slice is a view, never a copy.
 * Integers are big-endian unless the name ends in `le`. Every read
 * @throws NeedMoreBytes when the field goes past the end; the cursor then stays where it was.
 */
export class ByteReader {
  #at: number;
  readonly bytes: Buffer;

  /** Starts at offset `at` of `bytes`. */
  constructor(bytes: Buffer, at = 0) {
    this.bytes = bytes;
    this.#at = at;
  }

  /** Offset of the next byte to be read. */
  get at(): number {
    return this.#at;
  }

  /** Bytes not read yet. */
  get left(): number {
    return this.bytes.length - this.#at;
  }

  /** The next byte, not consumed; -1 at the end. */
  peek(): number {
    return this.#at < this.bytes.length ? (this.bytes[this.#at] as number) : -1;
  }

  u8(): number {
    return this.bytes[this.#take(1)] as number;
  }

  u16(): number {
    return this.bytes.readUInt16BE(this.#take(2));
  }

  u24(): number {
    return this.bytes.readUIntBE(this.#take(3), 3);
  }

  i24(): number {
    return this.bytes.readIntBE(this.#take(3), 3);
  }

  u32(): number {
    return this.bytes.readUInt32BE(this.#take(4));
  }

  i32(): number {
    return this.bytes.readInt32BE(this.#take(4));
  }

  /** Exact up to 2⁵³; above that the nearest double, which is enough to be refused by any limit. */
  u64(): number {
    const at = this.#take(8);
    return this.bytes.readUInt32BE(at) * 0x1_0000_0000 + this.bytes.readUInt32BE(at + 4);
  }

  f64(): number {
    return this.bytes.readDoubleBE(this.#take(8));
  }

  u16le(): number {
    return this.bytes.readUInt16LE(this.#take(2));
  }

  u32le(): number {
    return this.bytes.readUInt32LE(this.#take(4));
  }

  /** The next `length` bytes, not copied. */
  view(length: number): Buffer {
    const from = this.#take(length);
    return this.bytes.subarray(from, from + length);
  }

  /** All bytes not read yet, not copied. */
  rest(): Buffer {
    return this.view(this.left);
  }

  /** `length` bytes as UTF-8; what is not valid becomes U+FFFD. */
  utf8(length: number): string {
    const from = this.#take(length);
    return this.bytes.toString('utf8', from, from + length);
  }

  /** `length` bytes as Latin-1: four-character codes and box types. */
  latin1(length: number): string {
    const from = this.#take(length);
    return this.bytes.toString('latin1', from, from + length);
  }

  skip(length: number): void {
    this.#take(length);
  }

  #take(length: number): number {
    const from = this.#at;
    // Written so that NaN and negative lengths fail too.
    if (!(length >= 0 && length <= this.bytes.length - from)) {
      throw new NeedMoreBytes(`${length} bytes wanted, ${this.left} left`);
    }
    this.#at = from + length;
    return from;
  }
}
