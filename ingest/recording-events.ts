import { TICKS_PER_SECOND } from './media/media-event.ts';
import type { LifecycleFeed } from './observe/lifecycle-feed.ts';
import type { QueuedPublication, SpoolQueue } from './spool/spool-queue.ts';
import type { StoreStatus } from './upload/uploader.ts';

/** How often the store's state is asked for, ms; only while somebody listens. */
const LOOK_MS = 1_000;

/** What was said of a publication so far. */
interface Said {
  lastSeq: number;
  /** Segments closed and not stored. */
  readonly waiting: Set<number>;
  gaps: number;
}

/** Tells the feed what becomes of recordings: compares what the queue holds with what was said of it. */
export class RecordingEvents implements Disposable {
  readonly #feed: LifecycleFeed;
  readonly #stores: () => readonly StoreStatus[];
  readonly #said = new WeakMap<QueuedPublication, Said>();
  readonly #unsubscribe: () => void;
  readonly #timer: NodeJS.Timeout;
  /** Stores that were said to be away. */
  readonly #away = new Set<string>();

  constructor(queue: SpoolQueue, stores: () => readonly StoreStatus[], feed: LifecycleFeed) {
    this.#feed = feed;
    this.#stores = stores;
    this.#unsubscribe = queue.onChange((publication) => this.#compare(publication));
    this.#timer = setInterval(() => this.#look(), LOOK_MS).unref();
  }

  [Symbol.dispose](): void {
    this.#unsubscribe();
    clearInterval(this.#timer);
  }

  #compare(publication: QueuedPublication): void {
    const { header, entries, gaps } = publication;
    const said = this.#said.get(publication) ?? firstSight(publication);
    this.#said.set(publication, said);
    const about = { path: header.path, recording: header.recording, pub: header.pub };
    const isNew = entries.slice(entries.findLastIndex(({ seq }) => seq <= said.lastSeq) + 1);
    for (const { seq, key, duration, bytes } of isNew) {
      this.#feed.publish({ type: 'segment-closed', ...about, seq, key, seconds: duration / TICKS_PER_SECOND, bytes });
      said.lastSeq = seq;
      said.waiting.add(seq);
    }
    this.#settle(publication, said);
    for (const { from, to, cause } of gaps.slice(said.gaps)) {
      const [start, end] = [from / TICKS_PER_SECOND, to === undefined ? null : to / TICKS_PER_SECOND];
      this.#feed.publish({ type: 'recording-gap', ...about, cause, from: start, to: end });
    }
    said.gaps = gaps.length;
  }

  /** Of the segments that waited, those that do no more. */
  #settle({ header, entries, pending }: QueuedPublication, said: Said): void {
    if (said.waiting.size === 0) return;
    const waiting = new Set(pending.map(({ entry }) => entry.seq));
    const about = { path: header.path, recording: header.recording, pub: header.pub };
    for (const seq of said.waiting) {
      if (waiting.has(seq)) continue;
      said.waiting.delete(seq);
      const entry = entries.findLast((each) => each.seq === seq);
      this.#feed.publish(
        entry === undefined
          ? { type: 'segment-dropped', ...about, seq }
          : { type: 'segment-stored', ...about, seq, key: entry.key },
      );
    }
  }

  #look(): void {
    if (!this.#feed.isHeard) return;
    for (const state of this.#stores()) {
      const { url: store } = state;
      if (state.available === !this.#away.has(store)) continue;
      if (state.available) {
        this.#away.delete(store);
        this.#feed.publish({ type: 'store-available', store });
      } else {
        this.#away.add(store);
        this.#feed.publish({ type: 'store-unavailable', store, code: state.code });
      }
    }
  }
}

/** What an earlier process left is not news, but that it gets stored. */
function firstSight({ entries, pending, gaps, ended }: QueuedPublication): Said {
  if (ended === undefined) return { lastSeq: 0, waiting: new Set(), gaps: 0 };
  const waiting = new Set(pending.map(({ entry }) => entry.seq));
  return { lastSeq: entries.at(-1)?.seq ?? 0, waiting, gaps: gaps.length };
}
