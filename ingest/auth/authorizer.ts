import type { PublishGrant } from '../media/publication.ts';

/**
 * Who asks to publish. `key`: the second half of the stream key, `name?key=…`; a secret, never logged. Over SRT it is the passphrase that
 * opens a path, and the handshake has seen to it: `revision` is that of the credentials which fitted, undefined where none was asked for.
 */
export type PublishAsk =
  | { readonly path: string; readonly protocol: 'rtmp' | 'rtmps'; readonly key: string | undefined }
  | { readonly path: string; readonly protocol: 'srt'; readonly revision: number | undefined };

/** Who asks to watch. `rtmp` includes RTMPS. */
export interface PlayAsk {
  readonly path: string;
  readonly protocol: 'rtmp' | 'http-flv' | 'srt';
}

/** Why somebody may not. `reason` is for the log, not for the peer: who has no key shall not learn which paths there are. */
export interface Denial {
  readonly isAllowed: false;
  readonly code: 'ERR_AUTH_UNKNOWN_PATH' | 'ERR_AUTH_KEY' | 'ERR_AUTH_PROTOCOL' | 'ERR_AUTH_SUSPENDED';
  readonly reason: string;
}

/** Asked whenever somebody wants to publish or to watch, at once and without waiting for anything. */
export interface Authorizer {
  /** The grant goes with the publication: when streams change, it tells who may stay. */
  publish(ask: PublishAsk): Denial | { readonly isAllowed: true; readonly grant?: PublishGrant };
  play(ask: PlayAsk): Denial | { readonly isAllowed: true };
}

/** Every path takes every publisher and every viewer: what a laptop wants. */
export const ALLOW_ALL: Authorizer = {
  publish: () => ({ isAllowed: true }),
  play: () => ({ isAllowed: true }),
};
