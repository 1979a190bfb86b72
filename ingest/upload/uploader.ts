import { once } from 'node:events';
import type { Config } from '../config/schema.ts';
import type { Log } from '../runtime/log.ts';
import type { Meter } from '../runtime/meter.ts';
import type { Layout } from '../spool/layout.ts';
import type { PublicationHeader } from '../spool/segment-entry.ts';
import type { QueuedPublication, SpoolQueue } from '../spool/spool-queue.ts';
import type { ObjectStore } from './object-store.ts';
import { OutageGate, type StoreState } from './outage-gate.ts';
import { PublicationUpload } from './publication-upload.ts';
import { Slots } from './slots.ts';

/** Where the segments of a publication go, and what names them there. */
export interface UploadTarget {
  readonly store: ObjectStore;
  readonly layout: Layout;
}

/** Knows where publications go. */
export interface UploadTargets {
  /** Undefined where that is not known at present: it is asked again by `Uploader.refresh`. */
  of(header: PublicationHeader): Promise<UploadTarget | undefined>;
}

/** What the uploader works with. */
export interface UploaderOptions {
  readonly queue: SpoolQueue;
  readonly targets: UploadTargets;
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
  readonly store: StoreStatus;
}

/** A store, and whether it answers. */
export type StoreStatus = StoreState & { readonly url: string };

/** How uploading goes. */
export interface UploadStatus extends Backlog {
  /** Those that are in use. */
  readonly stores: readonly StoreStatus[];
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
  readonly #uploads = new Map<QueuedPublication, Upload>();
  /** What the uploads of one store share. */
  readonly #shared = new Map<ObjectStore, { readonly gate: OutageGate; readonly slots: Slots }>();
  #isHurried = false;
  readonly #stop = new AbortController();
  readonly #unsubscribe: () => void;

  /** Starts at once. */
  constructor(options: UploaderOptions) {
    const { meter, queue } = options;
    this.#options = options;
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
      store: this.#storeOf(publication),
    }));
    const stores = [...this.#shared].map(([{ url }, { gate }]) => ({ ...gate.state, url }));
    return { ...sum(publications), stores, publications };
  }

  /** Where publications go may have changed: those that go elsewhere now do so from their next segment on. */
  async refresh(): Promise<void> {
    const { targets } = this.#options;
    for (const [publication, upload] of [...this.#uploads]) {
      const target = await targets.of(publication.header);
      if (target !== undefined && target.store === upload.store) continue;
      if (target === undefined && upload.store === undefined) continue;
      upload.stop.abort(new Error('it goes to another store'));
    }
  }

  /** Stores that uploads are under way to. */
  get storesInUse(): ReadonlySet<ObjectStore> {
    return new Set([...this.#uploads.values()].map(({ store }) => store).filter((store) => store !== undefined));
  }

  /**
   * Waits until every segment in the queue is stored and every ended publication is finished, or the signal (the deadline)
   * aborts. Returns whether all is stored. An index that is due is written without waiting for its interval.
   */
  async flush(signal: AbortSignal): Promise<boolean> {
    this.#adopt();
    this.#isHurried = true;
    for (const { gate } of this.#shared.values()) gate.hurry();
    for (const { running } of this.#uploads.values()) running?.hurry();
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
    this.#uploads.get(publication)?.running?.ring();
  }

  /** Starts on publications that are new in the queue. */
  #adopt(): void {
    if (this.#stop.signal.aborted) return;
    for (const publication of this.#options.queue.publications) {
      if (this.#uploads.has(publication)) continue;
      const stop = new AbortController();
      const upload: Upload = { store: undefined, isLost: false, running: undefined, stop, done: Promise.resolve() };
      this.#uploads.set(publication, upload);
      upload.done = this.#run(publication, upload).finally(() => {
        this.#uploads.delete(publication);
        if (stop.signal.aborted) this.#adopt();
      });
    }
  }

  /** Until it is stored, or goes elsewhere. */
  async #run(publication: QueuedPublication, upload: Upload): Promise<void> {
    const { targets, settings, log, meter } = this.#options;
    const signal = AbortSignal.any([this.#stop.signal, upload.stop.signal]);
    const { path, recording, pub } = publication.header;
    const target = await targets.of(publication.header).catch((error: unknown) => {
      log.error({ stream_key: path, recording, pub, err: error }, 'store not usable');
    });
    if (target === undefined) {
      const code = 'ERR_STORE_UNKNOWN';
      upload.isLost = true;
      log.warn({ stream_key: path, recording, pub, code }, 'recording waits: no credentials for its store');
      await aborted(signal);
      return;
    }
    upload.store = target.store;
    upload.running = new PublicationUpload(
      { ...target, ...this.#share(target.store), settings, log, meter },
      publication,
    );
    if (this.#isHurried) upload.running.hurry();
    await upload.running.run(signal);
  }

  #share(store: ObjectStore): { readonly gate: OutageGate; readonly slots: Slots } {
    let shared = this.#shared.get(store);
    if (shared === undefined) {
      const { settings, log } = this.#options;
      const gate = new OutageGate({ min: settings.retryMin, max: settings.retryMax }, log.child({ store: store.url }));
      if (this.#isHurried) gate.hurry();
      shared = { gate, slots: new Slots(settings.concurrency) };
      for (const idle of this.#shared.keys()) if (!this.storesInUse.has(idle)) this.#shared.delete(idle);
      this.#shared.set(store, shared);
    }
    return shared;
  }

  #storeOf(publication: QueuedPublication): StoreStatus {
    const { store, isLost } = this.#uploads.get(publication) ?? {};
    const { url = '' } = store ?? publication.header.store ?? {};
    if (isLost !== true) return { ...((store && this.#shared.get(store)?.gate.state) ?? { available: true }), url };
    const since = Date.parse(publication.header.startedAt);
    return { available: false, code: 'ERR_STORE_UNKNOWN', detail: 'no credentials for it are known', since, url };
  }
}

/** A publication on its way. */
interface Upload {
  /** Undefined until it is known. */
  store: ObjectStore | undefined;
  /** Nobody knows where it goes. */
  isLost: boolean;
  running: PublicationUpload | undefined;
  readonly stop: AbortController;
  done: Promise<void>;
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort');
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
