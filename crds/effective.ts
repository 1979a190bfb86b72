import { durationMs, formatDuration } from './duration.ts';
import type { LiveStream } from './live-stream.ts';
import type { LiveStreamEffective } from './live-stream-status.ts';
import type { PoolDefaults } from './pool-defaults.ts';
import type { StreamConfig } from './stream-config.ts';

/** How long former keys of a stream go on working, in ms. */
export const overlapMsOf = ({ spec }: LiveStream, pool: PoolDefaults): number =>
  durationMs(spec.credentials?.rotation?.overlap ?? '') ?? pool.rotation.overlap;

/** `status.effective`: all that is in force, without secrets. */
export function effectiveOf(config: StreamConfig, stream: LiveStream, pool: PoolDefaults): LiveStreamEffective {
  const { srt, recording } = config;
  return {
    path: config.path,
    protocols: [...config.protocols],
    onDuplicate: config.onDuplicate,
    idleTimeout: formatDuration(config.idleTimeoutMs),
    ...(config.protocols.includes('SRT') && {
      srt: {
        latency: formatDuration(srt.latencyMs),
        encryption: srt.encryption,
        keyLength: srt.keyLength,
        ...(srt.dedicatedPort !== null && { dedicatedPort: srt.dedicatedPort }),
      },
    }),
    rotationOverlap: formatDuration(overlapMsOf(stream, pool)),
    ...(recording !== null && {
      recording: {
        location: `${recording.store.url.replace(/\/$/, '')}/${config.path}/`,
        ...(recording.store.endpoint !== null && { endpoint: recording.store.endpoint }),
        credentials: recording.store.credentials === null ? 'Pool' : 'Secret',
        format: recording.format,
        segmentDuration: formatDuration(recording.segmentDurationMs),
        ...(recording.segmentPattern !== null && { segmentPattern: recording.segmentPattern }),
        onFull: recording.onFull,
        deletionPolicy: stream.spec.recording?.deletionPolicy ?? 'Retain',
      },
    }),
    playback: [...config.playback.protocols],
  };
}
