import { z } from 'zod';

/** Paths of a pod's internal port that the operator asks, signed with the relay key (`internal-request.ts`). */
export const INTERNAL_PATHS = {
  /** One `POD_REPORT` of kind `all`. */
  status: '/internal/v1/status',
  /** Lines of JSON, a `POD_REPORT` each: `all` first, then `changes`, transitions at once, the rest every 10 s, even if empty. */
  events: '/internal/v1/events',
  /** `{"done": [uid, …]}`: tombstones whose recordings are gone. */
  tombstones: '/internal/v1/tombstones',
} as const;

/** A pod says something at least this often: an operator that hears nothing for three times as long connects again. */
export const SUMMARY_INTERVAL_MS = 10_000;

/** One line of a pod's report, at most. */
export const REPORT_LINE_BYTES = 8 * 1024 * 1024;

const time = z.string().max(64);
const count = z.int().min(0);

const publisher = z.object({
  pub: z.string().max(64),
  epoch: count,
  protocol: z.enum(['RTMP', 'RTMPS', 'SRT']),
  since: time,
  /** `h264 1920x1080`; null: none, or not known yet. */
  video: z.string().max(64).nullable(),
  /** `aac 48000`. */
  audio: z.string().max(64).nullable(),
  bitsPerSecond: count,
  /** `credentials.revision` of the key it came with. */
  credentialsRevision: count,
  usesPreviousKey: z.boolean(),
});

const recording = z.object({
  current: z.string().max(64).nullable(),
  lastSegmentTime: time.nullable(),
  segmentsTotal: count,
  backlogBytes: count,
  oldestPendingAgeMs: count.nullable(),
  gaps: count,
  /** What is wrong, as a reason of the condition RecordingHealthy and a sentence; null: nothing. */
  problem: z
    .object({
      reason: z.enum(['Backlogged', 'StoreUnreachable', 'SpoolFull', 'Failed']),
      message: z.string().max(1024),
    })
    .nullable(),
});

const streamReport = z.object({
  uid: z.string().max(64),
  path: z.string().max(256),
  /** Revision of the StreamConfig that is obeyed; null: none. */
  revision: z.string().max(64).nullable(),
  /** Why a StreamConfig newer than `revision`, or a part of that one (its port), is not obeyed; null: all of the newest seen is. */
  refusal: z.string().max(1024).nullable(),
  publisher: publisher.nullable(),
  /** Null: nothing is or was recorded that is not wholly in the store. */
  recording: recording.nullable(),
});

/** What the operator reads from one pod. */
export const POD_REPORT = z.object({
  kind: z.enum(['all', 'changes']),
  pod: z.string().max(253),
  /** RFC 3339, by the pod's clock. */
  at: time,
  draining: z.boolean(),
  /** Whether the spool outlives the pod. */
  spoolPersistent: z.boolean(),
  /** All streams that the pod has a configuration or a backlog for, or those that changed. */
  streams: z.array(streamReport).max(20_000),
  /** Uids that the pod no longer knows anything of. */
  gone: z.array(z.string().max(64)).max(20_000),
  /** Uids of tombstones whose recordings are gone; repeated until the Secret is. */
  finishedTombstones: z.array(z.string().max(64)).max(20_000),
});

export type PodReport = Readonly<z.output<typeof POD_REPORT>>;
export type StreamReport = Readonly<z.output<typeof streamReport>>;
export type PublisherReport = Readonly<z.output<typeof publisher>>;
export type RecordingReport = Readonly<z.output<typeof recording>>;
