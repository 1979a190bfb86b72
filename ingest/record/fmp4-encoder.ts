import { isVideoTrack, type Track } from '../media/media-event.ts';
import { encodeFragment, type Mp4Sample } from '../protocol/fmp4/fragment.ts';
import { hdrOfTag } from '../protocol/fmp4/hdr-metadata.ts';
import { encodeInitSegment } from '../protocol/fmp4/init-segment.ts';
import type { FragmentReach } from '../protocol/fmp4/integrity-box.ts';
import { isDescribable, type Mp4Track } from '../protocol/fmp4/mp4-track.ts';
import type {
  EncoderPlan,
  FragmentBytes,
  RecordedFrame,
  RecordedMessage,
  SegmentEncoder,
  SegmentStart,
  SegmentTrack,
} from './segment-format.ts';
import { orderOf } from './segment-format.ts';

/** Whether fragmented MP4 has a mapping for the track's codec. */
export function hasMp4Mapping({ codec }: SegmentTrack['config']): boolean {
  return typeof codec === 'string';
}

/** Whether enough is known of the track to describe it in a header. */
export function isMp4Describable(track: SegmentTrack): boolean {
  return hasMp4Mapping(track.config) && isDescribable(mp4Track(track, 1));
}

function mp4Track({ config, firstFrame, metadata }: SegmentTrack, id: number): Mp4Track {
  const hdr = metadata && isVideoTrack(config.track) ? hdrOfTag(metadata.flvBody) : undefined;
  return {
    id,
    codec: config.codec as Mp4Track['codec'],
    record: config.record,
    ...(firstFrame && { firstFrame }),
    ...(hdr && { hdr }),
  };
}

/** A fragmented MP4 segment (ISO 14496-12). @throws Fault ERR_FMP4_TRACK when a track is not describable */
export class Fmp4Encoder implements SegmentEncoder {
  readonly start: SegmentStart;
  readonly #order: ReadonlyMap<Track, number>;
  #sequence = 0;

  constructor({ tracks, description, inBandParameterSets }: EncoderPlan) {
    this.#order = orderOf(tracks);
    const described = tracks.map((track, index) => mp4Track(track, index + 1));
    this.start = encodeInitSegment(described, description, { inBandParameterSets });
  }

  fragment(
    frames: readonly RecordedFrame[],
    messages: readonly RecordedMessage[],
    reach: FragmentReach,
  ): FragmentBytes {
    const runs: { trackId: number; samples: Mp4Sample[] }[] = [];
    for (let index = 0; index < this.#order.size; index++) runs.push({ trackId: index + 1, samples: [] });
    for (let i = 0; i < frames.length; i++) {
      const { event, dts, duration, prefix } = frames[i]!;
      const compositionOffset = event.pts - event.dts;
      const sample = { dts, duration, compositionOffset, key: event.key, data: event.data };
      runs[this.#order.get(event.track) ?? 0]!.samples.push(prefix === undefined ? sample : { ...sample, prefix });
    }
    this.#sequence += 1;
    return encodeFragment(this.#sequence, runs, messages, reach);
  }

  patches(): readonly [] {
    return [];
  }
}
