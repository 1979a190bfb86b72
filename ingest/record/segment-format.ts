import type { ConfigEvent, FrameEvent, Track, TrackMetadataEvent } from '../media/media-event.ts';
import type { FragmentReach } from '../protocol/fmp4/integrity-box.ts';
import type { SegmentDescription } from '../protocol/fmp4/segment-description.ts';
import type { Patch } from '../spool/flv-patch.ts';

/** A track as a segment describes it, fixed when the segment begins. */
export interface SegmentTrack {
  readonly config: ConfigEvent;
  /** Data of its first keyframe: some codecs can't be described without one. */
  readonly firstFrame: Buffer | undefined;
  readonly metadata: TrackMetadataEvent | undefined;
}

/** A frame on its way into a file. Times are 90 kHz ticks. */
export interface RecordedFrame {
  readonly event: FrameEvent;
  /** On the file's own time. */
  readonly dts: number;
  /** To the track's next frame. */
  readonly duration: number;
  /** Parameter sets to put in front of the data. */
  readonly prefix: Buffer | undefined;
}

/** A timed message on its way into a file. */
export interface RecordedMessage {
  readonly dts: number;
  readonly data: Buffer;
}

/** What a segment begins with. */
export interface SegmentStart {
  readonly bytes: Buffer;
  readonly crc: number;
}

/** A fragment as one writev. */
export interface FragmentBytes {
  readonly buffers: readonly Buffer[];
  readonly bytes: number;
  /** First DTS and end of the last frame on the file's own time. */
  readonly start: number;
  readonly end: number;
}

/** Writes one segment's bytes; knows its container, no files. */
export interface SegmentEncoder {
  readonly start: SegmentStart;
  /** `reach`: on the file's own time, not negative. */
  fragment(frames: readonly RecordedFrame[], messages: readonly RecordedMessage[], reach: FragmentReach): FragmentBytes;
  /** Empty where the file is whole without: then it can be checksummed while it is written. */
  patches(durationTicks: number, fileBytes: number): readonly Patch[];
}

/** What an encoder is made from. */
export interface EncoderPlan {
  /** In the file's order, the main track first. */
  readonly tracks: readonly SegmentTrack[];
  readonly description: SegmentDescription;
  /** Each segment's first keyframes carry their parameter sets. */
  readonly inBandParameterSets: boolean;
  /** Of onMetaData. */
  readonly metadata: ReadonlyMap<string, unknown>;
}

/** The tracks of a plan by track. */
export function orderOf(tracks: readonly SegmentTrack[]): ReadonlyMap<Track, number> {
  return new Map(tracks.map(({ config }, index) => [config.track, index]));
}
