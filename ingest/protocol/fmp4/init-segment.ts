import { Fault } from '../../runtime/fault.ts';
import type { HdrMetadata } from './hdr-boxes.ts';
import type { SegmentDescription } from './segment-description.ts';

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
  /** E-RTMP MultichannelConfig, from the channel order byte on. */
  readonly channelLayout?: Buffer;
  /** HDR metadata of a video track. */
  readonly hdr?: HdrMetadata;
}

/** How the header is written. */
export interface InitOptions {
  /** Parameter sets stand in the samples too (`avc3`, `hev1`, `vvi1` instead of `avc1`, `hvc1`, `vvc1`). */
  readonly inBandParameterSets?: boolean;
}

/** Whether the track's record (and first frame, where needed) says all that the header needs. */
export function isDescribable(track: Mp4Track): boolean {
  throw new Fault('ERR_FMP4_TRACK', `not written yet: ${track.codec}`);
}

/**
 * `ftyp moov` (ISO 14496-12), all timescales 90,000, ending with the description and the header's own CRC-32 (integrity-box.ts).
 * @throws Fault ERR_FMP4_TRACK when a track is not describable.
 */
export function encodeInitSegment(
  tracks: readonly Mp4Track[],
  description: SegmentDescription,
  options: InitOptions = {},
): Buffer {
  throw new Fault('ERR_FMP4_TRACK', `not written yet: ${tracks.length} ${description.seq} ${options}`);
}
