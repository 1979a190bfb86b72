import { z } from 'zod';
import { ON_DUPLICATE, PLAYBACK_PROTOCOLS, PROTOCOLS, SRT_ENCRYPTION } from './live-stream.ts';

const short = z.string().max(512);

/** Credentials of an S3 store. */
const storeCredentials = z.object({ accessKeyId: short, secretAccessKey: short });

/** A place that recordings go to, with what is needed to write there. */
export const RECORDING_STORE = z.object({
  /** `s3://bucket/prefix` (or `file:///dir` without Kubernetes); keys go on with `<path>/`. */
  url: z.string().max(1024),
  /** Null: AWS. */
  endpoint: short.nullable(),
  region: short.nullable(),
  forcePathStyle: z.boolean().nullable(),
  /** Null: the pod's own. */
  credentials: storeCredentials.nullable(),
});

const keys = z.object({
  /** Counts the changes of keys; a session is marked with that of the key it came with. */
  revision: z.int().min(0),
  /** Empty: RTMP is not offered. */
  rtmpKey: short,
  /** Empty: SRT is not offered. */
  srtPassphrase: short,
});

const streamCredentials = keys.extend({
  /** `expiresAt`: RFC 3339. A session that began before it stays. */
  previous: keys.extend({ expiresAt: z.string().max(64) }).nullable(),
  /** Sessions that came with a key of a lower revision are closed at once: their key was revoked. */
  revokedBelow: z.int().min(0),
});

/** What an ingest pod obeys for one stream. The document in a Secret `s-<uid>`; a pod refuses one that it cannot read. */
export const STREAM_CONFIG = z.object({
  version: z.literal(1),
  /** Of the LiveStream; empty without Kubernetes. */
  uid: z.string().max(64),
  /** `<namespace>/<name>`. */
  path: z.string().max(256),
  /** Hash of everything else: pods report which one they obey. */
  revision: z.string().max(64),
  state: z.enum(['active', 'suspended', 'deleting']),
  protocols: z.array(z.enum(PROTOCOLS)).max(8),
  onDuplicate: z.enum(ON_DUPLICATE),
  idleTimeoutMs: z.int().min(0),
  credentials: streamCredentials,
  srt: z.object({
    latencyMs: z.int().min(0),
    encryption: z.enum(SRT_ENCRYPTION),
    keyLength: z.literal([16, 24, 32]),
    dedicatedPort: z.int().min(1).max(65_535).nullable(),
  }),
  /** Null: not recorded. */
  recording: z
    .object({
      store: RECORDING_STORE,
      format: z.enum(['fmp4', 'flv']),
      segmentDurationMs: z.int().min(0),
      segmentPattern: short.nullable(),
      onFull: z.enum(['DropOldest', 'StopRecording']),
    })
    .nullable(),
  playback: z.object({ protocols: z.array(z.enum(PLAYBACK_PROTOCOLS)).max(8) }),
});

type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T;

export type StreamConfig = DeepReadonly<z.output<typeof STREAM_CONFIG>>;
export type StreamCredentials = StreamConfig['credentials'];
export type RecordingStore = DeepReadonly<z.output<typeof RECORDING_STORE>>;
export type StoreCredentials = DeepReadonly<z.output<typeof storeCredentials>>;
