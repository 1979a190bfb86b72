const SMALLEST = 64;

/**
 * Appends fields to one buffer that doubles when it is full. Integers are big-endian unless the name ends in `le`, and are
 * cut to their width. Give the exact size to the constructor where it is known: then nothing is ever copied.
 */
export class ByteWriter {
  #bytes: Buffer;
  #length = 0;

  /** `size`: bytes to allocate at first. */
  constructor(size = 256) {
    this.#bytes = Buffer.allocUnsafeSlow(Math.max(size, 1));
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#length;
  }

  u8(value: number): this {
    const at = this.#grow(1);
    this.#bytes[at] = value;
    return this;
  }

  u16(value: number): this {
    const at = this.#grow(2);
    this.#bytes[at] = value >>> 8;
    this.#bytes[at + 1] = value;
    return this;
  }

  u24(value: number): this {
    const at = this.#grow(3);
    this.#bytes[at] = value >>> 16;
    this.#bytes[at + 1] = value >>> 8;
    this.#bytes[at + 2] = value;
    return this;
  }

  u32(value: number): this {
    const at = this.#grow(4);
    this.#bytes.writeUInt32BE(value >>> 0, at);
    return this;
  }

  /** `value`: a whole number from 0 to 2⁵³ − 1. */
  u64(value: number): this {
    const at = this.#grow(8);
    this.#bytes.writeUInt32BE(Math.floor(value / 0x1_0000_0000), at);
    this.#bytes.writeUInt32BE(value >>> 0, at + 4);
    return this;
  }

  f64(value: number): this {
    const at = this.#grow(8);
    this.#bytes.writeDoubleBE(value, at);
    return this;
  }

  u16le(value: number): this {
    const at = this.#grow(2);
    this.#bytes[at] = value;
    this.#bytes[at + 1] = value >>> 8;
    return this;
  }

  u32le(value: number): this {
    const at = this.#grow(4);
    this.#bytes.writeUInt32LE(value >>> 0, at);
    return this;
  }

  /** Copies `source` in. */
  bytes(source: Uint8Array): this {
    const at = this.#grow(source.length);
    this.#bytes.set(source, at);
    return this;
  }

  /** `length` bytes of `value`. */
  fill(length: number, value = 0): this {
    const at = this.#grow(length);
    this.#bytes.fill(value, at, at + length);
    return this;
  }

  /** UTF-8, without a length or terminator. */
  utf8(text: string): this {
    const length = Buffer.byteLength(text);
    const at = this.#grow(length);
    this.#bytes.write(text, at, length, 'utf8');
    return this;
  }

  /** One byte per character: four-character codes and box types. */
  latin1(text: string): this {
    const at = this.#grow(text.length);
    this.#bytes.write(text, at, text.length, 'latin1');
    return this;
  }

  /** Overwrites four bytes at `at`, which were written before: lengths that are known only afterwards. */
  patchU32(at: number, value: number): this {
    if (at + 4 > this.#length) throw new RangeError(`patch at ${at} of ${this.#length} bytes`);
    this.#bytes.writeUInt32BE(value >>> 0, at);
    return this;
  }

  /** What was written: a view. The writer must not be used after it. */
  finish(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Makes room, perhaps in another buffer: read `#bytes` only after it. */
  #grow(length: number): number {
    const at = this.#length;
    const need = at + length;
    if (need > this.#bytes.length) {
      const bigger = Buffer.allocUnsafeSlow(Math.max(need, this.#bytes.length * 2, SMALLEST));
      this.#bytes.copy(bigger, 0, 0, at);
      this.#bytes = bigger;
    }
    this.#length = need;
    return at;
  }
}
