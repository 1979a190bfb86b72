import type { ConfigEvent, Track, TrackMetadataEvent } from '../media/media-event.ts';
import type { SegmentTrack } from './segment-format.ts';

/** What is known of a track. */
interface KnownTrack {
  config: ConfigEvent;
  firstFrame: Buffer | undefined;
  metadata: TrackMetadataEvent | undefined;
}

/** How a config event changed what is known. */
export type ConfigChange = 'same' | 'new' | 'changed';

/** The tracks of a publication with their present configuration. */
export class TrackSet {
  readonly #tracks = new Map<Track, KnownTrack>();
  readonly #metadata = new Map<Track, TrackMetadataEvent>();

  /** Publishers repeat their headers: only other bytes are a change. */
  configure(config: ConfigEvent): ConfigChange {
    const known = this.#tracks.get(config.track);
    if (known !== undefined && isSame(known.config, config)) return 'same';
    this.#tracks.set(config.track, { config, firstFrame: undefined, metadata: this.#metadata.get(config.track) });
    return known === undefined ? 'new' : 'changed';
  }

  /** Keeps a track's first keyframe, from which some codecs are described. */
  noteKeyframe(track: Track, data: Buffer): void {
    const known = this.#tracks.get(track);
    if (known !== undefined) known.firstFrame ??= data;
  }

  noteMetadata(metadata: TrackMetadataEvent): void {
    this.#metadata.set(metadata.track, metadata);
    const known = this.#tracks.get(metadata.track);
    if (known !== undefined) known.metadata = metadata;
  }

  has(track: Track): boolean {
    return this.#tracks.has(track);
  }

  configOf(track: Track): ConfigEvent | undefined {
    return this.#tracks.get(track)?.config;
  }

  get(track: Track): SegmentTrack | undefined {
    return this.#tracks.get(track);
  }

  /** All tracks that `isReady`, as a segment lists them: video first, by track id. */
  list(isReady: (track: SegmentTrack) => boolean): SegmentTrack[] {
    const ready = [...this.#tracks.values()].filter(isReady).map((track) => ({ ...track }));
    return ready.sort((a, b) => a.config.track - b.config.track);
  }

  /** Whether any track's codec has no name here. */
  get hasUnknownCodec(): boolean {
    return [...this.#tracks.values()].some(({ config }) => typeof config.codec !== 'string');
  }
}

/** The main track of a segment: the first video track, else the first audio track. */
export function mainTrackOf(tracks: readonly SegmentTrack[]): Track | undefined {
  return tracks[0]?.config.track;
}

function isSame(a: ConfigEvent, b: ConfigEvent): boolean {
  return codecName(a) === codecName(b) && a.record.equals(b.record);
}

function codecName({ codec }: ConfigEvent): string {
  return typeof codec === 'string' ? codec : codec.unknown;
}
