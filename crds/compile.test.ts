import { describe, expect, it } from 'vitest';
import { effectiveIn, GOOD_STREAMS, POOL } from '../test/kube-api/good-objects.ts';
import { type CompileInput, compile, storeSecretName } from './compile.ts';
import { LIVE_STREAM, type LiveStream } from './live-stream.ts';
import { API_VERSION } from './names.ts';
import { POOL_DEFAULTS, type PoolDefaults } from './pool-defaults.ts';
import { RECORDING_POLICY, type RecordingPolicy } from './recording-policy.ts';
import type { StreamCredentials } from './stream-config.ts';

const CREDENTIALS: StreamCredentials = {
  revision: 1,
  rtmpKey: 'k',
  srtPassphrase: 'p',
  previous: null,
  revokedBelow: 0,
};
const SECRET = { accessKeyId: 'AKIA', secretAccessKey: 'sesame' };

const live = (spec: object, metadata: Partial<LiveStream['metadata']> = {}): LiveStream => {
  const parsed = LIVE_STREAM.parse({ apiVersion: API_VERSION, kind: 'LiveStream', metadata: { name: 'cam-1' }, spec });
  return { ...parsed, metadata: { name: 'cam-1', namespace: 'team-a', uid: 'u-1', ...metadata } };
};
const policyOf = (object: unknown): RecordingPolicy => RECORDING_POLICY.parse(object) as RecordingPolicy;
const pool = (fields: object = {}): PoolDefaults => POOL_DEFAULTS.parse({ ...POOL, ...fields });

const compiled = (stream: LiveStream, input: Partial<CompileInput> = {}) =>
  compile({
    stream,
    pool: pool(),
    policy: undefined,
    storeSecret: SECRET,
    credentials: CREDENTIALS,
    dedicatedPort: null,
    olderInNamespace: 0,
    ...input,
  });

const recorded = (store: object, recording: object = {}): LiveStream =>
  live({ recording: { enabled: true, store, ...recording } });
/** What a store of the schema cannot be: an object that came past it must not get the pool's credentials either. */
const unchecked = (store: object): LiveStream => ({
  ...live({}),
  spec: { pool: 'default', recording: { enabled: true, store } },
});

describe('compile', () => {
  it.each(GOOD_STREAMS)('$name', (good) => {
    const { object, policy } = good;
    const parsed = LIVE_STREAM.parse(object);
    const stream: LiveStream = { ...parsed, metadata: { ...parsed.metadata, namespace: 'team-a', uid: 'u-1' } };
    const got = compiled(stream, { policy: policy && policyOf(policy), dedicatedPort: 20_007 });
    expect(got.problems).toEqual([]);
    expect(got.effective).toEqual(effectiveIn('team-a', good));
  });

  it('makes a configuration of the five lines', () => {
    const { config } = compiled(live({ recording: { enabled: true } }));
    expect(config).toEqual({
      version: 1,
      uid: 'u-1',
      path: 'team-a/cam-1',
      revision: expect.stringMatching(/^[0-9a-f]{16}$/),
      state: 'active',
      protocols: ['RTMP', 'SRT'],
      onDuplicate: 'RejectUnlessStale',
      idleTimeoutMs: 10_000,
      credentials: CREDENTIALS,
      srt: { latencyMs: 120, encryption: 'Required', keyLength: 32, dedicatedPort: null },
      recording: {
        store: {
          url: 's3://recordings/pool',
          endpoint: 'https://minio.example.com',
          region: null,
          forcePathStyle: null,
          credentials: null,
        },
        format: 'fmp4',
        segmentDurationMs: 6000,
        segmentPattern: null,
        onFull: 'DropOldest',
      },
      playback: { protocols: ['RTMP', 'SRT', 'HTTPFLV'] },
    });
  });

  it('says suspended, and deleting before that', () => {
    const deleting = { deletionTimestamp: '2026-01-01T00:00:00Z' };
    expect(compiled(live({ suspend: true })).config?.state).toBe('suspended');
    expect(compiled(live({ suspend: true }, deleting)).config?.state).toBe('deleting');
  });

  it('gives the same revision to the same configuration, and another to any change', () => {
    const revision = (...args: Parameters<typeof compiled>) => compiled(...args).config?.revision;
    const first = revision(live({ recording: { enabled: true } }));
    expect(revision(live({ recording: { enabled: true } }))).toBe(first);
    const others = [
      revision(live({ recording: { enabled: true }, suspend: true })),
      revision(live({ recording: { enabled: true } }), { credentials: { ...CREDENTIALS, rtmpKey: 'other' } }),
      revision(live({ recording: { enabled: true } }), { pool: pool({ idleTimeout: '11s' }) }),
      revision(recorded({ bucket: 'mine', credentialsSecretRef: { name: 's3' } })),
    ];
    expect(new Set([first, ...others]).size).toBe(5);
  });

  it('names the Secret that the store needs', () => {
    const withStore = policyOf({
      apiVersion: API_VERSION,
      kind: 'RecordingPolicy',
      metadata: { name: 'a' },
      spec: { store: { bucket: 'mine', credentialsSecretRef: { name: 's3' } } },
    });
    const byPolicy = live({ recording: { enabled: true, policyRef: { name: 'a' } } });
    expect(storeSecretName(recorded({ bucket: 'mine', credentialsSecretRef: { name: 'x' } }), undefined)).toBe('x');
    expect(storeSecretName(byPolicy, withStore)).toBe('s3');
    expect(storeSecretName(byPolicy, undefined)).toBeUndefined();
    expect(storeSecretName(live({ recording: { enabled: false } }), undefined)).toBeUndefined();
  });

  it('takes credentials under the names that environments use', () => {
    const stream = recorded({ bucket: 'mine', credentialsSecretRef: { name: 's3' } });
    const got = compiled(stream, { storeSecret: { AWS_ACCESS_KEY_ID: 'AKIA', AWS_SECRET_ACCESS_KEY: 'sesame\n' } });
    expect(got.config?.recording?.store.credentials).toEqual(SECRET);
  });
});

