import type { StreamReport } from '../../crds/pod-status.ts';
import { POOL_DEFAULTS, type PoolDefaults } from '../../crds/pool-defaults.ts';
import type { StreamConfig } from '../../crds/stream-config.ts';
import type { StoredStream } from '../../operator/compile/manifest.ts';
import type { PodView } from '../../operator/compile/pod-view.ts';
import type { StreamRecord } from '../../operator/compile/stream-config-secret.ts';
import { streamConfig } from './stream-config.ts';

/** A pool as it is without settings, or with `given` ones. */
export const poolOf = (given: object = {}): PoolDefaults => POOL_DEFAULTS.parse(given);

type Part<T> = { readonly [K in keyof T]?: unknown };

/** LiveStream team-a/cam-1 as the API server gives it. */
export function storedStream(
  spec: object = {},
  metadata: Part<StoredStream['metadata']> = {},
  status?: StoredStream['status'],
): StoredStream {
  const stream = {
    apiVersion: 'headwater.dev/v1alpha1',
    kind: 'LiveStream',
    metadata: {
      ...{ name: 'cam-1', namespace: 'team-a', uid: 'uid-1', generation: 1, resourceVersion: '10' },
      creationTimestamp: '2026-11-01T10:00:00Z',
      ...metadata,
    },
    spec: { pool: 'default', ...spec },
    ...(status && { status }),
  };
  return stream as StoredStream;
}

/** What is in force for it. */
export function streamRecord(config: Partial<StreamConfig> = {}, rest: Partial<StreamRecord> = {}): StreamRecord {
  return {
    config: streamConfig({ uid: 'uid-1', path: 'team-a/cam-1', revision: 'rev-1', ...config }),
    keys: { generation: 0, source: '', shown: 1, since: '2026-11-01T10:00:00.000Z' },
    deletionPolicy: 'Retain',
    formerStores: [],
    ...rest,
  };
}

/** What a pod says of it: it obeys, and nothing goes on. */
export function streamReport(report: Partial<StreamReport> = {}): StreamReport {
  return {
    ...{ uid: 'uid-1', path: 'team-a/cam-1', revision: 'rev-1', refusal: null, publisher: null, recording: null },
    ...report,
  };
}

export const PUBLISHER: NonNullable<StreamReport['publisher']> = {
  ...{ pub: 'abcdefgh', epoch: 7, protocol: 'RTMP', since: '2026-11-01T10:05:00Z' },
  ...{ video: 'h264 1280x720', audio: 'aac 48000', bitsPerSecond: 3_000_000 },
  ...{ credentialsRevision: 1, usesPreviousKey: false },
};

export const RECORDING: NonNullable<StreamReport['recording']> = {
  ...{ current: '20261101T100500Z-7', lastSegmentTime: '2026-11-01T10:05:30Z', segmentsTotal: 5 },
  ...{ backlogBytes: 1000, oldestPendingAgeMs: 14_000, gaps: 0, problem: null },
};

/** A pod that is ready and obeys. */
export function podView(stream: Partial<StreamReport> | undefined = {}, rest: Partial<PodView> = {}): PodView {
  return {
    ...{ name: 'ingest-0', isReady: true, hasReported: true, spoolPersistent: true },
    stream: stream && streamReport(stream),
    ...rest,
  };
}

/** Of a StreamConfig: it is recorded to the pool's store. */
export const RECORDED: Pick<StreamConfig, 'recording'> = {
  recording: {
    store: { url: 's3://pool/live', endpoint: null, region: null, forcePathStyle: null, credentials: null },
    format: 'fmp4',
    segmentDurationMs: 6000,
    segmentPattern: null,
    onFull: 'DropOldest',
  },
};
