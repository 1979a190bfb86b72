import { type Cipheriv, createCipheriv, createDecipheriv } from 'node:crypto';
import type { CipherMode } from './key-material.ts';
import { HEADER_BYTES, sequenceOf } from './packet.ts';

/** One key at work on the payloads of data packets. Nothing but the payload is changed. */
export interface PayloadCipher {
  /** The payload in clear, inside or outside of the datagram; undefined where it cannot be had. The datagram is used up. */
  decrypt(datagram: Buffer): Buffer | undefined;
  /** Encrypts in place. The datagram has `overheadOf(mode)` bytes of room behind the payload. */
  encrypt(datagram: Buffer): void;
}

const BLOCK_BYTES = 16;
const TAG_BYTES = 16;
/** What the longest payload needs: 1456 bytes. */
const MAX_BLOCKS = 91;

/** Bytes that a mode adds to a payload. */
export function overheadOf(mode: CipherMode): number {
  return mode === 'gcm' ? TAG_BYTES : 0;
}

export function payloadCipher(mode: CipherMode, key: Buffer, salt: Buffer): PayloadCipher {
  return mode === 'gcm' ? new GcmCipher(key, salt) : new CtrCipher(key, salt);
}

/**
 * AES-CTR (SRT draft §6.1.2). The counter of a packet's block is
 *
 *   byte 0             10          14      16
 *        |0 0 0 … 0 0 0| sequence  | block |   with the first 14 bytes of the salt XORed over it
 *
 * One cipher in ECB mode lives as long as the key and makes the keystream of a packet in one call: about half the cost of a new CTR cipher
 * for each packet, and the same bytes.
 */
class CtrCipher implements PayloadCipher {
  readonly #ecb: Cipheriv;
  readonly #counters = Buffer.alloc(MAX_BLOCKS * BLOCK_BYTES);
  readonly #view: DataView;
  readonly #sequenceMask: number;

  constructor(key: Buffer, salt: Buffer) {
    this.#ecb = createCipheriv(`aes-${key.length * 8}-ecb`, key, null).setAutoPadding(false);
    for (let block = 0; block < MAX_BLOCKS; block += 1) {
      salt.copy(this.#counters, block * BLOCK_BYTES, 0, 14);
      this.#counters[block * BLOCK_BYTES + 15] = block;
    }
    this.#view = new DataView(this.#counters.buffer, this.#counters.byteOffset, this.#counters.length);
    this.#sequenceMask = salt.readInt32BE(10);
  }

  decrypt(datagram: Buffer): Buffer | undefined {
    if (datagram.length > HEADER_BYTES + MAX_BLOCKS * BLOCK_BYTES) return undefined;
    this.encrypt(datagram);
    return datagram.subarray(HEADER_BYTES);
  }

  encrypt(datagram: Buffer): void {
    const length = datagram.length - HEADER_BYTES;
    if (length > MAX_BLOCKS * BLOCK_BYTES) throw new RangeError(`a payload of ${length} bytes`);
    const blocks = Math.ceil(length / BLOCK_BYTES);
    if (blocks === 0) return;
    const sequence = sequenceOf(datagram) ^ this.#sequenceMask;
    for (let at = 10; at < blocks * BLOCK_BYTES; at += BLOCK_BYTES) this.#view.setInt32(at, sequence);
    xor(datagram, HEADER_BYTES, length, this.#ecb.update(this.#counters.subarray(0, blocks * BLOCK_BYTES)));
  }
}

/** `length` bytes of `target` from `from` on, with `mask` XORed over them: word by word where both lie on word boundaries. */
function xor(target: Buffer, from: number, length: number, mask: Buffer): void {
  const at = target.byteOffset + from;
  let done = 0;
  if (at % 4 === 0 && mask.byteOffset % 4 === 0) {
    const words = length >> 2;
    const into = new Int32Array(target.buffer, at, words);
    const over = new Int32Array(mask.buffer, mask.byteOffset, words);
    for (let i = 0; i < words; i += 1) into[i] = (into[i] as number) ^ (over[i] as number);
    done = words * 4;
  }
  for (; done < length; done += 1) target[from + done] = (target[from + done] as number) ^ (mask[done] as number);
}

/**
 * AES-GCM as libsrt does it from 1.5.4 on. Nonce: eight zero bytes and the sequence number, with the first 12 bytes of the salt XORed over
 * them. Authenticated besides the payload: the header, with R as it is when a packet is sent for the first time. The tag follows the payload.
 */
class GcmCipher implements PayloadCipher {
  readonly #algorithm: 'aes-128-gcm' | 'aes-192-gcm' | 'aes-256-gcm';
  readonly #key: Buffer;
  readonly #nonce = Buffer.alloc(12);
  readonly #sequenceMask: number;
  readonly #header = Buffer.alloc(HEADER_BYTES);

  constructor(key: Buffer, salt: Buffer) {
    this.#algorithm = `aes-${(key.length * 8) as 128 | 192 | 256}-gcm`;
    this.#key = key;
    salt.copy(this.#nonce, 0, 0, 12);
    this.#sequenceMask = salt.readInt32BE(8);
  }

  decrypt(datagram: Buffer): Buffer | undefined {
    const end = datagram.length - TAG_BYTES;
    if (end < HEADER_BYTES) return undefined;
    const decipher = createDecipheriv(this.#algorithm, this.#key, this.#nonceOf(datagram));
    decipher.setAAD(this.#headerOf(datagram)).setAuthTag(datagram.subarray(end));
    const payload = decipher.update(datagram.subarray(HEADER_BYTES, end));
    try {
      decipher.final();
    } catch {
      return undefined; // the tag does not fit: another key, or not the bytes that were sent
    }
    return payload;
  }

  encrypt(datagram: Buffer): void {
    const end = datagram.length - TAG_BYTES;
    const cipher = createCipheriv(this.#algorithm, this.#key, this.#nonceOf(datagram));
    cipher.setAAD(this.#headerOf(datagram));
    cipher.update(datagram.subarray(HEADER_BYTES, end)).copy(datagram, HEADER_BYTES);
    cipher.final();
    cipher.getAuthTag().copy(datagram, end);
  }

  #nonceOf(datagram: Buffer): Buffer {
    this.#nonce.writeInt32BE(sequenceOf(datagram) ^ this.#sequenceMask, 8);
    return this.#nonce;
  }

  #headerOf(datagram: Buffer): Buffer {
    datagram.copy(this.#header, 0, 0, HEADER_BYTES);
    this.#header[4] = (this.#header[4] as number) & ~0x04;
    return this.#header;
  }
}
