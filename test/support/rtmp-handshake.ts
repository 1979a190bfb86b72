import { randomFillSync } from 'node:crypto';

const VERSION = 3;
const SIGNATURE_BYTES = 1536;

/** The client's half of the simple handshake (RTMP 1.0 §5.2), fed with whatever the socket gives. */
export class ClientHandshake {
  readonly #c1 = randomFillSync(Buffer.alloc(SIGNATURE_BYTES)).fill(0, 0, 8);
  #received = Buffer.alloc(0);

  /** C0 and C1: the first bytes of the connection. */
  hello(): Buffer {
    return Buffer.concat([Buffer.from([VERSION]), this.#c1]);
  }

  /**
   * Takes bytes from the server. Once S0, S1 and S2 are complete: C2 to send and the bytes that came after; null before.
   * @throws Error when S0 names another version, or S2 does not echo C1 (digest servers echo nothing: then S1 has a version).
   */
  receive(bytes: Buffer): { readonly reply: Buffer; readonly rest: Buffer } | null {
    this.#received = Buffer.concat([this.#received, bytes]);
    if (this.#received.length < 1 + 2 * SIGNATURE_BYTES) return null;
    const [s0, s1] = [this.#received[0], this.#received.subarray(1, 1 + SIGNATURE_BYTES)];
    const s2 = this.#received.subarray(1 + SIGNATURE_BYTES, 1 + 2 * SIGNATURE_BYTES);
    if (s0 !== VERSION) throw new Error(`S0 is ${s0}, not ${VERSION}`);
    const isSimple = s1.readUInt32BE(4) === 0;
    if (isSimple && s2.compare(this.#c1, 8, SIGNATURE_BYTES, 8) !== 0) throw new Error('S2 does not echo C1');
    return { reply: Buffer.from(s1), rest: this.#received.subarray(1 + 2 * SIGNATURE_BYTES) };
  }
}
