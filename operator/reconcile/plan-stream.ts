import { type Compiled, compile, inState, withCredentials } from '../../crds/compile.ts';
import type { ReasonOf } from '../../crds/conditions.ts';
import { overlapMsOf } from '../../crds/effective.ts';
import { publishSecretName } from '../../crds/names.ts';
import type { PoolDefaults } from '../../crds/pool-defaults.ts';
import { type PublishKeys, protocolsOf, readPublishKeys } from '../../crds/publish-keys.ts';
import type { RecordingPolicy } from '../../crds/recording-policy.ts';
import type { StoredStream } from '../compile/manifest.ts';
import { formerStoresAfter, type StreamRecord } from '../compile/stream-config-secret.ts';
import { type KeyPlan, type KeyState, type KeyStep, type KeyWish, planKeys } from '../credentials/rotation.ts';

/** A Secret that the stream names. `data` undefined: there is none of that name. */
export interface NamedSecret {
  readonly name: string;
  readonly data: Readonly<Record<string, string>> | undefined;
}

/** All that one stream's configuration depends on, as it was seen. */
export interface StreamView {
  readonly stream: StoredStream;
  readonly pool: PoolDefaults;
  readonly policy: RecordingPolicy | undefined;
  readonly storeSecret: Readonly<Record<string, string>> | undefined;
  /** The Secret of `credentials.secretRef`; undefined: none is named. */
  readonly keySecret: NamedSecret | undefined;
  /** What is in force; undefined: nothing yet. */
  readonly record: StreamRecord | undefined;
  /** The keys that people were last shown, where `record` is lost. */
  readonly recovered: KeyState | undefined;
  readonly olderInNamespace: number;
  readonly dedicatedPort: number | null;
  /** What has a name that the stream needs and is another's; undefined: nothing. */
  readonly nameTaken: string | undefined;
  /** Whether every ready pod obeys `record`. */
  readonly podsHaveIt: boolean;
  /** Unix time, ms. */
  readonly now: number;
  /** How long pods come before people at most when keys turn, ms. */
  readonly podsFirstMs: number;
}

/** What CredentialsReady says. */
export interface KeysVerdict {
  readonly isReady: boolean;
  readonly reason: ReasonOf<'CredentialsReady'>;
  readonly message: string;
}

/** What a stream is to be. */
export interface StreamPlan {
  /** Of the spec that it was made of. */
  readonly generation: number;
  /** What was made of the spec as it is; `problems` say why nothing was. */
  readonly compiled: Compiled;
  readonly keys: KeysVerdict;
  /** What is to be in force, which is what was before where the spec cannot be; undefined: nothing. */
  readonly record: StreamRecord | undefined;
  readonly steps: readonly KeyStep[];
  /** When to look again, Unix ms. */
  readonly wakeAt: number | undefined;
}

/** Decides what a stream is to be. Pure: whoever asks with the same view gets the same answer, but for keys that are made. */
export function planStream(view: StreamView, make: () => PublishKeys): StreamPlan {
  const { stream, record } = view;
  const generation = stream.metadata.generation ?? 0;
  const wish = wishOf(view);
  const before = record ? { credentials: record.config.credentials, progress: record.keys } : view.recovered;
  const verdict = 'problem' in wish ? wish.problem : undefined;
  const asked = 'problem' in wish ? before && asItIs(before, wish.base) : wish.wish;
  const plan = asked && planKeys(before, asked, view, make);
  // What stands in the way of the rest is said even where there are no keys.
  const credentials = plan?.state.credentials ?? NO_CREDENTIALS;
  const compiled = withNames(compile({ ...view, credentials }), view.nameTaken);
  const isMade = record !== undefined || compiled.config !== undefined;
  const keys = verdict ?? (isMade ? keysVerdict(plan!.state, stream) : NOT_MADE);
  if (compiled.config === undefined || plan === undefined) {
    return {
      generation,
      compiled,
      keys,
      record: record && stillInForce(turned(record, plan), compiled, view),
      steps: (record && plan?.steps) ?? [],
      wakeAt: record && plan?.wakeAt,
    };
  }
  return {
    generation,
    compiled,
    keys,
    record: {
      config: compiled.config,
      keys: plan.state.progress,
      deletionPolicy: stream.spec.recording?.deletionPolicy ?? 'Retain',
      formerStores: formerStoresAfter(record, compiled.config),
    },
    steps: plan.steps,
    wakeAt: plan.wakeAt,
  };
}

