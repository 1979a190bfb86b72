import type { Condition } from '../../crds/conditions.ts';
import type { LiveStreamStatus } from '../../crds/live-stream-status.ts';
import type { EventNote } from '../../kube/event-recorder.ts';

/** What people should hear of a change from one status to the next: faults when they come, and publishers that come and go. */
export function eventsBetween(before: LiveStreamStatus | undefined, after: LiveStreamStatus): EventNote[] {
  return (after.conditions ?? []).flatMap((condition) => {
    const former = before?.conditions?.find(({ type }) => type === condition.type);
    if (former?.status === condition.status && former.reason === condition.reason) return [];
    const note = noteOf(condition, former);
    return note === undefined ? [] : [note];
  });
}

function noteOf(condition: Condition, former: Condition | undefined): EventNote | undefined {
  const { type, status, reason, message } = condition;
  switch (type) {
    case 'Accepted':
    case 'CredentialsReady':
      return status === 'False' ? { type: 'Warning', reason, message } : undefined;
    case 'RecordingHealthy':
      if (status === 'False') return { type: 'Warning', reason, message };
      return former?.status === 'False' && status === 'True'
        ? { type: 'Normal', reason: 'RecordingRecovered', message }
        : undefined;
    case 'Programmed':
      return reason === 'RejectedByPod' ? { type: 'Warning', reason, message } : undefined;
    case 'Live':
      if (status === 'True') return { type: 'Normal', reason: 'PublisherConnected', message };
      return former?.status === 'True' ? { type: 'Normal', reason: 'PublisherGone', message } : undefined;
    case 'Ready':
      return undefined; // one of the others has said why
  }
}
