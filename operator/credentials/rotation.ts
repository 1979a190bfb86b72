import type { PROTOCOLS } from '../../crds/live-stream.ts';
import type { PublishKeys } from '../../crds/publish-keys.ts';
import type { StreamCredentials } from '../../crds/stream-config.ts';
import type { KeyProgress } from '../compile/stream-config-secret.ts';
import { withMissing } from './keys.ts';

/** The keys of a stream and how far their last change has come. Kept in the StreamConfig Secret, so that any leader goes on from it. */
export interface KeyState {
  readonly credentials: StreamCredentials;
  readonly progress: KeyProgress;
}

/** What the LiveStream asks for. */
export interface KeyWish {
  /** Those that need a key. */
  readonly protocols: readonly (typeof PROTOCOLS)[number][];
  readonly generation: number;
  /** How long former keys go on working, ms. */
  readonly overlapMs: number;
  readonly revokePrevious: boolean;
  /** Keys of a Secret of the user; undefined: made here. */
  readonly own: { readonly source: string; readonly keys: PublishKeys } | undefined;
}

/** What the next step depends on beside state and wish. */
export interface KeyFacts {
  /** Unix time, ms. */
  readonly now: number;
  /** Whether all ready pods with a fresh heartbeat obey the newest revision. */
  readonly podsHaveIt: boolean;
  /** How long pods come first at most, ms. */
  readonly podsFirstMs: number;
}

/** What happened to keys, for Events. */
export type KeyStep = 'made' | 'rotated' | 'shown' | 'shown-late' | 'revoked' | 'overlap-ended';

/** The state after what can be done now. */
export interface KeyPlan {
  readonly state: KeyState;
  readonly steps: readonly KeyStep[];
  /** When to look again, Unix ms; undefined: nothing is due. */
  readonly wakeAt: number | undefined;
}

/**
 * The next steps of a stream's keys. Pure: the same state, wish and time give the same answer, so a leader that takes over between
 * two steps does what the one before would have done.
 *
 * A rotation: pods learn the new keys beside the former ones; when all have them, or after `podsFirstMs`, people are shown the new
 * ones; when the overlap ends, the former ones go. Whoever is live stays live. `revokePrevious` ends the former ones at once.
 */
export function planKeys(
  before: KeyState | undefined,
  wish: KeyWish,
  facts: KeyFacts,
  make: () => PublishKeys,
): KeyPlan {
  const source = (): PublishKeys => wish.own?.keys ?? make();
  const steps: KeyStep[] = [];
  if (before === undefined) {
    steps.push('made');
    return { state: firstState(wish, facts, withMissing(NO_KEYS, wish.protocols, source)), steps, wakeAt: undefined };
  }
  let state = settle(before, facts, steps);
  state = withCredentials(state, withMissing(state.credentials, wish.protocols, source));
  for (;;) {
    // A second rotation waits until people have seen the first: else theirs would be neither the present key nor the former one.
    const next = revoked(isShown(state) ? rotated(state, wish, facts, source, steps) : state, wish, steps);
    if (next === state) return { state, steps, wakeAt: dueAt(state, facts) };
    state = next;
  }
}

const NO_KEYS: PublishKeys = { rtmpKey: '', srtPassphrase: '' };

function withCredentials(state: KeyState, keys: PublishKeys): KeyState {
  return keys === state.credentials ? state : { ...state, credentials: { ...state.credentials, ...keys } };
}

const firstState = (wish: KeyWish, { now }: KeyFacts, keys: PublishKeys): KeyState => ({
  credentials: { revision: 1, ...keys, previous: null, revokedBelow: 0 },
  progress: {
    generation: wish.generation,
    source: wish.own?.source ?? '',
    shown: 1,
    since: new Date(now).toISOString(),
  },
});

const isShown = ({ credentials, progress }: KeyState): boolean => progress.shown >= credentials.revision;

/** What is due of the rotation under way. */
function settle(state: KeyState, facts: KeyFacts, steps: KeyStep[]): KeyState {
  let { credentials, progress } = state;
  if (!isShown(state)) {
    const isLate = facts.now >= Date.parse(progress.since) + facts.podsFirstMs;
    if (facts.podsHaveIt || isLate) {
      progress = { ...progress, shown: credentials.revision };
      steps.push(facts.podsHaveIt ? 'shown' : 'shown-late');
    }
  }
  if (credentials.previous !== null && facts.now >= Date.parse(credentials.previous.expiresAt)) {
    credentials = { ...credentials, previous: null };
    steps.push('overlap-ended');
  }
  return credentials === state.credentials && progress === state.progress ? state : { credentials, progress };
}

function rotated(
  state: KeyState,
  wish: KeyWish,
  { now }: KeyFacts,
  source: () => PublishKeys,
  steps: KeyStep[],
): KeyState {
  const { credentials, progress } = state;
  const { own } = wish;
  const isAsked =
    own === undefined
      ? wish.generation > progress.generation || progress.source !== ''
      : differs(own.keys, credentials);
  if (!isAsked) return noted(state, wish);
  const { revision, rtmpKey, srtPassphrase } = credentials;
  const keys = source();
  const expiresAt = new Date(now + wish.overlapMs).toISOString();
  steps.push('rotated');
  return {
    credentials: {
      revision: revision + 1,
      rtmpKey: keys.rtmpKey || rtmpKey,
      srtPassphrase: keys.srtPassphrase || srtPassphrase,
      previous: wish.overlapMs > 0 ? { revision, rtmpKey, srtPassphrase, expiresAt } : null,
      revokedBelow: credentials.revokedBelow,
    },
    progress: {
      generation: wish.generation,
      source: own?.source ?? '',
      // Without former keys there is nothing that people could go on with meanwhile.
      shown: wish.overlapMs > 0 ? progress.shown : revision + 1,
      since: new Date(now).toISOString(),
    },
  };
}

/** Takes note of a generation or a source that changes no key. */
function noted(state: KeyState, { generation, own }: KeyWish): KeyState {
  const { progress } = state;
  const source = own?.source ?? '';
  if (progress.generation === generation && progress.source === source) return state;
  return { ...state, progress: { ...progress, generation, source } };
}

/** Where it is asked for, the former keys end, and with them the sessions that came with any key but the present one. */
function revoked(state: KeyState, { revokePrevious }: KeyWish, steps: KeyStep[]): KeyState {
  const { credentials, progress } = state;
  const { revision } = credentials;
  if (!revokePrevious || revision === 1 || credentials.revokedBelow === revision) return state;
  steps.push('revoked');
  return {
    credentials: { ...credentials, previous: null, revokedBelow: revision },
    progress: { ...progress, shown: revision },
  };
}

/** Whether a protocol that has a key in both would get another one. A key that was not there yet is no rotation. */
function differs(wanted: PublishKeys, present: PublishKeys): boolean {
  return (['rtmpKey', 'srtPassphrase'] as const).some(
    (key) => wanted[key] !== '' && present[key] !== '' && wanted[key] !== present[key],
  );
}

function dueAt(state: KeyState, facts: KeyFacts): number | undefined {
  const { credentials, progress } = state;
  const times = [
    ...(isShown(state) ? [] : [Date.parse(progress.since) + facts.podsFirstMs]),
    ...(credentials.previous === null ? [] : [Date.parse(credentials.previous.expiresAt)]),
  ];
  return times.length === 0 ? undefined : Math.min(...times);
}