function keysVerdict({ credentials, progress }: KeyState, { spec, metadata }: StoredStream): KeysVerdict {
  const source = spec.credentials?.secretRef?.name;
  const shown = publishSecretName(metadata.name);
  if (progress.shown < credentials.revision) {
    const message = `Keys of revision ${credentials.revision} are on their way to the pods; then ${shown} shows them.`;
    return { isReady: true, reason: 'Rotating', message };
  }
  return source === undefined
    ? { isReady: true, reason: 'Generated', message: `They are in the Secret ${shown}.` }
    : { isReady: true, reason: 'FromSecret', message: `They come from the Secret ${source}.` };
}

const NOT_MADE: KeysVerdict = {
  isReady: false,
  reason: 'NotAccepted',
  message: 'Keys are made when the LiveStream is accepted.',
};

const NO_CREDENTIALS = { revision: 0, rtmpKey: '', srtPassphrase: '', previous: null, revokedBelow: 0 };

type Wish =
  | { readonly wish: KeyWish }
  | { readonly problem: KeysVerdict; readonly base: Omit<KeyWish, 'own' | 'generation'> };

function wishOf({ stream, pool, keySecret, record }: StreamView): Wish {
  const { rotation } = stream.spec.credentials ?? {};
  const protocols = protocolsOf(stream.spec, pool);
  const base = {
    protocols,
    overlapMs: overlapMsOf(stream, pool),
    revokePrevious: rotation?.revokePrevious ?? false,
  };
  const generation = rotation?.generation ?? 0;
  if (keySecret === undefined) return { wish: { ...base, generation, own: undefined } };
  const after = record === undefined ? '' : ' The keys in force stay in force.';
  const refuse = (reason: 'SecretNotFound' | 'SecretInvalid', message: string): Wish => ({
    base,
    problem: { isReady: false, reason, message: `${message}${after}` },
  });
  const { name, data } = keySecret;
  if (data === undefined) {
    return refuse('SecretNotFound', `There is no Secret ${name}: create it with the keys rtmpKey and srtPassphrase.`);
  }
  const keys = readPublishKeys(data, protocols);
  if ('problem' in keys) return refuse('SecretInvalid', `In the Secret ${name}, ${keys.problem}.`);
  return { wish: { ...base, generation, own: { source: name, keys } } };
}

/** Asks for nothing new: a Secret that cannot be used changes no key, and what is under way goes on. */
function asItIs({ credentials, progress }: KeyState, base: Omit<KeyWish, 'own' | 'generation'>): KeyWish {
  const { rtmpKey, srtPassphrase } = credentials;
  return {
    ...base,
    generation: progress.generation,
    own: { source: progress.source, keys: { rtmpKey, srtPassphrase } },
  };
}

function withNames(compiled: Compiled, taken: string | undefined): Compiled {
  if (taken === undefined) return compiled;
  const message = `${taken} already exists and is not this LiveStream's: remove it, or give the LiveStream another name.`;
  return { problems: [{ reason: 'NameTaken', message, revokes: false }, ...compiled.problems] };
}

/** What is in force, with its keys a step further. */
function turned(record: StreamRecord, plan: KeyPlan | undefined): StreamRecord {
  if (plan === undefined) return record;
  const { credentials, progress } = plan.state;
  return { ...record, keys: progress, config: withCredentials(record.config, credentials) };
}

/** What stays in force while the spec cannot be: all of it, or, where the stream may not be here at all, nobody may publish. */
function stillInForce(record: StreamRecord, { problems }: Compiled, { stream }: StreamView): StreamRecord {
  const isRevoked = stream.spec.suspend === true || problems.some(({ revokes }) => revokes);
  const deletionPolicy = stream.spec.recording?.deletionPolicy ?? 'Retain';
  return { ...record, deletionPolicy, config: inState(record.config, isRevoked ? 'suspended' : 'active') };
}
