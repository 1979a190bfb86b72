import { policy, stream, type WrittenObject } from './written-object.ts';

export interface GoodObject {
  readonly name: string;
  readonly object: WrittenObject;
  /** Of the policy that `recording.policyRef` names. */
  readonly policy?: WrittenObject;
  /** `status.effective`: what differs from that of the five-line LiveStream in `team-a`, without recording where it is undefined. */
  readonly effective: Readonly<Record<string, unknown>>;
}

/** `status.effective` of the five-line LiveStream `cam-1` in the namespace `team-a`. */
const FIVE_LINES = {
  path: 'team-a/cam-1',
  protocols: ['RTMP', 'SRT'],
  onDuplicate: 'RejectUnlessStale',
  idleTimeout: '10s',
  srt: { latency: '120ms', encryption: 'Required', keyLength: 32 },
  rotationOverlap: '24h',
  recording: {
    location: 's3://recordings/pool/team-a/cam-1/',
    endpoint: 'https://minio.example.com',
    credentials: 'Pool',
    format: 'fmp4',
    segmentDuration: '6s',
    onFull: 'DropOldest',
    deletionPolicy: 'Retain',
  },
  playback: ['RTMP', 'SRT', 'HTTPFLV'],
} as const;

/** The pool of these tests, beside what a pool has anyway. */
export const POOL = {
  store: { url: 's3://recordings/pool', endpoint: 'https://minio.example.com' },
  allowedStoreEndpoints: ['https://*.s3.example.com'],
  protocols: ['RTMP', 'SRT'],
  srt: { dedicatedPorts: { from: 20_000, to: 20_049 } },
};

