import type { Config } from '../config/schema.ts';
import type { PublicationInfo } from '../media/publication.ts';
import type { Log } from '../runtime/log.ts';
import type { Meter } from '../runtime/meter.ts';
import { recordingId } from '../spool/layout.ts';
import type { PublicationHeader, RecordingFacts } from '../spool/segment-entry.ts';
import type { NameSource } from '../spool/segment-names.ts';
import type { Spool } from '../spool/spool.ts';
import type { TrackSet } from './track-set.ts';

/** How one path is recorded. */
export interface RecordingPolicy {
  readonly facts: RecordingFacts;
  readonly settings: Config['record'];
}

/** What recordings are made with. */
export interface RecordingTools extends RecordingPolicy {
  readonly spool: Spool;
  readonly names: NameSource;
  readonly log: Log;
  readonly meter: Meter;
  /** Wall clock in ms. */
  nowMs(): number;
  /** The clock of `arrivedAt` in ms. */
  monotonicMs(): number;
}

/** The container of a publication: the one that is set, but FLV where a codec has no MP4 mapping. */
export function formatOf(tracks: TrackSet, settings: Config['record'], log: Log): PublicationHeader['format'] {
  if (settings.format === 'fmp4' && tracks.hasUnknownCodec) {
    log.warn({ format: 'flv' }, 'recorded as FLV: a codec has no MP4 mapping');
    return 'flv';
  }
  return settings.format;
}

/** The first line of a publication's journal. */
export function headerOf(
  info: PublicationInfo,
  format: PublicationHeader['format'],
  { facts, settings }: RecordingPolicy,
): PublicationHeader {
  return {
    version: 1,
    path: info.path,
    ...facts,
    recording: recordingId(info.startedAt, info.epoch),
    epoch: info.epoch,
    pub: info.pub,
    format,
    startedAt: info.startedAt.toISOString(),
    segmentDuration: settings.segmentDuration,
    timeline: format === 'flv' ? 'file' : settings.segmentTimeline,
  };
}
