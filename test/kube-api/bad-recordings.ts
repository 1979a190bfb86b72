import { type BadObject, policy, stream } from './written-object.ts';

const OWN_CREDENTIALS =
  'needs credentials of its own: add credentialsSecretRef: {name: …}; those of the pool are for its own bucket and prefix only';
const NO_BUCKET = 'is no bucket: write only its name, 3 to 63 of a-z, 0-9, dot and dash';
const NO_ENDPOINT =
  'is no endpoint: write a URL without credentials, path or query, for example https://minio.example.com:9000';
const NO_FILE = 'names no file: no part of it may be empty, begin with a dot or hold a backslash';

const ref = { name: 's3' };
const rec = (fields: object) => stream({ recording: { enabled: true, ...fields } });
const store = (fields: object) => rec({ store: { credentialsSecretRef: ref, ...fields } });

/** What people get wrong about recording, in a LiveStream. */
export const BAD_RECORDINGS: readonly BadObject[] = [
  {
    name: 'recording as a boolean',
    object: stream({ recording: true }),
    refused: ['spec.recording: Invalid value: "boolean": spec.recording in body must be of type object: "boolean"'],
  },
  {
    name: 'a policy and fields of one',
    object: rec({ policyRef: { name: 'archive' }, format: 'flv' }),
    refused: [
      'spec.recording: Invalid value: has policyRef and fields of a policy: name a policy, or write its fields here, not both',
    ],
  },
  {
    name: 'a policy and a store',
    object: rec({ policyRef: { name: 'archive' }, store: { bucket: 'mine', credentialsSecretRef: ref } }),
    refused: [
      'spec.recording: Invalid value: has policyRef and fields of a policy: name a policy, or write its fields here, not both',
    ],
  },
  {
    name: 'a deletion policy that does not exist',
    object: rec({ deletionPolicy: 'Keep' }),
    refused: ['spec.recording.deletionPolicy: Unsupported value: "Keep": supported values: "Retain", "Delete"'],
  },
  {
    name: 'retention, which does not exist yet',
    object: rec({ retention: { maxAge: '30d' } }),
    refused: [
      'LiveStream in version "v1alpha1" cannot be handled as a LiveStream: strict decoding error: unknown field "spec.recording.retention"',
    ],
  },
  {
    name: 'a format that does not exist',
    object: rec({ format: 'mp4' }),
    refused: ['spec.recording.format: Unsupported value: "mp4": supported values: "fmp4", "flv"'],
  },
  {
    name: 'a segment of two hours',
    object: rec({ segmentDuration: '2h' }),
    refused: ['spec.recording.segmentDuration: Invalid value: "2h": must lie between 0s and 1h'],
  },
  {
    name: 'a segment in seconds without a unit',
    object: rec({ segmentDuration: '6' }),
    refused: ['spec.recording.segmentDuration: Invalid value: "6": has no unit: write 6s or 6ms'],
  },
  {
    name: 'a pattern without the path',
    object: rec({ segmentPattern: '%r/%05d' }),
    refused: [
      'spec.recording.segmentPattern: Invalid value: "%r/%05d": must begin with %p/ so that streams do not meet: write for example %p/%r/%T_%05d',
    ],
  },
  {
    name: 'a pattern with an unknown placeholder',
    object: rec({ segmentPattern: '%p/%q' }),
    refused: [
      'spec.recording.segmentPattern: Invalid value: "%p/%q": has an unknown placeholder: use %s %p %r %d %05d %T %Y %m %D %H %M %S and %% for a percent sign',
    ],
  },
  {
    name: 'a pattern that leaves the folder',
    object: rec({ segmentPattern: '%p/../%05d' }),
    refused: [`spec.recording.segmentPattern: Invalid value: "%p/../%05d": ${NO_FILE}`],
  },
  {
    name: 'a pattern that names a folder',
    object: rec({ segmentPattern: '%p/%r/' }),
    refused: [`spec.recording.segmentPattern: Invalid value: "%p/%r/": ${NO_FILE}`],
  },
  {
    name: 'a pattern of 513 characters',
    object: rec({ segmentPattern: `%p/${'x'.repeat(510)}` }),
    refused: ['spec.recording.segmentPattern: Too long: may not be more than 512 bytes'],
  },
  {
    name: 'an onFull that does not exist',
    object: rec({ onFull: 'Block' }),
    refused: ['spec.recording.onFull: Unsupported value: "Block": supported values: "DropOldest", "StopRecording"'],
  },
  {
    name: 'a foreign bucket without credentials',
    object: rec({ store: { bucket: 'mine' } }),
    refused: [`spec.recording.store: Invalid value: ${OWN_CREDENTIALS}`],
  },
  {
    name: 'a foreign prefix without credentials',
    object: rec({ store: { prefix: 'team-b' } }),
    refused: [`spec.recording.store: Invalid value: ${OWN_CREDENTIALS}`],
  },
  {
    name: 'a foreign endpoint without credentials',
    object: rec({ store: { endpoint: 'https://s3.example.com' } }),
    refused: [`spec.recording.store: Invalid value: ${OWN_CREDENTIALS}`],
  },
  {
    name: 'another region without credentials',
    object: rec({ store: { region: 'eu-central-1' } }),
    refused: [`spec.recording.store: Invalid value: ${OWN_CREDENTIALS}`],
  },
  {
    name: 'a bucket in capitals',
    object: store({ bucket: 'Mine' }),
    refused: [`spec.recording.store.bucket: Invalid value: "Mine": ${NO_BUCKET}`],
  },
  {
    name: 'a bucket with a scheme',
    object: store({ bucket: 's3://mine' }),
    refused: [`spec.recording.store.bucket: Invalid value: "s3://mine": ${NO_BUCKET}`],
  },
  {
    name: 'a bucket of two letters',
    object: store({ bucket: 'ab' }),
    refused: [`spec.recording.store.bucket: Invalid value: "ab": ${NO_BUCKET}`],
  },
  {
    name: 'a prefix that begins with a slash',
    object: store({ prefix: '/archive' }),
    refused: [
      'spec.recording.store.prefix: Invalid value: "/archive": has a slash too many: write it as in archive/cameras',
    ],
  },
  {
    name: 'a prefix that ends with a slash',
    object: store({ prefix: 'archive/' }),
    refused: [
      'spec.recording.store.prefix: Invalid value: "archive/": has a slash too many: write it as in archive/cameras',
    ],
  },
  {
    name: 'a prefix with two dots',
    object: store({ prefix: 'a/../b' }),
    refused: [
      'spec.recording.store.prefix: Invalid value: "a/../b": must not have . or .. in it: write the prefix out',
    ],
  },
  {
    name: 'a prefix with a space',
    object: store({ prefix: 'a b' }),
    refused: ['spec.recording.store.prefix: Invalid value: "a b": may hold letters, digits and ! _ . * ( ) / - only'],
  },
  {
    name: 'an endpoint without a scheme',
    object: store({ endpoint: 'minio:9000' }),
    refused: [`spec.recording.store.endpoint: Invalid value: "minio:9000": ${NO_ENDPOINT}`],
  },
  {
    name: 'an endpoint with credentials',
    object: store({ endpoint: 'https://user:pw@minio:9000' }),
    refused: [`spec.recording.store.endpoint: Invalid value: "https://user:pw@minio:9000": ${NO_ENDPOINT}`],
  },
  {
    name: 'an endpoint with a path',
    object: store({ endpoint: 'https://minio:9000/bucket' }),
    refused: [`spec.recording.store.endpoint: Invalid value: "https://minio:9000/bucket": ${NO_ENDPOINT}`],
  },
  {
    name: 'a region with a space',
    object: store({ region: 'eu central' }),
    refused: ['spec.recording.store.region: Invalid value: "eu central": is no region: write for example eu-central-1'],
  },
  {
    name: 'credentials of a store in the object',
    object: store({ accessKeyId: 'AKIA' }),
    refused: [
      'LiveStream in version "v1alpha1" cannot be handled as a LiveStream: strict decoding error: unknown field "spec.recording.store.accessKeyId"',
    ],
  },
];

