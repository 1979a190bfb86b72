import type { Config } from '../config/schema.ts';
import type { Log } from '../runtime/log.ts';
import type { Meter } from '../runtime/meter.ts';
import type { Layout } from '../spool/layout.ts';
import type { QueuedPublication, SpoolQueue } from '../spool/spool-queue.ts';
import type { ObjectStore } from './object-store.ts';
import { OutageGate, type StoreState } from './outage-gate.ts';
import { PublicationUpload, type UploadContext } from './publication-upload.ts';
import { Slots } from './slots.ts';

/** What the uploader works with. */
export interface UploaderOptions {
  readonly queue: SpoolQueue;
  readonly store: ObjectStore;
  readonly layout: Layout;
  readonly settings: Config['upload'];
  readonly log: Log;
  readonly meter: Meter;
}

/** Closed segments that wait for the store. */
export interface Backlog {
  readonly segments: number;
  readonly bytes: number;
  /** Media in them, in seconds. */
  readonly seconds: number;
  /** `Date.now()` when the oldest was closed; undefined where none waits. */
  readonly oldest: number | undefined;
}

/** A publication's part of it. */
export interface PublicationBacklog extends Backlog {
  readonly path: string;
  readonly pub: string;
  /** All segments up to this one are stored. */
  readonly storedThrough: number;
}

/** How uploading goes. */
export interface UploadStatus extends Backlog {
  readonly store: StoreState & { readonly url: string };
  readonly publications: readonly PublicationBacklog[];
}

/** How often `flush` looks whether all is done, besides when something changes. */
const FLUSH_LOOK_MS = 20;

function backlogOf({ pending }: QueuedPublication): Backlog {
  let bytes = 0;
  let ticks = 0;
  for (const { entry } of pending) {
    bytes += entry.bytes;
    ticks += entry.duration;
  }
  return { segments: pending.length, bytes, seconds: ticks / 90_000, oldest: pending[0]?.closedAt };
}

/** Brings everything in the spool to the store, trying for ever; what the journal says is all it needs to go on after a restart. */
export class Uploader implements AsyncDisposable {
  readonly #options: UploaderOptions;
  readonly #context: UploadContext;
  readonly #uploads = new Map<
    QueuedPublication,
    { readonly upload: PublicationUpload; readonly done: Promise<void> }
  >();
  readonly #stop = new AbortController();
  readonly #unsubscribe: () => void;

  /** Starts at once. */
  constructor(options: UploaderOptions) {
    const { store, layout, settings, log, meter, queue } = options;
    const gate = new OutageGate({ min: settings.retryMin, max: settings.retryMax }, log.child({ store: store.url }));
    this.#options = options;
    this.#context = { store, layout, settings, gate, slots: new Slots(settings.concurrency), log, meter };
    this.#unsubscribe = queue.onChange((publication) => this.#onChange(publication));
    this.#adopt();
    meter.gauge('headwater_upload_backlog_bytes', () => this.#total().bytes);
    meter.gauge('headwater_upload_backlog_segments', () => this.#total().segments);
    meter.gauge('headwater_upload_oldest_pending_seconds', () => {
      const { oldest } = this.#total();
      return oldest === undefined ? 0 : (Date.now() - oldest) / 1000;
    });
  }

  /** Backlog by publication and in all, and whether the store answers. */
  status(): UploadStatus {
    const publications = this.#options.queue.publications.map((publication) => ({
      path: publication.header.path,
      pub: publication.header.pub,
      storedThrough: publication.storedThrough,
      ...backlogOf(publication),
    }));
    return { ...sum(publications), store: { ...this.#context.gate.state, url: this.#context.store.url }, publications };
  }

  /**
   * Waits until every segment in the queue is stored and every ended publication is finished, or the signal (the deadline)
   * aborts. Returns whether all is stored. An index that is due is written without waiting for its interval.
   */
  async flush(signal: AbortSignal): Promise<boolean> {
    this.#adopt();
    this.#context.gate.hurry();
    for (const { upload } of this.#uploads.values()) upload.hurry();
    while (!this.#isDrained() && !signal.aborted && !this.#stop.signal.aborted) {
      const { promise, resolve } = Promise.withResolvers<void>();
      setTimeout(resolve, FLUSH_LOOK_MS);
      await promise;
      this.#adopt();
    }
    return this.#isDrained();
  }

  /** Gives up what is under way and returns when nothing runs any more. What was not stored stays in the spool. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#unsubscribe();
    this.#stop.abort(new Error('the uploader was closed'));
    await Promise.all([...this.#uploads.values()].map(({ done }) => done));
  }

  #isDrained(): boolean {
    return this.#options.queue.publications.every(({ ended, pending }) => ended === undefined && pending.length === 0);
  }

  #total(): Backlog {
    return sum(this.#options.queue.publications.map(backlogOf));
  }

  #onChange(publication: QueuedPublication): void {
    this.#adopt();
    this.#uploads.get(publication)?.upload.ring();
  }

  /** Starts on publications that are new in the queue. */
  #adopt(): void {
    if (this.#stop.signal.aborted) return;
    for (const publication of this.#options.queue.publications) {
      if (this.#uploads.has(publication)) continue;
      const upload = new PublicationUpload(this.#context, publication);
      const done = upload.run(this.#stop.signal).finally(() => this.#uploads.delete(publication));
      this.#uploads.set(publication, { upload, done });
    }
  }
}

function sum(backlogs: readonly Backlog[]): Backlog {
  let [segments, bytes, seconds] = [0, 0, 0];
  let oldest: number | undefined;
  for (const each of backlogs) {
    segments += each.segments;
    bytes += each.bytes;
    seconds += each.seconds;
    if (each.oldest !== undefined) oldest = Math.min(oldest ?? each.oldest, each.oldest);
  }
  return { segments, bytes, seconds, oldest };
}
