import type { StreamConfig } from '../../crds/stream-config.ts';

/** A StreamConfig with what a test cares about; the rest is what a pool gives. */
export function streamConfig(of: Partial<StreamConfig> & Pick<StreamConfig, 'path' | 'uid'>): StreamConfig {
  return {
    version: 1,
    revision: 'r1',
    state: 'active',
    protocols: ['RTMP', 'RTMPS'],
    onDuplicate: 'RejectUnlessStale',
    idleTimeoutMs: 10_000,
    credentials: { revision: 1, rtmpKey: 'key-of-the-test', srtPassphrase: '', previous: null, revokedBelow: 0 },
    srt: { latencyMs: 120, encryption: 'Required', keyLength: 32, dedicatedPort: null },
    recording: null,
    playback: { protocols: ['RTMP', 'HTTPFLV'] },
    ...of,
  };
}
