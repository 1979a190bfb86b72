import { z } from 'zod';
import { CONDITION_TYPES, type Condition, MESSAGE_LENGTH } from './conditions.ts';
import { choice, field, flag, integer, text } from './field.ts';

const TIME = { format: 'date-time' };
const time = (description: string): z.ZodString => field(z.string().max(64), description, [], TIME);
const count = (description: string): z.ZodInt => integer(0, Number.MAX_SAFE_INTEGER, description);

export const PHASES = ['Pending', 'Idle', 'Live', 'Suspended', 'Terminating'] as const;

const condition = z.strictObject({
  type: choice(CONDITION_TYPES as unknown as readonly [string, ...string[]], 'What is said.'),
  status: choice(['True', 'False', 'Unknown'], 'Whether it holds.'),
  reason: text(64, 'Why, for programs.'),
  message: text(MESSAGE_LENGTH, 'Why, for people.'),
  lastTransitionTime: time('When status last changed.'),
  observedGeneration: count('metadata.generation that this was said of.'),
});

const names = (max: number, description: string) =>
  field(z.array(z.string().max(16)).max(max), description, [], { 'x-kubernetes-list-type': 'set' });

const effective = field(
  z.strictObject({
    path: text(128, 'What the stream is called on the wire: <namespace>/<name>.'),
    protocols: names(8, 'What publishers may use.'),
    onDuplicate: text(32, 'What becomes of a second publisher.'),
    idleTimeout: text(32, 'A publisher without media for this long is closed.'),
    srt: field(
      z.strictObject({
        latency: text(32, 'Receiver latency.'),
        encryption: text(16, 'Whether publishers must encrypt.'),
        keyLength: integer(16, 32, 'Bytes of the AES key.'),
        dedicatedPort: integer(1024, 65_535, 'The UDP port of its own.').optional(),
      }),
      'SRT, where it is offered.',
    ).optional(),
    rotationOverlap: text(32, 'How long former keys go on working.'),
    recording: field(
      z.strictObject({
        location: text(512, 'Where the recordings lie.'),
        endpoint: text(253, 'The S3 server; absent: AWS.').optional(),
        credentials: choice(['Pool', 'Secret'], 'Whose credentials are used.'),
        format: text(8, 'Container of the segments.'),
        segmentDuration: text(32, 'Length of the segments.'),
        segmentPattern: text(512, 'Names of the segments where they are not the usual ones.').optional(),
        onFull: text(32, 'What gives way when the spool volume is full.'),
        deletionPolicy: text(16, 'What becomes of the recordings when the LiveStream is deleted.'),
      }),
      'Recording; absent: off.',
    ).optional(),
    playback: names(8, 'How it may be watched.'),
  }),
  'Every setting that is in force, with the defaults that were applied.',
);

/** `status`, written by the operator alone. */
export const LIVE_STREAM_STATUS = field(
  z.strictObject({
    phase: choice(PHASES, 'Summary for people; programs use the conditions.').optional(),
    observedGeneration: count('metadata.generation that this status was made from.').optional(),
    conditions: field(
      z.array(condition).max(16),
      'Accepted, CredentialsReady, Programmed, Live, RecordingHealthy, Ready.',
      [],
      {
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['type'],
      },
    ).optional(),
    effective: effective.optional(),
    endpoints: field(
      z.strictObject({
        rtmp: text(512, 'RTMP server and path, without the key.').optional(),
        rtmps: text(512, 'RTMPS server and path, without the key.').optional(),
        srt: text(512, 'SRT address, without the passphrase.').optional(),
        secret: text(253, 'Secret with the whole URLs and keys.').optional(),
      }),
      'Where to publish to.',
    ).optional(),
    publisher: field(
      z.strictObject({
        pod: text(253, 'Pod that it is connected to.'),
        epoch: count('Orders the publications of this stream.'),
        protocol: text(16, 'How it publishes.'),
        since: time('When it was accepted.'),
        video: text(64, 'Codec and size.').optional(),
        audio: text(64, 'Codec and sample rate.').optional(),
        bitrateBucket: text(16, 'Bit rate, roughly; exact figures are in the metrics.').optional(),
      }),
      'Who publishes; absent: nobody.',
    ).optional(),
    recording: field(
      z.strictObject({
        current: text(64, 'The recording that is being written.').optional(),
        lastSegmentTime: time('When the store last confirmed a segment.').optional(),
        segmentsTotal: count('Segments confirmed by the store.').optional(),
        backlogBytes: count('Bytes that the store has not confirmed yet.').optional(),
        oldestPendingAge: text(32, 'Age of the oldest segment that waits.').optional(),
        gaps: count('Declared gaps in the current recording.').optional(),
      }),
      'How recording goes.',
    ).optional(),
    credentials: field(
      z.strictObject({
        revision: count('Counts the changes of keys.'),
        previousExpiresAt: time('When the former keys end.').optional(),
        previousInUse: flag('Whether the live publisher came with the former key.').optional(),
      }),
      'State of the keys.',
    ).optional(),
    podsProgrammed: text(16, 'Pods that obey the present configuration, of those that are ready: 2/2.').optional(),
  }),
  'What the operator saw.',
);

export type LiveStreamEffective = z.output<typeof effective>;
export type LiveStreamStatus = Omit<z.output<typeof LIVE_STREAM_STATUS>, 'conditions'> & {
  readonly conditions?: readonly Condition[];
};
