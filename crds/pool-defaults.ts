import { z } from 'zod';
import { durationMs } from './duration.ts';
import { ON_DUPLICATE, PLAYBACK_PROTOCOLS, PROTOCOLS, SRT_ENCRYPTION } from './live-stream.ts';

const milliseconds = (fallback: string) =>
  z
    .string()
    .default(fallback)
    .transform((value, context): number => {
      const ms = durationMs(value);
      if (ms !== undefined) return ms;
      context.addIssue({ code: 'custom', message: 'must be a duration (examples: 10s, 500ms, 24h)' });
      return z.NEVER;
    });

/**
 * What a pool gives to streams that do not say otherwise, and what it lets them do. The chart's values make it, as the key
 * `pool` of the operator's configuration file.
 */
export const POOL_DEFAULTS = z.strictObject({
  name: z.string().max(63).default('default'),
  /** Names of namespaces; `*` stands for any characters. */
  allowedNamespaces: z.array(z.string().max(63)).max(1000).default(['*']),
  /** 0: no limit. */
  maxStreamsPerNamespace: z.int().min(0).default(0),
  /** S3 servers other than the pool's own that streams may record to; `*` stands for any characters but a slash. */
  allowedStoreEndpoints: z.array(z.string().max(253)).max(100).default([]),
  protocols: z.array(z.enum(PROTOCOLS)).default(['RTMP', 'SRT']),
  onDuplicate: z.enum(ON_DUPLICATE).default('RejectUnlessStale'),
  idleTimeout: milliseconds('10s'),
  srt: z
    .strictObject({
      latency: milliseconds('120ms'),
      encryption: z.enum(SRT_ENCRYPTION).default('Required'),
      keyLength: z.literal([16, 24, 32]).default(32),
      /** UDP ports for encoders without a stream id; null: none. */
      dedicatedPorts: z
        .strictObject({ from: z.int().min(1024), to: z.int().max(65_535) })
        .nullable()
        .default(null),
    })
    .prefault({}),
  rotation: z.strictObject({ overlap: milliseconds('24h') }).prefault({}),
  /** The pool's own store; null: streams must bring theirs. */
  store: z
    .strictObject({
      url: z.string().max(1024),
      endpoint: z.string().max(253).nullable().default(null),
      region: z.string().max(64).nullable().default(null),
      forcePathStyle: z.boolean().nullable().default(null),
    })
    .nullable()
    .default(null),
  recording: z
    .strictObject({
      format: z.enum(['fmp4', 'flv']).default('fmp4'),
      segmentDuration: milliseconds('6s'),
      segmentPattern: z.string().max(512).nullable().default(null),
      onFull: z.enum(['DropOldest', 'StopRecording']).default('DropOldest'),
    })
    .prefault({}),
  playback: z
    .strictObject({ protocols: z.array(z.enum(PLAYBACK_PROTOCOLS)).default(['RTMP', 'SRT', 'HTTPFLV']) })
    .prefault({}),
});

export type PoolDefaults = z.output<typeof POOL_DEFAULTS>;
