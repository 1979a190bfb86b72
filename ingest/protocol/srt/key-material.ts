import { createCipheriv, createDecipheriv, pbkdf2 } from 'node:crypto';
import { promisify } from 'node:util';
import { RefusedHandshake } from './rejection.ts';

/** Bytes of a key. */
export type KeyLength = 16 | 24 | 32;
export type CipherMode = 'ctr' | 'gcm';

/** A key message, taken apart (SRT draft §3.2.2). */
export interface KeyMessage {
  readonly mode: CipherMode;
  readonly keyLength: KeyLength;
  /** Which keys it brings; one of them at least. */
  readonly hasEven: boolean;
  readonly hasOdd: boolean;
  readonly salt: Buffer;
  readonly wrapped: Buffer;
}

/** Keys of the two parities, in clear. */
export interface KeyPair {
  readonly even?: Buffer;
  readonly odd?: Buffer;
}

/** What a side that cannot use a key message answers: one word instead of the message (`SRT_KM_STATE` of libsrt). */
export const KEY_STATE = {
  unsecured: 0,
  securing: 1,
  secured: 2,
  noSecret: 3,
  badSecret: 4,
  badCryptoMode: 5,
} as const;

const SALT_BYTES = 16;
const SALT_AT = 16;
const WRAPPED_AT = SALT_AT + SALT_BYTES;
/** RFC 3394 adds one block of 8 bytes. */
const WRAP_OVERHEAD = 8;
const WRAP_IV = Buffer.alloc(8, 0xa6);
/** version 1, packet type 2 (key message); signature; */
const SIGNATURE = Buffer.of(0x12, 0x20, 0x29);
const CIPHER = { ctr: 2, gcm: 4 } as const;
const AUTH = { ctr: 0, gcm: 1 } as const;
/** Stream encapsulation: MPEG-TS over SRT, whatever the payload is. */
const ENCAPSULATION = 2;
const PBKDF2_ITERATIONS = 2048;
/** The part of the salt that goes into the key-encrypting key: its last 8 bytes. */
const KEK_SALT_AT = 8;

const derive = promisify(pbkdf2);

/**
 *   0 version, type · 1 signature 2029 · 3 which keys (1 even, 2 odd) · 4 key index · 8 cipher · 9 authentication · 10 encapsulation
 *   11 reserved · 14 salt length / 4 · 15 key length / 4 · 16 salt · 32 wrapped keys, even first
 *
 * @throws RefusedHandshake ERR_SRT_KEY_MESSAGE; ERR_SRT_CRYPTO_MODE for a cipher nobody defined.
 */
export function parseKeyMessage(body: Buffer): KeyMessage {
  if (body.length < WRAPPED_AT || !body.subarray(0, 3).equals(SIGNATURE)) throw malformed('it is no key message');
  const keys = (body[3] as number) & 3;
  const keyLength = (body[15] as number) * 4;
  if (body[14] !== SALT_BYTES / 4) throw malformed(`its salt has ${(body[14] as number) * 4} bytes`);
  if (keyLength !== 16 && keyLength !== 24 && keyLength !== 32) throw malformed(`its keys have ${keyLength} bytes`);
  const mode = body[8] === CIPHER.ctr ? 'ctr' : body[8] === CIPHER.gcm ? 'gcm' : undefined;
  if (mode === undefined) {
    throw new RefusedHandshake('ERR_SRT_CRYPTO_MODE', 'crypto', `cipher ${body[8]} of the key message is unknown`);
  }
  if (body[9] !== AUTH[mode]) throw malformed(`authentication ${body[9]} does not belong to its cipher`);
  const hasEven = (keys & 1) !== 0;
  const hasOdd = (keys & 2) !== 0;
  const expected = WRAPPED_AT + WRAP_OVERHEAD + keyLength * (Number(hasEven) + Number(hasOdd));
  if (keys === 0 || body.length !== expected) throw malformed(`${body.length} bytes, keys ${keys}`);
  return {
    mode,
    keyLength,
    hasEven,
    hasOdd,
    salt: Buffer.from(body.subarray(SALT_AT, WRAPPED_AT)),
    wrapped: Buffer.from(body.subarray(WRAPPED_AT)),
  };
}

/** The message that brings `keys`, wrapped with `kek`. */
export function encodeKeyMessage(mode: CipherMode, salt: Buffer, kek: Buffer, keys: KeyPair): Buffer {
  const body = Buffer.alloc(WRAPPED_AT);
  SIGNATURE.copy(body);
  body[3] = (keys.even ? 1 : 0) | (keys.odd ? 2 : 0);
  body[8] = CIPHER[mode];
  body[9] = AUTH[mode];
  body[10] = ENCAPSULATION;
  body[14] = SALT_BYTES / 4;
  body[15] = kek.length / 4;
  salt.copy(body, SALT_AT);
  const wrapped = wrapKeys(kek, Buffer.concat([keys.even ?? Buffer.alloc(0), keys.odd ?? Buffer.alloc(0)]));
  return Buffer.concat([body, wrapped]);
}

/** The key-encrypting key. About 1 ms of a thread of the pool. */
export function deriveKek(passphrase: string, salt: Buffer, keyLength: KeyLength): Promise<Buffer> {
  return derive(passphrase, salt.subarray(KEK_SALT_AT), PBKDF2_ITERATIONS, keyLength, 'sha1');
}

/** The keys of a message; undefined where `kek` is not the one that wrapped them: the passphrases differ. */
export function unwrapKeys(message: KeyMessage, kek: Buffer): KeyPair | undefined {
  const decipher = createDecipheriv(`id-aes${kek.length * 8}-wrap`, kek, WRAP_IV);
  let keys: Buffer;
  try {
    keys = Buffer.concat([decipher.update(message.wrapped), decipher.final()]);
  } catch {
    // The integrity check of RFC 3394 §2.2.3; what Node throws then has no code to tell it by.
    return undefined;
  }
  const { hasEven, hasOdd, keyLength } = message;
  return {
    ...(hasEven ? { even: keys.subarray(0, keyLength) } : {}),
    ...(hasOdd ? { odd: keys.subarray(hasEven ? keyLength : 0) } : {}),
  };
}

/** RFC 3394, default initial value. */
function wrapKeys(kek: Buffer, keys: Buffer): Buffer {
  const cipher = createCipheriv(`id-aes${kek.length * 8}-wrap`, kek, WRAP_IV);
  return Buffer.concat([cipher.update(keys), cipher.final()]);
}

/** The one word that answers a key message which cannot be used. libsrt writes it in the order of x86. */
export function encodeKeyState(state: number): Buffer {
  const word = Buffer.alloc(4);
  word.writeUInt32LE(state);
  return word;
}

/** `KEY_STATE` of an answer of one word, in either byte order; undefined where it is longer: a key message. */
export function keyStateOf(answer: Buffer): number | undefined {
  if (answer.length !== 4) return undefined;
  const state = answer.readUInt32LE(0);
  return state > 0xff ? answer.readUInt32BE(0) : state;
}

function malformed(what: string): RefusedHandshake {
  return new RefusedHandshake('ERR_SRT_KEY_MESSAGE', 'rogue', `key message: ${what}`);
}
