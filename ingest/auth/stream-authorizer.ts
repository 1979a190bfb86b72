import { createHash, timingSafeEqual } from 'node:crypto';
import type { StreamConfig } from '../../crds/stream-config.ts';
import type { PublishGrant } from '../media/publication.ts';
import type { Authorizer, Denial, PlayAsk, PublishAsk } from './authorizer.ts';

const PUBLISH_PROTOCOLS = { rtmp: 'RTMP', rtmps: 'RTMPS', srt: 'SRT' } as const;
const PLAY_PROTOCOLS = { rtmp: 'RTMP', 'http-flv': 'HTTPFLV', srt: 'SRT' } as const;

/** Lets in who has a key of a stream that is configured, and refuses every other path. */
export class StreamAuthorizer implements Authorizer {
  readonly #of: (path: string) => StreamConfig | undefined;
  readonly #now: () => number;

  /** @param now wall clock, ms */
  constructor(of: (path: string) => StreamConfig | undefined, now: () => number = Date.now) {
    this.#of = of;
    this.#now = now;
  }

  publish(ask: PublishAsk): ReturnType<Authorizer['publish']> {
    const { path, protocol } = ask;
    const config = this.#of(path);
    if (config === undefined || config.state === 'deleting') return unknownPath;
    const revision = revisionOf(config, ask, this.#now());
    if (typeof revision !== 'number') return revision;
    if (config.state === 'suspended') return denial('ERR_AUTH_SUSPENDED', 'the stream is suspended');
    const wanted = PUBLISH_PROTOCOLS[protocol];
    if (!config.protocols.includes(wanted)) return denial('ERR_AUTH_PROTOCOL', `${wanted} is not among its protocols`);
    return { isAllowed: true, grant: { owner: config.uid, credentialRevision: revision } };
  }

  play({ path, protocol }: PlayAsk): ReturnType<Authorizer['play']> {
    const config = this.#of(path);
    if (config === undefined || config.state === 'deleting') return unknownPath;
    if (config.state === 'suspended') return denial('ERR_AUTH_SUSPENDED', 'the stream is suspended');
    const wanted = PLAY_PROTOCOLS[protocol];
    if (config.playback.protocols.includes(wanted)) return { isAllowed: true };
    return denial('ERR_AUTH_PROTOCOL', `${wanted} is not among its playback protocols`);
  }
}

/** Whether a publisher that came with this grant has to go, now that `config` (undefined: none) is in force for its path. */
export function isRevoked(grant: PublishGrant | undefined, config: StreamConfig | undefined): boolean {
  if (config?.state !== 'active' || grant?.owner !== config.uid) return true;
  return grant.credentialRevision < config.credentials.revokedBelow;
}

const unknownPath = denial('ERR_AUTH_UNKNOWN_PATH', 'there is no such stream');

function denial(code: Denial['code'], reason: string): Denial {
  return { isAllowed: false, code, reason };
}

/** Revision of the credentials that the publisher came with. */
function revisionOf(config: StreamConfig, ask: PublishAsk, now: number): number | Denial {
  if (ask.protocol === 'srt') {
    // It may have been revoked since the handshake told which passphrase it was.
    const given = ask.revision ?? config.credentials.revision;
    return given >= config.credentials.revokedBelow ? given : denial('ERR_AUTH_KEY', 'its passphrase was revoked');
  }
  const revision = revisionOfKey(config, ask.key ?? '', now);
  return revision ?? denial('ERR_AUTH_KEY', ask.key === undefined ? 'no key was given' : 'wrong key');
}

/** Revision of the key that was given; undefined where it is none of the stream's. Both are compared, whatever the first says. */
function revisionOfKey({ credentials }: StreamConfig, given: string, now: number): number | undefined {
  const { previous } = credentials;
  const isCurrent = isSame(given, credentials.rtmpKey);
  const isPrevious = previous !== null && isSame(given, previous.rtmpKey) && now < Date.parse(previous.expiresAt);
  if (isCurrent) return credentials.revision;
  return isPrevious && previous.revision >= credentials.revokedBelow ? previous.revision : undefined;
}

/** In a time that says nothing of how much of it is right. An empty key is none. */
function isSame(given: string, expected: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(expected)) && expected !== '';
}
