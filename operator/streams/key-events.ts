import type { EventNote } from '../../kube/event-recorder.ts';
import type { StreamRecord } from '../compile/stream-config-secret.ts';
import type { KeyStep } from '../credentials/rotation.ts';

/** What people should hear of a change of keys. */
export function keyEvent(step: KeyStep, { config }: StreamRecord): EventNote | undefined {
  const { revision, previous } = config.credentials;
  switch (step) {
    case 'rotated': {
      const until =
        previous === null ? 'The former ones have ended' : `The former ones work until ${previous.expiresAt}`;
      return { type: 'Normal', reason: 'KeysRotated', message: `Keys of revision ${revision} were made. ${until}.` };
    }
    case 'shown-late':
      return {
        type: 'Warning',
        reason: 'PodsNotWaitedFor',
        message: `Keys of revision ${revision} are shown, though not every pod has reported that it knows them.`,
      };
    case 'revoked':
      return {
        type: 'Normal',
        reason: 'KeysRevoked',
        message: `Keys before revision ${revision} have ended, and the sessions that came with them.`,
      };
    case 'overlap-ended':
      return {
        type: 'Normal',
        reason: 'OverlapEnded',
        message: `Keys before revision ${revision} have ended. Who is live stays.`,
      };
    case 'made':
    case 'shown':
      return undefined; // the status says so
  }
}
