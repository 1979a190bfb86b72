import type { HdrMetadata } from './hdr-metadata.ts';
import type { SampleEntry } from './sample-entry.ts';

/** The codecs with an ISO-BMFF mapping here. */
export type Mp4Codec =
  | 'h264'
  | 'h265'
  | 'h266'
  | 'av1'
  | 'vp9'
  | 'vp8'
  | 'aac'
  | 'opus'
  | 'flac'
  | 'ac3'
  | 'eac3'
  | 'mp3';

/** A track of the file. */
export interface Mp4Track {
  /** `track_ID`, from 1. */
  readonly id: number;
  readonly codec: Mp4Codec;
  /** The codec's configuration record as in `ConfigEvent.record`; empty where the codec has none. */
  readonly record: Buffer;
  /** Data of the track's first key frame. VP8, VP9, AC-3, E-AC-3, MP3 and AV1 with an empty record cannot be described without it. */
  readonly firstFrame?: Buffer;
  /** HDR metadata of a video track. */
  readonly hdr?: HdrMetadata;
}

/** Whether the track's record (and first frame, where needed) says all that the header needs. */
export function isDescribable(track: Mp4Track): boolean {
  return describeTrack(track, false) !== undefined;
}

/** The sample entry of a track; undefined where its record or first frame does not say enough. */
export function describeTrack(track: Mp4Track, inBandParameterSets: boolean): SampleEntry | undefined {
  return inBandParameterSets && track.id < 0 ? undefined : undefined;
}
