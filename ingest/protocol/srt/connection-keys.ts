import { randomBytes } from 'node:crypto';
import { overheadOf, type PayloadCipher, payloadCipher } from './cipher.ts';
import {
  type CipherMode,
  deriveKek,
  encodeKeyMessage,
  encodeKeyState,
  KEY_STATE,
  type KeyLength,
  type KeyMessage,
  type KeyPair,
  parseKeyMessage,
  unwrapKeys,
} from './key-material.ts';
import type { ConnectionKeys } from './negotiated.ts';
import { KEY, keyOf, setKey } from './packet.ts';
import { RefusedHandshake } from './rejection.ts';

/** When our own key is replaced, in packets sent with it (`kmrefreshrate`, `kmpreannounce` of libsrt). */
export interface KeyRefresh {
  readonly afterPackets: number;
  /** How many packets before that the next key is announced. */
  readonly preAnnouncePackets: number;
}

/** A new key every so many packets, announced in time: libsrt's defaults, cut to what fits. */
export function refreshEvery(packets: number): KeyRefresh {
  return { afterPackets: packets, preAnnouncePackets: Math.min(PRE_ANNOUNCE_PACKETS, (packets - 1) >> 1) };
}

/** What both sides know of a session besides its keys. The passphrase stays that of the handshake, whatever a path's becomes. */
export interface SessionSecret {
  readonly passphrase: string;
  readonly mode: CipherMode;
  readonly keyLength: KeyLength;
  readonly salt: Buffer;
  readonly kek: Buffer;
}

const DEFAULT_REFRESH_PACKETS = 2 ** 24;
/** How long before it is used a key is announced at most, in packets. */
const PRE_ANNOUNCE_PACKETS = 2 ** 12;
/** A key that the peer has not confirmed is not used, until the present one must go: a sequence number may not come twice with it. */
const MAX_PACKETS_PER_KEY = 2 ** 30;
/** Announcements before we wait longer between them. */
const FAST_ANNOUNCEMENTS = 10;
const MIN_ANNOUNCE_US = 20_000;
const SLOW_ANNOUNCE_US = 1_000_000;
/** Key-encrypting keys that a peer may make us derive: peers keep their salt, so none is the rule. */
const MAX_DERIVATIONS = 64;

type Parity = typeof KEY.even | typeof KEY.odd;

interface NextKey {
  readonly parity: Parity;
  readonly key: Buffer;
  readonly body: Buffer;
  isConfirmed: boolean;
  announced: number;
  dueAt: number;
}

/** Both directions begin with the caller's key and go their own ways from there (SRT draft §6.1.6). */
export class SessionKeys implements ConnectionKeys {
  readonly overheadBytes: number;
  readonly #secret: SessionSecret;
  readonly #refresh: KeyRefresh;
  readonly #random: (size: number) => Buffer;

  /** By KK; there is none for clear packets. */
  readonly #receiving: (PayloadCipher | undefined)[] = [];
  readonly #receivingKeys: (Buffer | undefined)[] = [];
  #receiveSalt: Buffer;
  #receiveKek: Buffer;
  /** The last request that was answered with itself. */
  #answered: Buffer | undefined;
  #derivations = 0;
  #isDeriving = false;

  #parity: Parity;
  #key: Buffer;
  #sending: PayloadCipher;
  #sent = 0;
  #next: NextKey | undefined;

  /** `keys`: those of the handshake, one at least. */
  constructor(
    secret: SessionSecret,
    keys: KeyPair,
    refresh: KeyRefresh = refreshEvery(DEFAULT_REFRESH_PACKETS),
    random: (size: number) => Buffer = randomBytes,
  ) {
    this.#secret = secret;
    this.#refresh = refresh;
    this.#random = random;
    this.overheadBytes = overheadOf(secret.mode);
    this.#receiveSalt = secret.salt;
    this.#receiveKek = secret.kek;
    this.#install(keys, secret.salt);
    const key = keys.even ?? keys.odd;
    if (key === undefined) throw new RangeError('a session without a key');
    this.#parity = keys.even ? KEY.even : KEY.odd;
    this.#key = key;
    this.#sending = payloadCipher(secret.mode, key, secret.salt);
  }

  decrypt(datagram: Buffer): Buffer | undefined {
    return this.#receiving[keyOf(datagram)]?.decrypt(datagram);
  }

