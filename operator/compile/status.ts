import { formatDuration } from '../../crds/duration.ts';
import type { LiveStreamStatus, PHASES } from '../../crds/live-stream-status.ts';
import { publishSecretName } from '../../crds/names.ts';
import { type ConditionsView, conditionsOf, observedGenerationOf, programmedPods } from './conditions.ts';
import { publisherOf, recordingOf } from './pod-view.ts';
import type { PublishUrls } from './publish-address.ts';
import type { StreamRecord } from './stream-config-secret.ts';

/** What the status of one stream is made from. */
export interface StatusView extends ConditionsView {
  /** Without keys. */
  readonly urls: PublishUrls;
}

type Phase = (typeof PHASES)[number];

/** The whole status of one stream. What no pod can tell any more of a recording is kept from the status before. */
export function statusOf(view: StatusView): LiveStreamStatus {
  const { stream, compiled, record, pods, urls } = view;
  const conditions = conditionsOf(view);
  const { config } = record ?? {};
  const publisher = publisherOf(pods);
  const recording = recordingStatus(view);
  return {
    phase: phaseOf(view, conditions.find(({ type }) => type === 'Programmed')?.status === 'True'),
    observedGeneration: observedGenerationOf(view),
    conditions,
    ...(compiled.effective && { effective: compiled.effective }),
    ...(config && {
      endpoints: {
        ...(urls.rtmp !== '' && { rtmp: urls.rtmp }),
        ...(urls.rtmps !== '' && { rtmps: urls.rtmps }),
        ...(urls.srt !== '' && { srt: urls.srt }),
        secret: publishSecretName(stream.metadata.name),
      },
    }),
    ...(publisher && {
      publisher: {
        pod: publisher.pod,
        epoch: publisher.report.epoch,
        protocol: publisher.report.protocol,
        since: publisher.report.since,
        ...(publisher.report.video !== null && { video: publisher.report.video }),
        ...(publisher.report.audio !== null && { audio: publisher.report.audio }),
        bitrateBucket: bitrateBucket(publisher.report.bitsPerSecond),
      },
    }),
    ...(recording && { recording }),
    ...(config && {
      credentials: {
        revision: config.credentials.revision,
        ...(config.credentials.previous && {
          previousExpiresAt: config.credentials.previous.expiresAt,
          previousInUse: publisher?.report.usesPreviousKey ?? false,
        }),
      },
    }),
    ...(record && { podsProgrammed: podsProgrammed(view, record) }),
  };
}

function podsProgrammed({ stream, pods, isResting }: StatusView, record: StreamRecord): string {
  return (isResting ? stream.status?.podsProgrammed : undefined) ?? programmedPods(pods, record).join('/');
}

function phaseOf({ stream, pods }: StatusView, isProgrammed: boolean): Phase {
  if (stream.metadata.deletionTimestamp !== undefined) return 'Terminating';
  if (publisherOf(pods) !== undefined) return 'Live';
  if (stream.spec.suspend === true) return 'Suspended';
  return isProgrammed ? 'Idle' : 'Pending';
}

function recordingStatus({ stream, pods }: StatusView): LiveStreamStatus['recording'] {
  const before = stream.status?.recording;
  const now = recordingOf(pods);
  if (now === undefined) {
    if (before === undefined) return undefined;
    const { current: _, oldestPendingAge: __, ...kept } = before;
    // Only pods that can be asked say that nothing waits.
    return pods.some(({ hasReported }) => hasReported) ? { ...kept, backlogBytes: 0 } : before;
  }
  return {
    ...(now.current !== null && { current: now.current }),
    ...(now.lastSegmentTime !== null && { lastSegmentTime: now.lastSegmentTime }),
    segmentsTotal: now.segmentsTotal,
    backlogBytes: now.backlogBytes,
    ...(now.oldestPendingAgeMs !== null && { oldestPendingAge: roundedAge(now.oldestPendingAgeMs) }),
    gaps: now.gaps,
  };
}

const TEN_SECONDS = 10_000;
const roundedAge = (ms: number): string => formatDuration(Math.round(ms / TEN_SECONDS) * TEN_SECONDS);

const MEGABIT = 1_000_000;
/** Upper bounds in Mbit/s. Exact figures are in the metrics: a status that follows each second's rate is a write each second. */
const BUCKETS: readonly (readonly [below: number, name: string])[] = [
  [1, '<1M'],
  [2.5, '1-2.5M'],
  [5, '2.5-5M'],
  [10, '5-10M'],
];

/** A bit rate, roughly. */
export function bitrateBucket(bitsPerSecond: number): string {
  return BUCKETS.find(([below]) => bitsPerSecond < below * MEGABIT)?.[1] ?? '>10M';
}

/** What is left when those facts are taken out that change all the time: two statuses that agree in it differ in nothing urgent. */
export function urgentPart(status: LiveStreamStatus | undefined): unknown {
  if (status === undefined) return undefined;
  const { publisher, recording, conditions, ...rest } = status;
  const { bitrateBucket: _, ...identity } = publisher ?? {};
  return {
    ...rest,
    publisher: publisher && identity,
    recording: recording && { current: recording.current, isDrained: !publisher && recording.backlogBytes === 0 },
    // The sentence may hold figures; what matters is what it says, not how much.
    conditions: conditions?.map(({ message: _, ...condition }) => condition),
  };
}
