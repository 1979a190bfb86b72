import {
  type Codec,
  type FrameEvent,
  isVideoTrack,
  TICKS_PER_SECOND,
  type Track,
  trackId,
} from '../media/media-event.ts';

/** What a codec's configuration says of the media. A field is absent where the codec or its record does not tell. */
export interface TrackFacts {
  /** RFC 6381. */
  readonly codecString?: string;
  readonly profile?: string;
  /** Pixels. */
  readonly width?: number;
  readonly height?: number;
  /** Hz. */
  readonly sampleRate?: number;
  readonly channels?: number;
}

/** Reads a configuration record, and a key frame where it is at hand: some codecs have their size only there. Must not throw. */
export type DescribeTrack = (codec: Codec, record: Buffer, frame?: Buffer) => TrackFacts | undefined;

/** One track as the API shows it. */
export interface TrackView extends TrackFacts {
  readonly kind: 'video' | 'audio';
  /** E-RTMP track id. */
  readonly id: number;
  readonly codec: string;
  readonly frames: number;
  /** Over the last seconds. 0 while nothing arrives. */
  readonly bitsPerSecond: number;
  /** Video only: frames a second of media time. */
  readonly fps?: number;
  /** Video only: the last whole group of pictures; null before the second keyframe. */
  readonly gop?: { readonly frames: number; readonly seconds: number } | null;
  /** Video only: milliseconds since the last keyframe arrived; null before the first. */
  readonly sinceKeyframeMs?: number | null;
}

/** The window is this many slots; what is older is forgotten. */
const SLOTS = 5;
const SLOT_MS = 1000;

/** Counts one track's frames: a few additions a frame, no allocation. */
export class TrackMeter {
  readonly #track: Track;
  readonly #describe: DescribeTrack;
  #codec: Codec;
  #facts: TrackFacts | undefined;
  /** Held only until a key frame has completed what it says. */
  #record: Buffer | undefined;
  #frames = 0;
  #lastDts = 0;
  /** One slot a second of arrival: its number, bytes, frames and the DTS of its first frame. */
  readonly #slots = Array.from({ length: SLOTS + 1 }, () => ({ at: -1, bytes: 0, frames: 0, firstDts: 0 }));
  #gopStartDts = -1;
  #gopStartFrame = 0;
  #lastGop: { readonly frames: number; readonly seconds: number } | null = null;
  #lastKeyframeAt: number | null = null;

  constructor(track: Track, codec: Codec, record: Buffer, describe: DescribeTrack) {
    this.#track = track;
    this.#describe = describe;
    this.#codec = codec;
    this.configure(codec, record);
  }

  configure(codec: Codec, record: Buffer): void {
    this.#codec = codec;
    this.#facts = this.#describe(codec, record);
    const telling = isVideoTrack(this.#track) ? this.#facts?.width : this.#facts?.sampleRate;
    this.#record = telling === undefined ? record : undefined;
  }

  onFrame(frame: FrameEvent): void {
    if (this.#record !== undefined && frame.key) {
      this.#facts = this.#describe(this.#codec, this.#record, frame.data) ?? this.#facts;
      this.#record = undefined;
    }
    const slot = this.#slot(Math.floor(frame.arrivedAt / SLOT_MS));
    if (slot.frames === 0) slot.firstDts = frame.dts;
    slot.frames += 1;
    slot.bytes += frame.data.length;
    if (frame.key && isVideoTrack(this.#track)) {
      if (this.#gopStartDts >= 0) {
        const seconds = (frame.dts - this.#gopStartDts) / TICKS_PER_SECOND;
        this.#lastGop = { frames: this.#frames - this.#gopStartFrame, seconds };
      }
      this.#gopStartDts = frame.dts;
      this.#gopStartFrame = this.#frames;
      this.#lastKeyframeAt = frame.arrivedAt;
    }
    this.#frames += 1;
    this.#lastDts = frame.dts;
  }

  /** `now` is on the clock of `FrameEvent.arrivedAt`, in ms. */
  view(now: number): TrackView {
    const video = isVideoTrack(this.#track);
    const codec = typeof this.#codec === 'string' ? this.#codec : this.#codec.unknown;
    return {
      kind: video ? 'video' : 'audio',
      id: trackId(this.#track),
      codec,
      ...this.#facts,
      frames: this.#frames,
      bitsPerSecond: this.#bitsPerSecond(now),
      ...(video
        ? {
            fps: this.#fps(now),
            gop: this.#lastGop,
            sinceKeyframeMs: this.#lastKeyframeAt === null ? null : Math.max(0, Math.round(now - this.#lastKeyframeAt)),
          }
        : {}),
    };
  }

  #slot(at: number) {
    const slot = this.#slots[at % this.#slots.length]!;
    if (slot.at !== at) {
      slot.at = at;
      slot.bytes = 0;
      slot.frames = 0;
    }
    return slot;
  }

  /** The slots of the window, oldest first; the present one counts as far as it has come. */
  #window(now: number) {
    const current = Math.floor(now / SLOT_MS);
    return this.#slots
      .filter((slot) => slot.at > current - SLOTS && slot.at <= current && slot.frames > 0)
      .sort((a, b) => a.at - b.at);
  }

  #bitsPerSecond(now: number): number {
    const window = this.#window(now);
    const oldest = window[0];
    if (oldest === undefined) return 0;
    const bytes = window.reduce((sum, slot) => sum + slot.bytes, 0);
    // At least one slot: a track's first frame says nothing of its rate.
    return Math.round((bytes * 8 * 1000) / Math.max(SLOT_MS, now - oldest.at * SLOT_MS));
  }

  #fps(now: number): number {
    const window = this.#window(now);
    const frames = window.reduce((sum, slot) => sum + slot.frames, 0);
    const span = window[0] === undefined ? 0 : this.#lastDts - window[0].firstDts;
    return span > 0 ? Math.round(((frames - 1) * TICKS_PER_SECOND * 100) / span) / 100 : 0;
  }
}