const ownCredentials = { credentialsSecretRef: { name: 's3' } };

describe('problems', () => {
  it.each<{ name: string; stream: LiveStream; input?: Partial<CompileInput>; want: string[]; revokes?: boolean }>([
    {
      name: 'a namespace that the pool does not serve, of whose ports nothing is said',
      stream: live({ ingest: { dedicatedPort: true } }),
      input: {
        pool: pool({ allowedNamespaces: ['team-b', 'studio-*'], protocols: ['RTMP', 'SRT'] }),
        dedicatedPort: null,
      },
      want: [
        'NotPermitted: The pool default does not serve namespace team-a: ask for it to be added to allowedNamespaces, or name another pool.',
      ],
      revokes: true,
    },
    {
      name: 'a namespace that a pattern allows',
      stream: live({}),
      input: { pool: pool({ allowedNamespaces: ['team-*'] }) },
      want: [],
    },
    {
      name: 'one stream too many',
      stream: live({}),
      input: { pool: pool({ maxStreamsPerNamespace: 2 }), olderInNamespace: 2 },
      want: [
        'TooManyStreams: The pool default takes 2 LiveStreams of a namespace, and 2 of team-a are older: delete one, or ask for more.',
      ],
    },
    {
      name: 'the last stream that is allowed',
      stream: live({}),
      input: { pool: pool({ maxStreamsPerNamespace: 2 }), olderInNamespace: 1 },
      want: [],
    },
    {
      name: 'RTMPS in a pool without a certificate',
      stream: live({ ingest: { protocols: ['RTMP', 'RTMPS'] } }),
      want: [
        'ProtocolNotOffered: spec.ingest.protocols asks for RTMPS, and the pool default offers RTMP, SRT: take it out, or ask for it.',
      ],
    },
    {
      name: 'SRT settings in a pool without SRT',
      stream: live({ ingest: { srt: { latency: '1s' } } }),
      input: { pool: pool({ protocols: ['RTMP'] }) },
      want: [
        'ProtocolNotOffered: spec.ingest.srt asks for SRT, and the pool default offers RTMP: take it out, or ask for it.',
      ],
    },
    {
      name: 'a way to watch that the pool does not offer',
      stream: live({ playback: { protocols: ['SRT', 'HTTPFLV'] } }),
      input: { pool: pool({ playback: { protocols: ['RTMP'] } }) },
      want: [
        'ProtocolNotOffered: spec.playback.protocols asks for SRT and HTTPFLV, and the pool default offers RTMP: take them out, or ask for them.',
      ],
    },
    {
      name: 'a dedicated port in a pool without any',
      stream: live({ ingest: { dedicatedPort: true } }),
      input: { pool: pool({ srt: { dedicatedPorts: null } }) },
      want: [
        'DedicatedPortUnavailable: The pool default has no dedicated SRT ports: leave ingest.dedicatedPort out, or ask for srt.dedicatedPorts.',
      ],
    },
    {
      name: 'a dedicated port when all are taken',
      stream: live({ ingest: { dedicatedPort: true } }),
      want: [
        'DedicatedPortUnavailable: All 50 dedicated SRT ports of the pool default are taken: leave ingest.dedicatedPort out, or ask for more.',
      ],
    },
    {
      name: 'a policy that is not there',
      stream: live({ recording: { enabled: true, policyRef: { name: 'archive' } } }),
      want: [
        'PolicyNotFound: There is no RecordingPolicy archive in namespace team-a: create it, or name another in recording.policyRef.',
      ],
    },
    {
      name: 'a policy that is not there, recording off',
      stream: live({ recording: { enabled: false, policyRef: { name: 'archive' } } }),
      want: [],
    },
    {
      name: 'no store anywhere',
      stream: live({ recording: { enabled: true } }),
      input: { pool: pool({ store: null }) },
      want: [
        'StoreMissing: The pool default has no store: write recording.store with a bucket and credentialsSecretRef, or ask for store.url.',
      ],
    },
    {
      name: 'credentials without a bucket, and a pool without one',
      stream: recorded(ownCredentials),
      input: { pool: pool({ store: { url: 'file:///data' } }) },
      want: [
        'StoreMissing: The store has no bucket, and the pool default has none either: write recording.store.bucket.',
      ],
    },
    {
      name: 'an endpoint that the pool does not allow',
      stream: recorded({ bucket: 'mine', endpoint: 'https://evil.example.com', ...ownCredentials }),
      want: [
        'StoreNotAllowed: The pool default does not allow the endpoint https://evil.example.com: ask for it to be added to allowedStoreEndpoints, or use https://minio.example.com or https://*.s3.example.com.',
      ],
    },
    {
      name: 'an endpoint that only begins like an allowed one',
      stream: recorded({ bucket: 'mine', endpoint: 'https://x.s3.example.com.evil.org', ...ownCredentials }),
      want: [expect.stringMatching(/^StoreNotAllowed: /) as unknown as string],
    },
    {
      name: 'the endpoint of the pool',
      stream: recorded({ bucket: 'mine', endpoint: 'https://minio.example.com/', ...ownCredentials }),
      want: [],
    },
    {
      name: 'a Secret that is not there',
      stream: recorded({ bucket: 'mine', ...ownCredentials }),
      input: { storeSecret: undefined },
      want: [
        "StoreSecretNotFound: There is no Secret s3 with the store's credentials: create it with the keys accessKeyId and secretAccessKey.",
      ],
    },
    {
      name: 'a Secret without a key',
      stream: recorded({ bucket: 'mine', ...ownCredentials }),
      input: { storeSecret: { accessKeyId: 'AKIA', secretAccessKey: ' ' } },
      want: [
        'StoreSecretInvalid: The Secret s3 has no secretAccessKey: it needs the keys accessKeyId and secretAccessKey.',
      ],
    },
    ...(['bucket', 'prefix', 'endpoint', 'region'] as const).map((key) => ({
      name: `a foreign ${key} with the pool's credentials, past the schema`,
      stream: unchecked({ [key]: 'other' }),
      want: [
        `StoreNotAllowed: The store's ${key} need credentials of their own: add credentialsSecretRef. Those of the pool are for its own bucket and prefix only.`,
      ],
    })),
    {
      name: 'several problems at once',
      stream: live({ ingest: { protocols: ['RTMPS'] }, recording: { enabled: true } }),
      input: { pool: pool({ store: null }) },
      want: [
        expect.stringMatching(/^ProtocolNotOffered/) as unknown as string,
        expect.stringMatching(/^StoreMissing/) as unknown as string,
      ],
    },
  ])('$name', ({ stream, input, want, revokes = false }) => {
    const { problems, config } = compiled(stream, input);
    expect(problems.map(({ reason, message }) => `${reason}: ${message}`)).toEqual(want);
    expect(config === undefined).toBe(want.length > 0);
    expect(problems.some((problem) => problem.revokes)).toBe(revokes);
  });
});