/** All of `status.effective` of one of `GOOD_STREAMS` when it lies in this namespace. */
export function effectiveIn(namespace: string, { effective }: GoodObject): Readonly<Record<string, unknown>> {
  const text = JSON.stringify({ ...FIVE_LINES, ...effective });
  // `<namespace>/<name>` is the end of a path and of a location; a bucket may have the namespace's name.
  return JSON.parse(text.replace(/team-a(\/[^/"]+\/?")/g, `${namespace}$1`));
}

const enabled = { enabled: true } as const;
const recorded = (fields: object): WrittenObject => stream({ recording: { enabled: true, ...fields } });
const recording = (fields: object) => ({ recording: { ...FIVE_LINES.recording, ...fields } });
const own = { credentialsSecretRef: { name: 's3' } } as const;

/** LiveStreams that are taken, and all that is in force for them. */
export const GOOD_STREAMS: readonly GoodObject[] = [
  { name: 'the five lines', object: recorded({}), effective: {} },
  { name: 'not recorded', object: stream({}), effective: { recording: undefined } },
  {
    name: 'recording off',
    object: stream({ recording: { enabled: false, format: 'flv' } }),
    effective: { recording: undefined },
  },
  {
    name: 'the longest name',
    object: stream({ recording: enabled }, 'c'.repeat(48)),
    effective: {
      path: `team-a/${'c'.repeat(48)}`,
      ...recording({ location: `s3://recordings/pool/team-a/${'c'.repeat(48)}/` }),
    },
  },
  { name: 'the shortest name', object: stream({}, 'c'), effective: { path: 'team-a/c', recording: undefined } },
  {
    name: 'one protocol',
    object: stream({ recording: enabled, ingest: { protocols: ['RTMP'] } }),
    effective: { protocols: ['RTMP'], srt: undefined },
  },
  {
    name: 'protocols in another order',
    object: stream({ recording: enabled, ingest: { protocols: ['SRT', 'RTMP'] } }),
    effective: {},
  },
  {
    name: 'duplicates taken over, idle for an hour',
    object: stream({ recording: enabled, ingest: { onDuplicate: 'TakeOver', idleTimeout: '60m' } }),
    effective: { onDuplicate: 'TakeOver', idleTimeout: '1h' },
  },
  {
    name: 'durations of several parts',
    object: stream({ recording: enabled, ingest: { idleTimeout: '1m30s', srt: { latency: '1s500ms' } } }),
    effective: { idleTimeout: '1m30s', srt: { ...FIVE_LINES.srt, latency: '1s500ms' } },
  },
  {
    name: 'SRT without encryption, and a short key',
    object: stream({ recording: enabled, ingest: { srt: { latency: '2s', encryption: 'Disabled', keyLength: 16 } } }),
    effective: { srt: { latency: '2s', encryption: 'Disabled', keyLength: 16 } },
  },
  {
    name: 'a dedicated port',
    object: stream({ recording: enabled, ingest: { dedicatedPort: true } }),
    effective: { srt: { ...FIVE_LINES.srt, dedicatedPort: 20_007 } },
  },
  {
    name: 'a rotation',
    object: stream({
      recording: enabled,
      credentials: { rotation: { generation: 7, overlap: '90m', revokePrevious: true } },
    }),
    effective: { rotationOverlap: '1h30m' },
  },
  {
    name: 'keys of one’s own',
    object: stream({ recording: enabled, credentials: { secretRef: { name: 'mine' } } }),
    effective: {},
  },
  {
    name: 'keys of one’s own, and an overlap',
    object: stream({
      recording: enabled,
      credentials: { secretRef: { name: 'mine' }, rotation: { generation: 0, overlap: '0s' } },
    }),
    effective: { rotationOverlap: '0s' },
  },
  { name: 'suspended', object: stream({ recording: enabled, suspend: true }), effective: {} },
  {
    name: 'FLV in files of a minute with names of one’s own',
    object: recorded({ format: 'flv', segmentDuration: '1m', segmentPattern: '%p/%Y/%m/%D/%T_%05d' }),
    effective: recording({ format: 'flv', segmentDuration: '1m', segmentPattern: '%p/%Y/%m/%D/%T_%05d' }),
  },
  {
    name: 'one file for each publication',
    object: recorded({ segmentDuration: '0s', onFull: 'StopRecording', deletionPolicy: 'Delete' }),
    effective: recording({ segmentDuration: '0s', onFull: 'StopRecording', deletionPolicy: 'Delete' }),
  },
  {
    name: 'a bucket of one’s own on the pool’s server',
    object: recorded({ store: { bucket: 'team-a', ...own } }),
    effective: recording({ location: 's3://team-a/team-a/cam-1/', credentials: 'Secret' }),
  },
  {
    name: 'a server of one’s own that the pool allows',
    object: recorded({
      store: {
        bucket: 'team-a',
        prefix: 'cameras/2',
        endpoint: 'https://eu.s3.example.com',
        region: 'eu-central-1',
        forcePathStyle: false,
        ...own,
      },
    }),
    effective: recording({
      location: 's3://team-a/cameras/2/team-a/cam-1/',
      endpoint: 'https://eu.s3.example.com',
      credentials: 'Secret',
    }),
  },
  {
    name: 'a policy, and deletion',
    object: recorded({ policyRef: { name: 'archive' }, deletionPolicy: 'Delete' }),
    policy: policy({ segmentDuration: '30s', onFull: 'StopRecording' }),
    effective: recording({ segmentDuration: '30s', onFull: 'StopRecording', deletionPolicy: 'Delete' }),
  },
  {
    name: 'a policy with a store',
    object: recorded({ policyRef: { name: 'archive' } }),
    policy: policy({ store: { bucket: 'team-a', prefix: 'p', ...own } }),
    effective: recording({ location: 's3://team-a/p/team-a/cam-1/', credentials: 'Secret' }),
  },
  { name: 'an empty policy', object: recorded({ policyRef: { name: 'archive' } }), policy: policy({}), effective: {} },
  {
    name: 'watched over HTTP alone',
    object: stream({ recording: enabled, playback: { protocols: ['HTTPFLV'] } }),
    effective: { playback: ['HTTPFLV'] },
  },
  { name: 'in another pool', object: stream({ pool: 'studio-2', recording: enabled }), effective: {} },
];