  encrypt(datagram: Buffer): void {
    if (this.#sent >= this.#refresh.afterPackets) this.#turn();
    setKey(datagram, this.#parity);
    this.#sending.encrypt(datagram);
    this.#sent += 1;
  }

  receiveKeyRequest(body: Buffer, answer: (body: Buffer) => void): void {
    if (this.#answered?.equals(body)) {
      answer(this.#answered);
      return;
    }
    let message: KeyMessage;
    try {
      message = parseKeyMessage(body);
    } catch (error) {
      if (!(error instanceof RefusedHandshake)) throw error;
      answer(encodeKeyState(error.rejection === 'crypto' ? KEY_STATE.badCryptoMode : KEY_STATE.badSecret));
      return;
    }
    const { mode, keyLength } = this.#secret;
    if (message.mode !== mode || message.keyLength !== keyLength) {
      answer(encodeKeyState(KEY_STATE.badCryptoMode));
      return;
    }
    const echo = Buffer.from(body);
    if (message.salt.equals(this.#receiveSalt)) answer(this.#use(message, this.#receiveKek, echo));
    else void this.#deriveAndUse(message, echo, answer);
  }

  receiveKeyResponse(body: Buffer): void {
    // Anything else is a refusal, or the answer to an older request: the announcement goes on.
    if (this.#next?.body.equals(body)) this.#next.isConfirmed = true;
  }

  keyRequestDue(now: number, rttUs: number): Buffer | undefined {
    if (this.#sent < this.#refresh.afterPackets - this.#refresh.preAnnouncePackets) return undefined;
    this.#next ??= this.#makeNext(now);
    const next = this.#next;
    if (next.isConfirmed || now < next.dueAt) return undefined;
    next.announced += 1;
    const isFast = next.announced < FAST_ANNOUNCEMENTS;
    next.dueAt = now + (isFast ? Math.max(1.5 * rttUs, MIN_ANNOUNCE_US) : SLOW_ANNOUNCE_US);
    return next.body;
  }

  #makeNext(now: number): NextKey {
    const { mode, salt, kek, keyLength } = this.#secret;
    const key = this.#random(keyLength);
    const wasEven = this.#parity === KEY.even;
    const keys = wasEven ? { even: this.#key, odd: key } : { even: key, odd: this.#key };
    return {
      parity: wasEven ? KEY.odd : KEY.even,
      key,
      body: encodeKeyMessage(mode, salt, kek, keys),
      isConfirmed: false,
      announced: 0,
      dueAt: now,
    };
  }

  /** Our next key takes over, as soon as the peer has it. */
  #turn(): void {
    const next = this.#next;
    if (next === undefined || (!next.isConfirmed && this.#sent < MAX_PACKETS_PER_KEY)) return;
    this.#next = undefined;
    this.#parity = next.parity;
    this.#key = next.key;
    this.#sending = payloadCipher(this.#secret.mode, next.key, this.#secret.salt);
    this.#sent = 0;
  }

  /** The salt is new, so the key-encrypting key is too. One at a time: the peer asks again. */
  async #deriveAndUse(message: KeyMessage, echo: Buffer, answer: (body: Buffer) => void): Promise<void> {
    if (this.#isDeriving || this.#derivations >= MAX_DERIVATIONS) return;
    this.#isDeriving = true;
    this.#derivations += 1;
    const kek = await deriveKek(this.#secret.passphrase, message.salt, message.keyLength);
    this.#isDeriving = false;
    answer(this.#use(message, kek, echo));
  }

  /** The answer: the request itself where its keys are in use from now on. */
  #use(message: KeyMessage, kek: Buffer, echo: Buffer): Buffer {
    const keys = unwrapKeys(message, kek);
    if (keys === undefined) return encodeKeyState(KEY_STATE.badSecret);
    this.#install(keys, message.salt);
    this.#receiveSalt = message.salt;
    this.#receiveKek = kek;
    this.#answered = echo;
    return echo;
  }

  /** A key that is there already keeps its cipher; one that a message does not bring stays. */
  #install(keys: KeyPair, salt: Buffer): void {
    const isSaltNew = !salt.equals(this.#receiveSalt);
    for (const [parity, key] of [
      [KEY.even, keys.even],
      [KEY.odd, keys.odd],
    ] as const) {
      if (key === undefined || (!isSaltNew && this.#receivingKeys[parity]?.equals(key))) continue;
      this.#receivingKeys[parity] = key;
      this.#receiving[parity] = payloadCipher(this.#secret.mode, key, salt);
    }
  }
}
