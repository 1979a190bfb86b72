import { assertNever, type MediaEvent, TICKS_PER_SECOND, type Track } from '../media/media-event.ts';
import type { MediaSink } from '../media/publication.ts';
import { type DescribeTrack, TrackMeter, type TrackView } from './track-meter.ts';

/** What a publication's media looks like at one moment. */
export interface StreamView {
  /** Video first, by track id. */
  readonly tracks: readonly TrackView[];
  /** All tracks together, over the last seconds. */
  readonly bitsPerSecond: number;
  readonly frames: number;
  readonly gaps: { readonly count: number; readonly seconds: number };
  /** Milliseconds since the last frame arrived; null before the first. */
  readonly sinceFrameMs: number | null;
  /** `encoder` of onMetaData, where there is one. */
  readonly encoder: string | null;
}

/** onMetaData comes from outside: more of it than this is of no use to anyone who reads the API. */
const MAX_ENCODER_LENGTH = 200;

/** Measures one publication as its events pass. Feeds the API; nothing waits for it. */
export class StreamMeter implements MediaSink {
  readonly #describe: DescribeTrack;
  readonly #tracks = new Map<Track, TrackMeter>();
  #gapCount = 0;
  #gapTicks = 0;
  #frames = 0;
  #lastFrameAt: number | null = null;
  #encoder: string | null = null;

  constructor(describe: DescribeTrack) {
    this.#describe = describe;
  }

  onEvent(event: MediaEvent): void {
    switch (event.kind) {
      case 'frame':
        this.#frames += 1;
        this.#lastFrameAt = event.arrivedAt;
        this.#tracks.get(event.track)?.onFrame(event);
        break;
      case 'config': {
        const { track, codec, record } = event;
        const known = this.#tracks.get(track);
        if (known === undefined) this.#tracks.set(track, new TrackMeter(track, codec, record, this.#describe));
        else known.configure(codec, record);
        break;
      }
      case 'gap':
        this.#gapCount += 1;
        this.#gapTicks += Math.max(0, event.to - event.from);
        break;
      case 'metadata': {
        const encoder = event.values.get('encoder');
        this.#encoder = typeof encoder === 'string' ? encoder.slice(0, MAX_ENCODER_LENGTH) : null;
        break;
      }
      case 'trackMetadata':
      case 'opaque':
      case 'end':
        break;
      default:
        assertNever(event);
    }
  }

  /** `now` is on the clock of `performance.now()`, in ms. */
  snapshot(now = performance.now()): StreamView {
    const tracks = [...this.#tracks.entries()].sort(([a], [b]) => a - b).map(([, meter]) => meter.view(now));
    return {
      tracks,
      bitsPerSecond: tracks.reduce((sum, track) => sum + track.bitsPerSecond, 0),
      frames: this.#frames,
      gaps: { count: this.#gapCount, seconds: this.#gapTicks / TICKS_PER_SECOND },
      sinceFrameMs: this.#lastFrameAt === null ? null : Math.max(0, Math.round(now - this.#lastFrameAt)),
      encoder: this.#encoder,
    };
  }
}
