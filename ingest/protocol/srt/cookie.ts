import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';

/** A cookie is right in its own slot and in the next: 30 to 60 s, where callers give up after 3. */
const SLOT_US = 30_000_000;
export const COOKIE_LIFE_US = 2 * SLOT_US;

/**
 * Cookies of the induction (SRT draft §4.3.1): who can repeat one has been reached at its address. A keyed hash of address, port and
 * time, so nothing is kept for peers that only knock. `now` in µs of one monotonic clock.
 */
export class CookieMint {
  /** A key object: from a Buffer a hash costs four times as much, and floods are made of these. */
  readonly #secret: KeyObject;

  /** `secret`: 32 random bytes of this process. */
  constructor(secret: Buffer) {
    this.#secret = createSecretKey(secret);
  }

  /** 32 bits, never 0. */
  cookieFor(address: string, port: number, now: number): number {
    return this.#cookieOf(address, port, Math.floor(now / SLOT_US));
  }

  isRight(cookie: number, address: string, port: number, now: number): boolean {
    const slot = Math.floor(now / SLOT_US);
    return cookie === this.#cookieOf(address, port, slot) || cookie === this.#cookieOf(address, port, slot - 1);
  }

  #cookieOf(address: string, port: number, slot: number): number {
    const hash = createHmac('sha256', this.#secret).update(`${address}|${port}|${slot}`).digest();
    return hash.readUInt32BE(0) || 1;
  }
}
