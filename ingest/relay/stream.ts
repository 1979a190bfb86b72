import type { EndCause, MediaEvent } from '../media/media-event.ts';
import type { PublicationInfo, PublishGrant, TransportPart } from '../media/publication.ts';
import type { Flushable } from './flush-clock.ts';
import { LivePath, type LivePathOptions } from './live-path.ts';
import type { Publication } from './publication.ts';
import type { Viewer, ViewerEnd } from './viewer.ts';

/** What happens to a second publisher of a path: see design "Duplicate publisher". */
export type DuplicatePolicy = 'RejectUnlessStale' | 'Reject' | 'TakeOver';

/** What a path may have of its own; read anew each time, as it may change. */
export interface PathSettings {
  readonly onDuplicate: DuplicatePolicy;
  /** A publisher that sends no media for this long is closed, ms. */
  readonly idleTimeoutMs: number;
}

/** Whether a publisher that came with this may publish no more. */
export type IsRevoked = (grant: PublishGrant | undefined) => boolean;

/** Times of a path's life, in ms. */
export interface StreamSettings {
  readonly onDuplicate: DuplicatePolicy;
  /** A publisher silent for this long gives way to a newcomer. */
  readonly staleAfter: number;
  /** Viewers are ended this long after the publisher said that it stops … */
  readonly unpublishGrace: number;
  /** … and this long after its connection was lost. */
  readonly holdViewers: number;
  /** A viewer waits this long for a publisher. */
  readonly waitForPublisher: number;
}

/** Why a publisher has to go. */
export type ReplaceCause = 'timeout' | 'takeover' | 'revoked';

/** The connection of a publisher, as the relay sees it. */
export interface PublisherHandler {
  onAccepted(publication: Publication): void;
  /** Another one publishes on the path. */
  onRefused(): void;
  /** It has to go: `timeout` (it was silent and another one came), `takeover`, `revoked`. Its publication has ended already. */
  onReplaced(cause: ReplaceCause): void;
}

/** What a {@link Stream} needs of the hub. */
export interface StreamOptions {
  readonly path: string;
  readonly settings: StreamSettings;
  /** Its own settings; undefined where it has none. */
  readonly ownSettings: () => PathSettings | undefined;
  readonly media: Omit<LivePathOptions, 'onDirty'>;
  readonly onDirty: (stream: Stream) => void;
  readonly onViewerLeft: (viewer: Viewer, reason: ViewerEnd | 'left') => void;
  readonly onPublicationEnded: (publication: Publication, cause: EndCause) => void;
  readonly onTapFailed: (info: PublicationInfo, error: unknown) => void;
  /** Nothing is left of it. */
  readonly onIdle: (stream: Stream) => void;
}

interface Waiting {
  readonly handler: PublisherHandler;
  readonly grant: PublishGrant | undefined;
  readonly open: (owner: Stream) => Publication;
  /** Runs until the present publisher counts as silent; undefined where it has to go at once. */
  readonly timer: NodeJS.Timeout | undefined;
}

/** One path: at most one publication, its viewers, and those who wait for either. */
export class Stream implements Flushable {
  readonly path: string;
  readonly media: LivePath;
  readonly #options: StreamOptions;
  #publication: Publication | undefined;
  #publisher: PublisherHandler | undefined;
  /** The newcomer whose answer is delayed. */
  #held: Waiting | undefined;
  /** Viewers that came before a publisher, each with its limit. */
  readonly #early = new Map<Viewer, NodeJS.Timeout>();
  /** Runs while viewers are kept without a publisher. */
  #holdTimer: NodeJS.Timeout | undefined;

  constructor(options: StreamOptions) {
    this.path = options.path;
    this.#options = options;
    this.media = new LivePath({ ...options.media, onDirty: () => options.onDirty(this) });
  }

  get publication(): Publication | undefined {
    return this.#publication;
  }

  /** All viewers, those who wait for a publisher included. */
  get viewerCount(): number {
    return this.media.viewers.size + this.#early.size;
  }

