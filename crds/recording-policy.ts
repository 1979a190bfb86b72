import { z } from 'zod';
import { choice, duration, field, flag, objectReference, text } from './field.ts';
import { API_VERSION } from './names.ts';
import { type ObjectMeta, objectMeta } from './object-meta.ts';

const HOUR = 3_600_000;

const BUCKET = '^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$';
const ENDPOINT = '^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?/?$';

const store = field(
  z.strictObject({
    bucket: text(63, 'Bucket to record to instead of the pool’s.', [
      {
        cel: `self.matches('${BUCKET}')`,
        holds: (value) => new RegExp(BUCKET).test(value),
        message: 'is no bucket: write only its name, 3 to 63 of a-z, 0-9, dot and dash',
      },
    ]).optional(),
    prefix: text(256, 'What every key begins with, before <namespace>/<name>/.', [
      {
        cel: "!self.startsWith('/') && !self.endsWith('/') && !self.contains('//')",
        holds: (value) => !value.startsWith('/') && !value.endsWith('/') && !value.includes('//'),
        message: 'has a slash too many: write it as in archive/cameras',
      },
      {
        cel: "self.split('/').all(part, part != '.' && part != '..')",
        holds: (value) => value.split('/').every((part) => part !== '.' && part !== '..'),
        message: 'must not have . or .. in it: write the prefix out',
      },
      {
        cel: "self.matches('^[A-Za-z0-9!_.*()/-]*$')",
        holds: (value) => /^[A-Za-z0-9!_.*()/-]*$/.test(value),
        message: 'may hold letters, digits and ! _ . * ( ) / - only',
      },
    ]).optional(),
    endpoint: text(253, 'URL of an S3 server other than the pool’s; the pool must allow it.', [
      {
        cel: `self.matches('${ENDPOINT}')`,
        holds: (value) => new RegExp(ENDPOINT).test(value),
        message:
          'is no endpoint: write a URL without credentials, path or query, for example https://minio.example.com:9000',
      },
    ]).optional(),
    region: text(64, 'Region of the bucket.', [
      {
        cel: "self.matches('^[a-z0-9-]+$')",
        holds: (value) => /^[a-z0-9-]+$/.test(value),
        message: 'is no region: write for example eu-central-1',
      },
    ]).optional(),
    forcePathStyle: flag('Bucket in the path of the URL (true, as MinIO wants it) or in the host name.').optional(),
    credentialsSecretRef: objectReference('Secret with the keys accessKeyId and secretAccessKey.').optional(),
  }),
  'A store of your own. Without it recordings go to the pool’s, under <prefix>/<namespace>/<name>/.',
  [
    {
      cel: 'has(self.credentialsSecretRef) || !(has(self.bucket) || has(self.prefix) || has(self.endpoint) || has(self.region) || has(self.forcePathStyle))',
      holds: (value) => value.credentialsSecretRef !== undefined || Object.keys(value).length === 0,
      message:
        'needs credentials of its own: add credentialsSecretRef: {name: …}; those of the pool are for its own bucket and prefix only',
    },
  ],
);

/** What a RecordingPolicy says, and what `spec.recording` of a LiveStream may say in its place. */
export const RECORDING_FIELDS = {
  store: store.optional(),
  format: choice(['fmp4', 'flv'], 'Container of the segments: fragmented MP4 or FLV.').optional(),
  segmentDuration: duration(
    0,
    HOUR,
    'Length after which the next keyframe starts a new segment; 0s: one file for each publication.',
  ).optional(),
  segmentPattern: text(
    512,
    'Names of the segments, as a key under the prefix: %p path, %r recording, %d number, %T start …',
    [
      {
        cel: "self.startsWith('%p/')",
        holds: (value) => value.startsWith('%p/'),
        message: 'must begin with %p/ so that streams do not meet: write for example %p/%r/%T_%05d',
      },
      {
        cel: "self.matches('^(%[spTYmDHMSr%]|%(0[0-9]{1,2})?d|[^%])*$')",
        holds: (value) => /^(%[spTYmDHMSr%]|%(0[0-9]{1,2})?d|[^%])*$/.test(value),
        message: 'has an unknown placeholder: use %s %p %r %d %05d %T %Y %m %D %H %M %S and %% for a percent sign',
      },
      {
        cel: "!self.contains('/.') && !self.contains('//') && !self.endsWith('/') && !self.contains('\\\\')",
        holds: (value) => !/\/\.|\/\/|\/$|\\/.test(value),
        message: 'names no file: no part of it may be empty, begin with a dot or hold a backslash',
      },
    ],
  ).optional(),
  onFull: choice(
    ['DropOldest', 'StopRecording'],
    'What gives way when the spool volume is full because the store is away.',
  ).optional(),
} as const;

const spec = field(
  z.strictObject(RECORDING_FIELDS),
  'How and where streams are recorded. What is left out comes from the pool.',
);

export const RECORDING_POLICY = field(
  z.strictObject({
    apiVersion: z.literal(API_VERSION),
    kind: z.literal('RecordingPolicy'),
    metadata: objectMeta,
    spec,
  }),
  'How and where LiveStreams of the same namespace are recorded; they name it in spec.recording.policyRef.',
);

export type StoreSpec = z.output<typeof store>;
export type RecordingPolicySpec = z.output<typeof spec>;
export interface RecordingPolicy {
  readonly apiVersion: typeof API_VERSION;
  readonly kind: 'RecordingPolicy';
  readonly metadata: ObjectMeta;
  readonly spec: RecordingPolicySpec;
}
