import { TICKS_PER_SECOND } from './media/media-event.ts';
import type { RecordingStatus } from './record/recording-status.ts';
import type { QueuedPublication } from './spool/spool-queue.ts';

/**
 * Media of a publication that a lost disk would cost: what waits for the store, and what was received since the newest segment was
 * closed. `live`: how the path is recorded now.
 */
export function secondsAtRisk(
  { header, ended, pending }: Pick<QueuedPublication, 'header' | 'ended' | 'pending'>,
  live: Pick<RecordingStatus, 'pub' | 'receivedSeconds' | 'closedSeconds'> | undefined,
): number {
  const waiting = pending.reduce((sum, { entry }) => sum + entry.duration, 0) / TICKS_PER_SECOND;
  if (live === undefined || live.pub !== header.pub || ended !== undefined) return waiting;
  return waiting + Math.max(0, live.receivedSeconds - live.closedSeconds);
}
