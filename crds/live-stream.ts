import { z } from 'zod';
import { choice, choices, duration, field, flag, objectReference } from './field.ts';
import type { LiveStreamStatus } from './live-stream-status.ts';
import { API_VERSION } from './names.ts';
import { type ObjectMeta, objectMeta } from './object-meta.ts';
import { RECORDING_FIELDS } from './recording-policy.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

export const PROTOCOLS = ['RTMP', 'RTMPS', 'SRT'] as const;
export const PLAYBACK_PROTOCOLS = ['RTMP', 'SRT', 'HTTPFLV'] as const;
export const ON_DUPLICATE = ['RejectUnlessStale', 'Reject', 'TakeOver'] as const;
export const SRT_ENCRYPTION = ['Required', 'Optional', 'Disabled'] as const;
const DELETION_POLICIES = ['Retain', 'Delete'] as const;

/** Names become names of Services, and with `-ingest` of Secrets. */
const STREAM_NAME = '^[a-z]([-a-z0-9]*[a-z0-9])?$';
const STREAM_NAME_LENGTH = 48;

const srt = field(
  z.strictObject({
    latency: duration(
      20,
      30 * SECOND,
      'Receiver latency: at least four times the round trip on lossy links.',
    ).optional(),
    encryption: choice(
      SRT_ENCRYPTION,
      'Whether a publisher must, may or must not encrypt with the passphrase of the <name>-ingest Secret.',
    ).optional(),
    keyLength: field(
      z.literal([16, 24, 32]),
      'Bytes of the AES key that the URL asks for; the publisher’s own choice is accepted.',
      [],
      {
        type: 'integer',
      },
    ).optional(),
  }),
  'SRT settings of this stream.',
);

const ingest = field(
  z.strictObject({
    protocols: choices(PROTOCOLS, 'What publishers may use; all that the pool offers where it is left out.').optional(),
    onDuplicate: choice(
      ON_DUPLICATE,
      'A second publisher: RejectUnlessStale waits whether the first still sends, Reject refuses it, TakeOver closes the first.',
    ).optional(),
    idleTimeout: duration(SECOND, HOUR, 'A publisher that sends no media for this long is closed.').optional(),
    srt: srt.optional(),
    dedicatedPort: flag('A UDP port of its own, for SRT encoders that cannot send a stream id.').optional(),
  }),
  'How publishers come in.',
  [
    {
      cel: "!has(self.dedicatedPort) || !self.dedicatedPort || !has(self.protocols) || 'SRT' in self.protocols",
      holds: ({ dedicatedPort, protocols }) =>
        dedicatedPort !== true || protocols === undefined || protocols.includes('SRT'),
      message: 'dedicatedPort is a port for SRT: add SRT to protocols, or leave dedicatedPort out',
    },
    {
      cel: "!has(self.srt) || !has(self.protocols) || 'SRT' in self.protocols",
      holds: ({ srt: settings, protocols }) =>
        settings === undefined || protocols === undefined || protocols.includes('SRT'),
      message: 'srt has no effect without SRT: add SRT to protocols, or leave srt out',
    },
  ],
);

const rotation = field(
  z.strictObject({
    generation: field(
      z.int().min(0).max(2_147_483_647),
      'Raise it by one to get new keys. Live publishers stay; the former keys work until the overlap ends.',
      [],
      {},
      [{ cel: 'self >= oldSelf', message: 'may only grow: add one to the present value' }],
    ).optional(),
    overlap: duration(0, 720 * HOUR, 'How long the former keys go on working; 0s: not at all.').optional(),
    revokePrevious: flag(
      'The former keys end now, and so does, within a second, who came with them: for a key that leaked.',
    ).optional(),
  }),
  'Change of keys without a cut.',
);

const credentials = field(
  z.strictObject({
    secretRef: objectReference(
      'Secret with keys of your own: rtmpKey and srtPassphrase. An edit of it is a rotation.',
    ).optional(),
    rotation: rotation.optional(),
  }),
  'Keys to publish with; generated where secretRef is left out.',
  [
    {
      cel: '!has(self.secretRef) || !has(self.rotation) || !has(self.rotation.generation) || self.rotation.generation == 0',
      holds: ({ secretRef, rotation: wanted }) => secretRef === undefined || (wanted?.generation ?? 0) === 0,
      message: 'rotation.generation is for generated keys: with secretRef, edit that Secret to rotate',
    },
  ],
);

const recording = field(
  z.strictObject({
    enabled: flag('Whether the stream is recorded.').optional(),
    policyRef: objectReference('RecordingPolicy that says how and where; instead of the fields of one.').optional(),
    deletionPolicy: choice(
      DELETION_POLICIES,
      'What becomes of the recordings when the LiveStream is deleted: Retain keeps them, Delete removes those of this very object.',
    ).optional(),
    ...RECORDING_FIELDS,
  }),
  'Recording. Its other fields are those of a RecordingPolicy.',
  [
    {
      cel: '!has(self.policyRef) || !(has(self.store) || has(self.format) || has(self.segmentDuration) || has(self.segmentPattern) || has(self.onFull))',
      holds: (value) =>
        value.policyRef === undefined ||
        !(Object.keys(RECORDING_FIELDS) as (keyof typeof RECORDING_FIELDS)[]).some((key) => value[key] !== undefined),
      message: 'has policyRef and fields of a policy: name a policy, or write its fields here, not both',
    },
  ],
);

const spec = field(
  z.strictObject({
    pool: field(
      z.string().max(63).default('default'),
      'Pool of ingest pods that serves the stream. It cannot be changed later.',
      [
        {
          cel: "self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
          holds: (value) => /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(value),
          message: 'is no name of a pool: write lower case letters, digits and dashes',
        },
      ],
      {},
      [
        {
          cel: 'self == oldSelf',
          message: 'cannot be changed: delete the LiveStream and make it again in the other pool',
        },
      ],
    ),
    suspend: flag('Nobody may publish; a publisher that is live is closed within a second.').optional(),
    ingest: ingest.optional(),
    credentials: credentials.optional(),
    recording: recording.optional(),
    playback: field(
      z.strictObject({
        protocols: choices(
          PLAYBACK_PROTOCOLS,
          'How it may be watched; all that the pool offers where it is left out.',
        ).optional(),
      }),
      'How the stream may be watched.',
    ).optional(),
  }),
  'What is wanted. Everything that is left out comes from the pool; status.effective shows it.',
);

/** As people write it. The API server adds status. */
export const LIVE_STREAM = field(
  z.strictObject({
    apiVersion: z.literal(API_VERSION),
    kind: z.literal('LiveStream'),
    metadata: objectMeta,
    spec,
  }),
  'One live stream: who may publish it, how, and where it is recorded. Its path is <namespace>/<name>.',
  [
    {
      cel: `self.metadata.name.size() <= ${STREAM_NAME_LENGTH} && self.metadata.name.matches('${STREAM_NAME}')`,
      holds: ({ metadata: { name } }) => name.length <= STREAM_NAME_LENGTH && new RegExp(STREAM_NAME).test(name),
      message: `metadata.name must begin with a letter, hold only a-z, 0-9 and dashes, end with a letter or digit, and have at most ${STREAM_NAME_LENGTH} characters: write for example cam-1`,
    },
  ],
);

export type LiveStreamSpec = z.output<typeof spec>;
export interface LiveStream {
  readonly apiVersion: typeof API_VERSION;
  readonly kind: 'LiveStream';
  readonly metadata: ObjectMeta;
  readonly spec: LiveStreamSpec;
  readonly status?: LiveStreamStatus;
}
