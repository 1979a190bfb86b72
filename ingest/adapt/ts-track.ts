import type { PesUnit } from '../protocol/mpegts/pes.ts';
import type { TrackOutput } from './track-output.ts';

/** One elementary stream on its way to a track. */
export interface TsTrack {
  readonly output: TrackOutput;
  onUnit(unit: PesUnit): void;
  /** Data is missing after the last unit; `partial` is the first that is incomplete, where it is known. */
  onDamage(partial: PesUnit | undefined): void;
}
