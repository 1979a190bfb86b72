import type { DurableMark, RecordingGap } from '../spool/segment-entry.ts';

/** What can be seen of a publication's recording. */
export interface RecordingStatus {
  /**
   * `settling`: tracks are waited for. `opening`: its folder is being made. `armed`: the next keyframe is recorded.
   * `recording`. `waiting`: the disk refuses, or is too slow; tried again. `ending`: files are being closed.
   */
  readonly state: 'settling' | 'opening' | 'armed' | 'recording' | 'waiting' | 'ending';
  /** Id of the recording. */
  readonly recording: string;
  readonly pub: string;
  /** Of the newest segment; 0 before the first. */
  readonly seq: number;
  readonly durable: DurableMark | null;
  /** Media received since the recording began, and where on its timeline the closed segments end; seconds. */
  readonly receivedSeconds: number;
  readonly closedSeconds: number;
  readonly gaps: readonly RecordingGap[];
  /** Why nothing is being recorded, with its code; null while all is well. */
  readonly error: string | null;
  /** Of the segment being written, absolute. */
  readonly file: string | null;
}