/** And in a RecordingPolicy. */
export const BAD_POLICIES: readonly BadObject[] = [
  {
    name: 'a policy with a foreign bucket and no credentials',
    object: policy({ store: { bucket: 'mine' } }),
    refused: [`spec.store: Invalid value: ${OWN_CREDENTIALS}`],
  },
  {
    name: 'a policy with an unknown format',
    object: policy({ format: 'ts' }),
    refused: ['spec.format: Unsupported value: "ts": supported values: "fmp4", "flv"'],
  },
  {
    name: 'a policy with a segment without a unit',
    object: policy({ segmentDuration: '10' }),
    refused: ['spec.segmentDuration: Invalid value: "10": has no unit: write 10s or 10ms'],
  },
  {
    name: 'a policy with a wrong endpoint',
    object: policy({ store: { endpoint: 's3.example.com', credentialsSecretRef: ref } }),
    refused: [`spec.store.endpoint: Invalid value: "s3.example.com": ${NO_ENDPOINT}`],
  },
  { name: 'a policy without a spec', object: policy(undefined), refused: ['spec: Required value'] },
  {
    name: 'a policy with enabled, which is the stream’s',
    object: policy({ enabled: true }),
    refused: [
      'RecordingPolicy in version "v1alpha1" cannot be handled as a RecordingPolicy: strict decoding error: unknown field "spec.enabled"',
    ],
  },
  {
    name: 'a policy with a deletion policy, which is the stream’s',
    object: policy({ deletionPolicy: 'Delete' }),
    refused: [
      'RecordingPolicy in version "v1alpha1" cannot be handled as a RecordingPolicy: strict decoding error: unknown field "spec.deletionPolicy"',
    ],
  },
];
