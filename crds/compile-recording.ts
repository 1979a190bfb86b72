import type { CompileProblem } from './compile-problem.ts';
import { durationMs } from './duration.ts';
import { matchesGlob } from './glob.ts';
import type { LiveStream } from './live-stream.ts';
import type { PoolDefaults } from './pool-defaults.ts';
import type { RecordingPolicy, RecordingPolicySpec, StoreSpec } from './recording-policy.ts';
import type { RecordingStore, StoreCredentials, StreamConfig } from './stream-config.ts';

type Outcome =
  | { readonly config: StreamConfig['recording']; readonly problems: readonly [] }
  | { readonly config: null; readonly problems: readonly CompileProblem[] };

/** What a stream says about recording, itself or through its policy; undefined: recording is off, or the policy is not there. */
export function recordingSpec(
  stream: LiveStream,
  policy: RecordingPolicy | undefined,
): RecordingPolicySpec | undefined {
  const { recording } = stream.spec;
  if (recording?.enabled !== true) return undefined;
  return recording.policyRef === undefined ? recording : policy?.spec;
}

/** How and where the stream is recorded; null: not at all. */
export function compileRecording(
  stream: LiveStream,
  policy: RecordingPolicy | undefined,
  storeSecret: Readonly<Record<string, string>> | undefined,
  pool: PoolDefaults,
): Outcome {
  const { recording } = stream.spec;
  if (recording?.enabled !== true) return { config: null, problems: [] };
  const spec = recordingSpec(stream, policy);
  if (spec === undefined) {
    return refuse(
      'PolicyNotFound',
      `There is no RecordingPolicy ${recording.policyRef?.name} in namespace ${stream.metadata.namespace}: create it, or name another in recording.policyRef.`,
    );
  }
  const store = storeOf(spec.store ?? {}, storeSecret, pool);
  if ('problems' in store) return store;
  return {
    config: {
      store,
      format: spec.format ?? pool.recording.format,
      segmentDurationMs: durationMs(spec.segmentDuration ?? '') ?? pool.recording.segmentDuration,
      segmentPattern: spec.segmentPattern ?? pool.recording.segmentPattern,
      onFull: spec.onFull ?? pool.recording.onFull,
    },
    problems: [],
  };
}

type Refusal = Outcome & { readonly config: null; readonly problems: readonly CompileProblem[] };

const refuse = (reason: CompileProblem['reason'], message: string): Refusal => ({
  config: null,
  problems: [{ reason, message, revokes: false }],
});

/**
 * The pool's credentials go with the pool's endpoint, bucket and prefix and with nothing else. The schema asks for the same;
 * here it is asked again, because it is what keeps tenants apart.
 */
function storeOf(
  spec: StoreSpec,
  secret: Readonly<Record<string, string>> | undefined,
  pool: PoolDefaults,
): RecordingStore | Refusal {
  const name = spec.credentialsSecretRef?.name;
  if (name === undefined) {
    const foreign = (['bucket', 'prefix', 'endpoint', 'region', 'forcePathStyle'] as const).filter(
      (key) => spec[key] !== undefined,
    );
    if (foreign.length > 0) {
      return refuse(
        'StoreNotAllowed',
        `The store's ${foreign.join(', ')} need credentials of their own: add credentialsSecretRef. Those of the pool are for its own bucket and prefix only.`,
      );
    }
    if (pool.store === null) {
      return refuse(
        'StoreMissing',
        `The pool ${pool.name} has no store: write recording.store with a bucket and credentialsSecretRef, or ask for store.url.`,
      );
    }
    const { url, endpoint, region, forcePathStyle } = pool.store;
    return { url, endpoint, region, forcePathStyle, credentials: null };
  }

  const refused = foreignEndpoint(spec.endpoint, pool);
  if (refused !== undefined) return refuse('StoreNotAllowed', refused);
  const own = pool.store?.url.startsWith('s3://') ? pool.store : undefined;
  const bucket = spec.bucket ?? own?.url.slice('s3://'.length).split('/')[0];
  if (bucket === undefined) {
    return refuse(
      'StoreMissing',
      `The store has no bucket, and the pool ${pool.name} has none either: write recording.store.bucket.`,
    );
  }
  if (secret === undefined) {
    return refuse(
      'StoreSecretNotFound',
      `There is no Secret ${name} with the store's credentials: create it with the keys accessKeyId and secretAccessKey.`,
    );
  }
  const credentials = readStoreCredentials(secret);
  if (typeof credentials === 'string') {
    return refuse(
      'StoreSecretInvalid',
      `The Secret ${name} has no ${credentials}: it needs the keys accessKeyId and secretAccessKey.`,
    );
  }
  const prefix = spec.prefix ?? '';
  return {
    url: prefix === '' ? `s3://${bucket}` : `s3://${bucket}/${prefix}`,
    endpoint: spec.endpoint ?? own?.endpoint ?? null,
    region: spec.region ?? own?.region ?? null,
    forcePathStyle: spec.forcePathStyle ?? own?.forcePathStyle ?? null,
    credentials,
  };
}

/** Why an endpoint may not be used; undefined: it may, as the pool's own may always. */
function foreignEndpoint(endpoint: string | undefined, pool: PoolDefaults): string | undefined {
  if (endpoint === undefined) return undefined;
  const trimmed = endpoint.replace(/\/$/, '');
  const allowed = [...(pool.store?.endpoint ? [pool.store.endpoint] : []), ...pool.allowedStoreEndpoints];
  if (allowed.some((pattern) => matchesGlob(pattern.replace(/\/$/, ''), trimmed))) return undefined;
  return `The pool ${pool.name} does not allow the endpoint ${endpoint}: ask for it to be added to allowedStoreEndpoints${allowed.length > 0 ? `, or use ${allowed.join(' or ')}` : ''}.`;
}

/** The names that our documentation uses, or those that are usual in Secrets made for the environment. Gives the key that lacks. */
function readStoreCredentials(
  secret: Readonly<Record<string, string>>,
): StoreCredentials | 'accessKeyId' | 'secretAccessKey' {
  const accessKeyId = (secret.accessKeyId ?? secret.AWS_ACCESS_KEY_ID ?? '').trim();
  const secretAccessKey = (secret.secretAccessKey ?? secret.AWS_SECRET_ACCESS_KEY ?? '').trim();
  if (accessKeyId === '') return 'accessKeyId';
  return secretAccessKey === '' ? 'secretAccessKey' : { accessKeyId, secretAccessKey };
}
