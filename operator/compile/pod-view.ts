import type { PublisherReport, RecordingReport, StreamReport } from '../../crds/pod-status.ts';

/** One pod of the pool, and what it says of one stream. */
export interface PodView {
  readonly name: string;
  /** Its heartbeat is fresh, and it takes new publishers. */
  readonly isReady: boolean;
  /** It has told what it knows: without `stream` it then knows nothing of the stream. */
  readonly hasReported: boolean;
  /** Whether its spool outlives it. */
  readonly spoolPersistent: boolean;
  readonly stream: StreamReport | undefined;
}

/** The live publication and where it is. Of two that both claim to be, the later one. */
export function publisherOf(
  pods: readonly PodView[],
): { readonly pod: string; readonly report: PublisherReport } | undefined {
  let newest: { readonly pod: string; readonly report: PublisherReport } | undefined;
  for (const { name, stream } of pods) {
    const report = stream?.publisher;
    if (report && (newest === undefined || report.epoch > newest.report.epoch)) newest = { pod: name, report };
  }
  return newest;
}

/** What is recorded, or waits for the store: that of the pod with the publication, else of any. */
export function recordingOf(pods: readonly PodView[]): RecordingReport | undefined {
  const owner = publisherOf(pods)?.pod;
  const inOrder = [...pods].sort((a, b) => Number(b.name === owner) - Number(a.name === owner));
  return inOrder.find(({ stream }) => stream?.recording)?.stream?.recording ?? undefined;
}

/** Whether each pod that is ready obeys this revision; false where none is ready. */
export function allObey(pods: readonly PodView[], revision: string): boolean {
  const ready = pods.filter(({ isReady }) => isReady);
  return ready.length > 0 && ready.every(({ stream }) => stream?.revision === revision);
}

/** Whether something is live, being recorded, or waits for the store on any pod. */
export function isBusy(pods: readonly PodView[]): boolean {
  return pods.some(({ stream }) => {
    const { publisher = null, recording = null } = stream ?? {};
    return publisher !== null || (recording !== null && (recording.current !== null || recording.backlogBytes > 0));
  });
}
