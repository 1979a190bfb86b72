import { type MediaEvent, TICKS_PER_SECOND } from '../media/media-event.ts';
import type { MediaSink, PublicationInfo } from '../media/publication.ts';
import type { LifecycleFeed } from './lifecycle-feed.ts';

/** Tells the feed how a publication begins, what is missing in it, and how it ends. */
export class PublicationEvents implements MediaSink {
  readonly #feed: LifecycleFeed;
  readonly #about: { readonly path: string; readonly pub: string };

  constructor({ path, pub, epoch, connId, protocol }: PublicationInfo, feed: LifecycleFeed) {
    this.#feed = feed;
    this.#about = { path, pub };
    feed.publish({ type: 'publication-started', path, pub, epoch, conn_id: connId, protocol });
  }

  onEvent(event: MediaEvent): void {
    if (event.kind === 'gap') {
      const [from, to] = [event.from / TICKS_PER_SECOND, event.to / TICKS_PER_SECOND];
      this.#feed.publish({ type: 'publication-gap', ...this.#about, cause: event.cause, from, to });
    } else if (event.kind === 'end') {
      this.#feed.publish({ type: 'publication-ended', ...this.#about, cause: event.cause });
    }
  }
}
