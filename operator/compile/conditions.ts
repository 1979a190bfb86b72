import type { Compiled } from '../../crds/compile.ts';
import { type Condition, type ConditionType, MESSAGE_LENGTH, type ReasonOf } from '../../crds/conditions.ts';
import type { StoredStream } from './manifest.ts';
import { type PodView, publisherOf, recordingOf } from './pod-view.ts';
import type { StreamRecord } from './stream-config-secret.ts';

/** What the conditions of one stream are made from. */
export interface ConditionsView {
  readonly stream: StoredStream;
  /** The generation that `compiled` was made of: `stream` may be a newer one that was not looked at yet. */
  readonly generation: number;
  readonly compiled: Compiled;
  readonly keys: { readonly isReady: boolean; readonly reason: ReasonOf<'CredentialsReady'>; readonly message: string };
  /** What is in force. */
  readonly record: StreamRecord | undefined;
  /** All pods of the pool. */
  readonly pods: readonly PodView[];
  /** No pod is ready, but one was a moment ago: what was said of a stream that is not live then still holds. */
  readonly isResting: boolean;
  /** RFC 3339. */
  readonly now: string;
}

interface Verdict<T extends ConditionType> {
  readonly status: Condition['status'];
  readonly reason: ReasonOf<T>;
  readonly message: string;
}

/** All six, in their order. `lastTransitionTime` is kept where the status is. */
export function conditionsOf(view: ConditionsView): Condition[] {
  const accepted = acceptedOf(view);
  const credentials = credentialsOf(view);
  const programmed = rested(view, 'Programmed', programmedOf(view));
  const recording = rested(view, 'RecordingHealthy', recordingHealthOf(view));
  const ready = readyOf(view, { accepted, credentials, programmed, recording });
  const verdicts: { readonly [T in ConditionType]: Verdict<T> } = {
    Accepted: accepted,
    CredentialsReady: credentials,
    Programmed: programmed,
    Live: rested(view, 'Live', liveOf(view)),
    RecordingHealthy: recording,
    Ready: ready,
  };
  const { status } = view.stream;
  const observedGeneration = observedGenerationOf(view);
  return Object.entries(verdicts).map(([type, { status: is, reason, message }]) => {
    const before = status?.conditions?.find((condition) => condition.type === type);
    return {
      type: type as ConditionType,
      status: is,
      reason,
      message: message.slice(0, MESSAGE_LENGTH),
      lastTransitionTime: before?.status === is ? before.lastTransitionTime : view.now,
      observedGeneration,
    };
  });
}

/** The generation that is spoken of. That an object is to be deleted is read off itself. */
export function observedGenerationOf({ stream: { metadata }, generation }: ConditionsView): number {
  return metadata.deletionTimestamp === undefined ? generation : (metadata.generation ?? 0);
}

/** While the pool restarts, a pod that cannot be asked is no news: a thousand statuses would change and change back. */
function rested<T extends ConditionType>(
  { stream, isResting }: ConditionsView,
  type: T,
  verdict: Verdict<T>,
): Verdict<T> {
  const before = stream.status?.conditions?.find((condition) => condition.type === type);
  const isUnknown = verdict.status === 'Unknown' || verdict.reason === 'NoReadyPods';
  if (!isResting || !isUnknown || before === undefined || (type === 'Live' && before.status === 'True')) return verdict;
  return { status: before.status, reason: before.reason as ReasonOf<T>, message: before.message };
}

function acceptedOf({ compiled }: ConditionsView): Verdict<'Accepted'> {
  const [first] = compiled.problems;
  if (first === undefined) return { status: 'True', reason: 'Accepted', message: 'It can be served as it is written.' };
  const message = compiled.problems.map((problem) => problem.message).join(' ');
  return { status: 'False', reason: first.reason, message };
}

function credentialsOf({ keys: { isReady, reason, message } }: ConditionsView): Verdict<'CredentialsReady'> {
  return { status: isReady ? 'True' : 'False', reason, message };
}

