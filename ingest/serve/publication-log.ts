import { type Codec, isVideoTrack, type MediaEvent, trackId } from '../media/media-event.ts';
import type { MediaSink } from '../media/publication.ts';
import type { Log } from '../runtime/log.ts';
import type { Meter } from '../runtime/meter.ts';

/** Says in the log what a publication turns out to be: its headers, its codecs, its gaps. */
export class PublicationLog implements MediaSink {
  readonly #log: Log;
  readonly #meter: Meter;
  /** Of the first track of each kind. */
  #video: string | undefined;
  #audio: string | undefined;
  /** Codecs were heard of that have not been said yet. */
  #news = false;

  constructor(log: Log, meter: Meter) {
    this.#log = log;
    this.#meter = meter;
  }

  onEvent(event: MediaEvent): void {
    switch (event.kind) {
      case 'config': {
        const size = event.flvBody?.length ?? event.record.length;
        const codec = nameOf(event.codec);
        const isFirst = trackId(event.track) === 0;
        if (isVideoTrack(event.track)) {
          this.#log.info({ size, codec, track: event.track }, 'Cached video sequence header');
          this.#video = isFirst ? codec : (this.#video ?? codec);
        } else {
          this.#log.info({ size, codec, track: event.track }, 'Cached audio sequence header');
          this.#audio = isFirst ? codec : (this.#audio ?? codec);
        }
        this.#news = true;
        break;
      }
      case 'frame':
        if (this.#news) this.#sayCodecs();
        break;
      case 'gap':
        this.#meter.count('headwater_gaps_total', event.cause);
        this.#log.warn({ cause: event.cause, from: event.from, to: event.to }, 'gap in the media of the publisher');
        break;
      default:
    }
  }

  #sayCodecs(): void {
    this.#news = false;
    this.#log.info({ videoCodec: this.#video ?? null, audioCodec: this.#audio ?? null }, 'Codecs detected');
  }
}

function nameOf(codec: Codec): string {
  return typeof codec === 'string' ? codec : codec.unknown;
}
