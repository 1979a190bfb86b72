import { canonicalJson } from '../../crds/canonical-json.ts';
import { CONFIG_KEY, GROUP, SECRET_TYPES, streamConfigName } from '../../crds/names.ts';
import { RECORDING_STORE, type RecordingStore, STREAM_CONFIG, type StreamConfig } from '../../crds/stream-config.ts';
import { TOMBSTONE_STORES } from '../../crds/tombstone.ts';
import { decodeData, encodeData, labelsOf, type Manifest, streamAnnotation } from './manifest.ts';

/** Stores that the stream was recorded to before the present one; only where there are any. Pods do not read it. */
export const FORMER_STORES_KEY = 'former-stores.json';
export const KEYS_ANNOTATION = `${GROUP}/keys`;
const DELETION_ANNOTATION = `${GROUP}/deletion-policy`;

/** How far the last change of keys has come, beside what pods need of them. */
export interface KeyProgress {
  /** `rotation.generation` that the keys answer. */
  readonly generation: number;
  /** Name of the Secret that they were read from; empty: made by the operator. */
  readonly source: string;
  /** The revision that people who publish are shown: behind `credentials.revision` while pods come first. */
  readonly shown: number;
  /** When the newest revision was made, RFC 3339. */
  readonly since: string;
}

/** All that the operator keeps of one stream in the runtime namespace. */
export interface StreamRecord {
  readonly config: StreamConfig;
  readonly keys: KeyProgress;
  /** What becomes of the recordings, also where the LiveStream went while no operator was there. */
  readonly deletionPolicy: 'Retain' | 'Delete';
  /** Oldest first. */
  readonly formerStores: readonly RecordingStore[];
}

/** What is read of a Secret. */
interface SecretView {
  readonly metadata: { readonly annotations?: Readonly<Record<string, string>> };
  readonly data?: Readonly<Record<string, string>>;
}

/** `s-<uid>`: what the pods obey for one stream, and where its keys are kept. The same record gives the same bytes. */
export function streamConfigSecret(runtimeNamespace: string, pool: string, record: StreamRecord): Manifest {
  const { config, keys, deletionPolicy, formerStores } = record;
  const { generation, source, shown, since } = keys;
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    type: SECRET_TYPES.streamConfig,
    metadata: {
      name: streamConfigName(config.uid),
      namespace: runtimeNamespace,
      labels: labelsOf(pool, config.uid),
      annotations: {
        ...streamAnnotation(config.path),
        [KEYS_ANNOTATION]: JSON.stringify({ generation, source, shown, since }),
        [DELETION_ANNOTATION]: deletionPolicy,
      },
    },
    data: encodeData({
      [CONFIG_KEY]: canonicalJson(config),
      ...(formerStores.length > 0 && { [FORMER_STORES_KEY]: canonicalJson(formerStores) }),
    }),
  };
}

/** What `streamConfigSecret` was made from; undefined where someone else's hand has made it unreadable. */
export function readStreamConfigSecret(secret: SecretView): StreamRecord | undefined {
  const text = decodeData(secret.data);
  const config = STREAM_CONFIG.safeParse(parsed(text[CONFIG_KEY]));
  const keys = readProgress(secret.metadata.annotations?.[KEYS_ANNOTATION]);
  const stores = RECORDING_STORE.array().safeParse(parsed(text[FORMER_STORES_KEY] ?? '[]'));
  if (!config.success || keys === undefined || !stores.success) return undefined;
  const deletionPolicy = secret.metadata.annotations?.[DELETION_ANNOTATION] === 'Delete' ? 'Delete' : 'Retain';
  return { config: config.data, keys, deletionPolicy, formerStores: stores.data };
}

/** The stores before the present one, when `next` takes the place of `record`'s: what was recorded there is not forgotten. */
export function formerStoresAfter(record: StreamRecord | undefined, next: StreamConfig): readonly RecordingStore[] {
  if (record === undefined) return [];
  const present = record.config.recording?.store;
  const isSame = (a: RecordingStore, b: RecordingStore | undefined): boolean =>
    b !== undefined && a.url === b.url && a.endpoint === b.endpoint;
  const known = present === undefined ? record.formerStores : [...record.formerStores, present];
  const kept = known.filter(
    (store, i) => !isSame(store, next.recording?.store) && !known.slice(i + 1).some((later) => isSame(store, later)),
  );
  return kept.slice(-(TOMBSTONE_STORES - 1));
}

/** Reads the annotation `headwater.dev/keys`. */
export function readProgress(text: string | undefined): KeyProgress | undefined {
  const value = parsed(text);
  if (typeof value !== 'object' || value === null) return undefined;
  const { generation, source, shown, since } = value as Partial<Record<keyof KeyProgress, unknown>>;
  const isRead =
    Number.isSafeInteger(generation) &&
    Number.isSafeInteger(shown) &&
    typeof source === 'string' &&
    typeof since === 'string' &&
    !Number.isNaN(Date.parse(since));
  return isRead ? { generation: generation as number, source, shown: shown as number, since } : undefined;
}

function parsed(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '');
  } catch {
    return undefined;
  }
}
