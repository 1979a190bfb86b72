import type { EndCause, MediaEvent } from '../media/media-event.ts';
import type { MediaSink, PublicationInfo, TransportPart, TransportSink } from '../media/publication.ts';

/** What a publication tells the path it belongs to. */
export interface PublicationOwner {
  onMedia(publication: Publication, event: MediaEvent): void;
  onTransport(publication: Publication, part: TransportPart): void;
  onEnded(publication: Publication, cause: EndCause): void;
  /** A tap threw, which it must not: it gets no more events, the rest goes on. */
  onTapFailed(publication: Publication, error: unknown): void;
}

/** One accepted publisher: takes its events, and hands each to the relay and to every tap (recorder, statistics) in the same order. */
export class Publication implements TransportSink {
  readonly info: PublicationInfo;
  readonly #owner: PublicationOwner;
  readonly #taps: Set<MediaSink>;
  #lastMediaAt: number;
  #ended = false;

  constructor(info: PublicationInfo, taps: readonly MediaSink[], owner: PublicationOwner) {
    this.info = info;
    this.#taps = new Set(taps);
    this.#owner = owner;
    this.#lastMediaAt = performance.now();
  }

  /** `performance.now()` of the last frame, or of its acceptance. */
  get lastMediaAt(): number {
    return this.#lastMediaAt;
  }

  onEvent(event: MediaEvent): void {
    if (this.#ended) return;
    if (event.kind === 'frame') this.#lastMediaAt = event.arrivedAt;
    if (event.kind === 'end') this.#ended = true;
    this.#owner.onMedia(this, event);
    for (const tap of this.#taps) {
      try {
        tap.onEvent(event);
      } catch (error) {
        this.#taps.delete(tap);
        this.#owner.onTapFailed(this, error);
      }
    }
    if (event.kind === 'end') this.#owner.onEnded(this, event.cause);
  }

  /** Viewers alone take it: taps have the events. */
  onTransport(part: TransportPart): void {
    if (!this.#ended) this.#owner.onTransport(this, part);
  }
}
