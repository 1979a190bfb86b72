import { randomBytes } from 'node:crypto';
import type { PublishKeys } from '../../crds/publish-keys.ts';
import type { StreamCredentials } from '../../crds/stream-config.ts';

/** The keys of a stream that no operator looks after, as they are remembered. */
export interface LocalKeys {
  /** Of `spec.credentials.rotation` when they were made; null: they are the user's own. */
  readonly generation: number | null;
  readonly credentials: StreamCredentials;
}

/** What a LiveStream wants of its keys. */
export interface WantedKeys {
  /** The user's own; undefined: generated ones. */
  readonly own: PublishKeys | undefined;
  readonly generation: number;
  readonly overlapMs: number;
  readonly revokePrevious: boolean;
}

/** 192 bits in letters that need no escape in a URL. */
const KEY_BYTES = 24;

/**
 * The keys that follow from what is wanted. Another generation, or other keys in the user's Secret, is a rotation: the keys
 * before stay good for the overlap, unless they are revoked. @param now wall clock, ms
 */
export function nextKeys(
  before: LocalKeys | undefined,
  wanted: WantedKeys,
  now: number,
  random: () => string = () => randomBytes(KEY_BYTES).toString('base64url'),
): LocalKeys {
  const generate = (): PublishKeys => ({ rtmpKey: random(), srtPassphrase: random() });
  const generation = wanted.own === undefined ? wanted.generation : null;
  if (before === undefined) {
    const keys = wanted.own ?? generate();
    return { generation, credentials: { ...pick(keys), revision: 1, previous: null, revokedBelow: 0 } };
  }
  const { credentials } = before;
  const isRotation = wanted.own === undefined ? generation !== before.generation : isOther(wanted.own, credentials);
  if (!isRotation) {
    const keys = wanted.own ?? credentials;
    return { generation, credentials: settle({ ...credentials, ...pick(keys) }, wanted.revokePrevious, now) };
  }
  const expiresAt = new Date(now + wanted.overlapMs).toISOString();
  const rotated: StreamCredentials = {
    ...pick(wanted.own ?? generate()),
    revision: credentials.revision + 1,
    previous: { ...pick(credentials), revision: credentials.revision, expiresAt },
    revokedBelow: credentials.revokedBelow,
  };
  return { generation, credentials: settle(rotated, wanted.revokePrevious, now) };
}

function pick({ rtmpKey, srtPassphrase }: PublishKeys): PublishKeys {
  return { rtmpKey, srtPassphrase };
}

/** A key for a protocol that had none is no rotation: nobody holds the one before. */
function isOther(own: PublishKeys, present: PublishKeys): boolean {
  return (['rtmpKey', 'srtPassphrase'] as const).some((name) => present[name] !== '' && own[name] !== present[name]);
}

/** The keys before go when their time is over, or at once where they are revoked: then who came with them goes too. */
function settle(credentials: StreamCredentials, isRevoked: boolean, now: number): StreamCredentials {
  const { previous, revision } = credentials;
  if (isRevoked) return { ...credentials, previous: null, revokedBelow: Math.max(credentials.revokedBelow, revision) };
  return previous !== null && Date.parse(previous.expiresAt) <= now ? { ...credentials, previous: null } : credentials;
}