function programmedOf({ compiled, record, pods }: ConditionsView): Verdict<'Programmed'> {
  if (compiled.config === undefined || record === undefined) {
    const message = record === undefined ? 'Nothing is in force.' : 'What was in force before stays in force.';
    return { status: 'False', reason: 'NotAccepted', message };
  }
  const refusing = pods.find(({ isReady, stream }) => isReady && stream?.refusal != null);
  if (refusing !== undefined) {
    return { status: 'False', reason: 'RejectedByPod', message: `${refusing.name}: ${refusing.stream!.refusal}` };
  }
  const [have, ready] = programmedPods(pods, record);
  if (ready === 0) return { status: 'False', reason: 'NoReadyPods', message: 'The pool has no pod that is ready.' };
  if (have < ready) {
    return {
      status: 'False',
      reason: 'Pending',
      message: 'Not all ready pods have reported the present configuration.',
    };
  }
  return { status: 'True', reason: 'Programmed', message: 'All ready pods obey the present configuration.' };
}

/** How many ready pods obey `record`, and how many there are. */
export function programmedPods(pods: readonly PodView[], record: StreamRecord): readonly [have: number, ready: number] {
  const ready = pods.filter(({ isReady }) => isReady);
  return [ready.filter(({ stream }) => stream?.revision === record.config.revision).length, ready.length];
}

function liveOf({ stream, pods }: ConditionsView): Verdict<'Live'> {
  const publisher = publisherOf(pods);
  if (publisher !== undefined) {
    return {
      status: 'True',
      reason: 'Publishing',
      message: `By ${publisher.report.protocol}, on ${publisher.pod}.`,
    };
  }
  if (!pods.some(({ hasReported }) => hasReported)) {
    return { status: 'Unknown', reason: 'Unknown', message: 'No pod of the pool can be asked.' };
  }
  if (stream.spec.suspend === true) {
    return { status: 'False', reason: 'Suspended', message: 'spec.suspend is set: nobody may publish.' };
  }
  return { status: 'False', reason: 'NoPublisher', message: 'Nobody publishes.' };
}

function recordingHealthOf({ stream, pods }: ConditionsView): Verdict<'RecordingHealthy'> {
  const problem = pods.find(({ stream: report }) => report?.recording?.problem != null)?.stream?.recording?.problem;
  if (problem != null) return { status: 'False', reason: problem.reason, message: problem.message };
  if (stream.spec.recording?.enabled !== true) {
    return { status: 'True', reason: 'RecordingOff', message: 'Recording is not asked for.' };
  }
  const reported = pods.filter(({ hasReported }) => hasReported);
  if (reported.length === 0) {
    return { status: 'Unknown', reason: 'Unknown', message: 'No pod of the pool can be asked.' };
  }
  if (reported.some(({ spoolPersistent }) => !spoolPersistent)) {
    return {
      status: 'True',
      reason: 'SpoolNotPersistent',
      message: 'The pool has no spool volume: a lost pod costs what was not uploaded.',
    };
  }
  const message = recordingOf(pods) === undefined ? 'Nothing waits for the store.' : 'What is published is recorded.';
  return { status: 'True', reason: 'Healthy', message };
}

function readyOf(
  { stream }: ConditionsView,
  parts: {
    readonly accepted: Verdict<'Accepted'>;
    readonly credentials: Verdict<'CredentialsReady'>;
    readonly programmed: Verdict<'Programmed'>;
    readonly recording: Verdict<'RecordingHealthy'>;
  },
): Verdict<'Ready'> {
  const no = (reason: ReasonOf<'Ready'>, message: string): Verdict<'Ready'> => ({ status: 'False', reason, message });
  const { accepted, credentials, programmed, recording } = parts;
  if (stream.metadata.deletionTimestamp !== undefined) return no('Terminating', 'It is being deleted.');
  if (accepted.status !== 'True') return no('NotAccepted', accepted.message);
  if (credentials.status !== 'True') return no('CredentialsNotReady', credentials.message);
  if (programmed.status !== 'True') return no('NotProgrammed', programmed.message);
  if (stream.spec.suspend === true) return no('Suspended', 'spec.suspend is set: nobody may publish.');
  if (recording.status === 'False') return no('RecordingUnhealthy', recording.message);
  if (recording.status === 'Unknown')
    return { status: 'Unknown', reason: 'RecordingUnhealthy', message: recording.message };
  return { status: 'True', reason: 'Ready', message: 'Publishing works.' };
}