  /** Admits a publisher at once, later, or not at all: `handler` is told. The function withdraws a newcomer that still waits. */
  publish(handler: PublisherHandler, open: (owner: Stream) => Publication, grant?: PublishGrant): () => void {
    const { onDuplicate } = this.#options.ownSettings() ?? this.#options.settings;
    if (this.#publication === undefined) {
      this.#accept(handler, open);
    } else if (onDuplicate === 'TakeOver') {
      this.#held = { handler, grant, open, timer: undefined };
      this.#replace('takeover');
    } else if (onDuplicate === 'Reject' || this.#held !== undefined) {
      handler.onRefused();
    } else {
      this.#hold(handler, open, grant);
    }
    return () => {
      if (this.#held?.handler === handler) this.#release();
    };
  }

  /** Adds a viewer: it gets media when there is some, or is ended when nobody publishes in time. */
  watch(viewer: Viewer): void {
    if (this.#publication !== undefined || this.#holdTimer !== undefined) {
      this.#seat(viewer);
      return;
    }
    const timer = setTimeout(() => {
      this.#early.delete(viewer);
      this.#left(viewer, 'not-found');
      this.#checkIdle();
    }, this.#options.settings.waitForPublisher);
    this.#early.set(viewer, timer);
  }

  /** The viewer's connection is gone. */
  leave(viewer: Viewer): void {
    const early = this.#early.get(viewer);
    if (early !== undefined) clearTimeout(early);
    if (!this.#early.delete(viewer) && !this.media.viewers.delete(viewer)) return;
    viewer.stop();
    this.#options.onViewerLeft(viewer, 'left');
    this.#checkIdle();
  }

  /** Ends the publication, and refuses the newcomer that waits for its end, where they may publish no more. */
  revoke(isRevoked: IsRevoked): void {
    if (this.#held !== undefined && isRevoked(this.#held.grant)) this.#release()?.handler.onRefused();
    if (this.#publication !== undefined && isRevoked(this.#publication.info.grant)) this.#replace('revoked');
  }

  /** Ends the viewers that may watch no more. */
  dismiss(mayStay: (viewer: Viewer) => boolean): void {
    for (const viewer of [...this.media.viewers, ...this.#early.keys()]) {
      if (mayStay(viewer)) continue;
      clearTimeout(this.#early.get(viewer));
      this.#early.delete(viewer);
      this.media.viewers.delete(viewer);
      this.#left(viewer, 'ended');
    }
    this.#checkIdle();
  }

  /** See {@link Flushable}. */
  flush(now: number): boolean {
    const { stalled, lagging } = this.media.flush(now);
    for (const viewer of stalled) {
      this.media.viewers.delete(viewer);
      this.#left(viewer, 'stalled');
    }
    if (stalled.length > 0) this.#checkIdle();
    return lagging;
  }

  /** Ends everything: the publication (`shutdown`) and the viewers. */
  close(): void {
    this.#publication?.onEvent({ kind: 'end', cause: 'shutdown' });
    this.#release()?.handler.onRefused();
    this.#endViewers('shutdown');
  }

  onMedia(_publication: Publication, event: MediaEvent): void {
    if (this.#held !== undefined && event.kind === 'frame') this.#release()?.handler.onRefused();
    this.media.add(event);
  }

  onTransport(_publication: Publication, part: TransportPart): void {
    this.media.addTransport(part);
  }

  onTapFailed({ info }: Publication, error: unknown): void {
    this.#options.onTapFailed(info, error);
  }

  onEnded(publication: Publication, cause: EndCause): void {
    this.#publication = undefined;
    this.#publisher = undefined;
    this.#options.onPublicationEnded(publication, cause);
    this.#options.onDirty(this);
    const { unpublishGrace, holdViewers } = this.#options.settings;
    const waiting = this.#release();
    if (waiting !== undefined) {
      this.#accept(waiting.handler, waiting.open);
    } else if (this.media.viewers.size > 0 && cause !== 'shutdown') {
      this.#holdTimer = setTimeout(
        () => this.#endViewers('ended'),
        cause === 'unpublish' ? unpublishGrace : holdViewers,
      );
    }
    this.#checkIdle();
  }

  #accept(handler: PublisherHandler, open: (owner: Stream) => Publication): void {
    clearTimeout(this.#holdTimer);
    this.#holdTimer = undefined;
    this.media.beginPublication();
    this.#publication = open(this);
    this.#publisher = handler;
    handler.onAccepted(this.#publication);
    for (const [viewer, timer] of [...this.#early]) {
      clearTimeout(timer);
      this.#early.delete(viewer);
      this.#seat(viewer);
    }
  }

  /** Joined first, so that it counts; media follows at the next flush, after what the handler writes now. */
  #seat(viewer: Viewer): void {
    this.media.join(viewer);
    viewer.handler.onReady();
  }

  #hold(handler: PublisherHandler, open: (owner: Stream) => Publication, grant: PublishGrant | undefined): void {
    const silentFor = performance.now() - this.#publication!.lastMediaAt;
    const timer = setTimeout(
      () => this.#replace('timeout'),
      Math.max(0, this.#options.settings.staleAfter - silentFor),
    );
    this.#held = { handler, grant, open, timer };
  }

  #release(): Waiting | undefined {
    const waiting = this.#held;
    clearTimeout(waiting?.timer);
    this.#held = undefined;
    return waiting;
  }

  /** Ends the present publication, in favour of the one that is held if there is one: the path is never without a claim in between. */
  #replace(cause: ReplaceCause): void {
    const publisher = this.#publisher;
    this.#publication?.onEvent({ kind: 'end', cause });
    publisher?.onReplaced(cause);
  }

  #endViewers(reason: ViewerEnd): void {
    clearTimeout(this.#holdTimer);
    this.#holdTimer = undefined;
    for (const timer of this.#early.values()) clearTimeout(timer);
    const all = [...this.media.viewers, ...this.#early.keys()];
    this.media.viewers.clear();
    this.#early.clear();
    for (const viewer of all) this.#left(viewer, reason);
    this.#checkIdle();
  }

  #left(viewer: Viewer, reason: ViewerEnd): void {
    viewer.stop();
    this.#options.onViewerLeft(viewer, reason);
    viewer.handler.onEnd(reason);
  }

  #checkIdle(): void {
    if (this.#publication === undefined && this.#held === undefined && this.viewerCount === 0) {
      clearTimeout(this.#holdTimer);
      this.#holdTimer = undefined;
      this.#options.onIdle(this);
    }
  }
}
