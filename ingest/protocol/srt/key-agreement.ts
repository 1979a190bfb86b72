import { randomBytes } from 'node:crypto';
import { type KeyRefresh, SessionKeys, type SessionSecret } from './connection-keys.ts';
import {
  type CipherMode,
  deriveKek,
  encodeKeyMessage,
  type KeyLength,
  parseKeyMessage,
  unwrapKeys,
} from './key-material.ts';
import { RefusedHandshake } from './rejection.ts';

/** First version whose AES-GCM authenticates headers as they stand on the wire. Before, nonces came twice. */
const GCM_SINCE = 0x01_05_04;

/** What a listener asks of a caller. `Optional`: in clear or with the right passphrase, as the caller likes. */
export interface KeyPolicy<P extends { readonly passphrase: string }> {
  readonly encryption: 'Required' | 'Optional' | 'Disabled';
  /** Those that are right now, the likeliest first. */
  readonly passphrases: readonly P[];
}

/** How a connection is encrypted. */
export interface AgreedKeys<P> {
  readonly keys: SessionKeys;
  readonly mode: CipherMode;
  readonly keyLength: KeyLength;
  /** The key message that confirms it. */
  readonly response: Buffer;
  /** Which passphrase fitted. */
  readonly fitted: P;
}

/**
 * The listener's side: which of the passphrases opens the caller's key message. Undefined: the connection is in clear. The key length is
 * the caller's own. Costs one derivation, about 1 ms of the thread pool, for each passphrase that is tried.
 * @throws RefusedHandshake ERR_SRT_UNSECURE, ERR_SRT_BAD_SECRET, ERR_SRT_CRYPTO_MODE, ERR_SRT_KEY_MESSAGE.
 */
export async function agreeOnKeys<P extends { readonly passphrase: string }>(
  caller: { readonly keyMessage: Buffer | undefined; readonly version: number },
  { encryption, passphrases }: KeyPolicy<P>,
  refresh?: KeyRefresh,
): Promise<AgreedKeys<P> | undefined> {
  const { keyMessage, version } = caller;
  if (keyMessage === undefined) {
    if (encryption === 'Required') throw unsecure('the caller has no passphrase, and this path requires one');
    return undefined;
  }
  if (encryption === 'Disabled')
    throw unsecure('the caller has a passphrase, and encryption is disabled for this path');
  if (passphrases.length === 0) throw unsecure('the caller has a passphrase, and none is set for this path');
  const message = parseKeyMessage(keyMessage);
  const { mode, keyLength, salt } = message;
  if (mode === 'gcm' && version < GCM_SINCE) {
    throw new RefusedHandshake('ERR_SRT_CRYPTO_MODE', 'crypto', 'AES-GCM needs SRT 1.5.4 or later at the caller');
  }
  for (const fitted of passphrases) {
    const { passphrase } = fitted;
    const kek = await deriveKek(passphrase, salt, keyLength);
    const pair = unwrapKeys(message, kek);
    if (pair === undefined) continue;
    const keys = new SessionKeys({ passphrase, mode, keyLength, salt, kek }, pair, refresh);
    return { keys, mode, keyLength, response: Buffer.from(keyMessage), fitted };
  }
  throw new RefusedHandshake('ERR_SRT_BAD_SECRET', 'badSecret', "the caller's passphrase is not one of this path");
}

/** What a caller brings to a handshake. */
export interface KeyOffer {
  readonly keys: SessionKeys;
  readonly keyLength: KeyLength;
  readonly message: Buffer;
}

/** The caller's side: a fresh salt and key. */
export async function offerKeys(
  { passphrase, keyLength, mode }: Pick<SessionSecret, 'passphrase' | 'keyLength' | 'mode'>,
  refresh?: KeyRefresh,
  random: (size: number) => Buffer = randomBytes,
): Promise<KeyOffer> {
  const salt = random(16);
  const even = random(keyLength);
  const kek = await deriveKek(passphrase, salt, keyLength);
  const keys = new SessionKeys({ passphrase, mode, keyLength, salt, kek }, { even }, refresh, random);
  return { keys, keyLength, message: encodeKeyMessage(mode, salt, kek, { even }) };
}

function unsecure(what: string): RefusedHandshake {
  return new RefusedHandshake('ERR_SRT_UNSECURE', 'unsecure', what);
}
