import type { Ownership } from './cluster/ownership.ts';
import type { Config } from './config/schema.ts';
import { TICKS_PER_SECOND } from './media/media-event.ts';
import type { MediaSink, PublicationInfo } from './media/publication.ts';
import type { LifecycleFeed } from './observe/lifecycle-feed.ts';
import { Recorder } from './record/recorder.ts';
import { RecordingEvents } from './recording-events.ts';
import { RecordingList, type RecordingView } from './recording-list.ts';
import type { Log } from './runtime/log.ts';
import type { Meter } from './runtime/meter.ts';
import type { RecordingViews } from './serve/stream-view.ts';
import { Layout } from './spool/layout.ts';
import { SegmentNames } from './spool/segment-names.ts';
import { Spool } from './spool/spool.ts';
import type { QueuedPublication } from './spool/spool-queue.ts';
import type { ObjectStore } from './upload/object-store.ts';
import { existingNames, openStore } from './upload/open-store.ts';
import { Uploader } from './upload/uploader.ts';

/** Everything between a publication and the store: recorder, spool, uploader. */
export class Recording implements RecordingViews, AsyncDisposable {
  readonly #config: Config;
  readonly #log: Log;
  readonly #meter: Meter;
  readonly #layout: Layout;
  readonly #spool: Spool;
  readonly #store: ObjectStore;
  readonly #recorder: Recorder;
  readonly #list: RecordingList;
  #uploader: Uploader | undefined;
  #events: RecordingEvents | undefined;
  #isStopped = false;

  /** @throws Fault ERR_SPOOL_LOCKED, ERR_CONFIG_PATTERN */
  static async open(config: Config, ownership: Ownership, log: Log, meter: Meter): Promise<Recording> {
    const layout = new Layout(config.record);
    for (const warning of layout.warnings) log.warn({ pattern: config.record.segmentPattern }, warning);
    const names = new SegmentNames(layout, existingNames(config.store.url));
    const store = await openStore(config, log);
    const spool = await Spool.open({ settings: config.spool, names, log, meter });
    return new Recording(config, { layout, names, spool, store }, ownership, log, meter);
  }

  private constructor(
    config: Config,
    parts: {
      readonly layout: Layout;
      readonly names: SegmentNames;
      readonly spool: Spool;
      readonly store: ObjectStore;
    },
    ownership: Ownership,
    log: Log,
    meter: Meter,
  ) {
    this.#config = config;
    this.#log = log;
    this.#meter = meter;
    this.#layout = parts.layout;
    this.#spool = parts.spool;
    this.#store = parts.store;
    this.#list = new RecordingList(parts.spool);
    this.#recorder = new Recorder({ spool: parts.spool, names: parts.names, settings: config.record, log, meter });
    for (const { path, epoch } of parts.spool.headers) ownership.seen(path, epoch);
    meter.gauge('headwater_recording_seconds_at_risk', () => {
      let seconds = 0;
      for (const path of new Set(this.paths())) seconds += this.secondsAtRisk(path);
      return seconds;
    });
  }

  /** The listeners are open: uploading begins, with what an earlier process left. `feed` is told what becomes of it. */
  start(feed: LifecycleFeed): void {
    const { upload } = this.#config;
    const common = { queue: this.#spool, store: this.#store, layout: this.#layout, log: this.#log, meter: this.#meter };
    const uploader = new Uploader({ ...common, settings: upload });
    this.#uploader = uploader;
    this.#events = new RecordingEvents(this.#spool, () => uploader.status().store, feed);
  }

  /** The sink that records a publication. */
  record(info: PublicationInfo): MediaSink {
    return this.#recorder.record(info);
  }

  /** Finalises every open segment, then uploads what waits, for `shutdown.flush` at most. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#recorder.stop();
    const limit = AbortSignal.timeout(this.#config.shutdown.flush);
    const isDrained = (await this.#uploader?.flush(limit)) ?? true;
    if (!isDrained) {
      const { segments, bytes } = this.#uploader!.status();
      this.#log.warn(
        { segments, bytes, spool: this.#config.spool.dir },
        'not all is stored: the rest waits in the spool',
      );
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isStopped) await this.#recorder.stop();
    await this.#uploader?.[Symbol.asyncDispose]();
    this.#events?.[Symbol.dispose]();
    this.#list[Symbol.dispose]();
    await this.#spool[Symbol.asyncDispose]();
    await this.#store[Symbol.asyncDispose]();
  }

  /** Whether the spool holds something of the stream with this uid. */
  hasBacklog(uid: string): boolean {
    return this.#spool.headers.some(({ owner }) => owner === uid);
  }

  *paths(): Iterable<string> {
    for (const { header } of this.#spool.publications) yield header.path;
  }

  recording(path: string): object | undefined {
    return this.#recorder.status(path);
  }

  upload(path: string): object | undefined {
    const status = this.#uploader?.status();
    const own = status?.publications.filter((publication) => publication.path === path) ?? [];
    if (status === undefined || own.length === 0) return undefined;
    return {
      pendingSegments: own.reduce((sum, { segments }) => sum + segments, 0),
      pendingBytes: own.reduce((sum, { bytes }) => sum + bytes, 0),
      publications: own.map(({ pub, segments, storedThrough }) => ({ pub, pendingSegments: segments, storedThrough })),
      store: status.store,
    };
  }

  recordings(path?: string): readonly RecordingView[] {
    return this.#list.list(path);
  }

  secondsAtRisk(path: string): number {
    let seconds = 0;
    const live = this.#recorder.status(path);
    for (const publication of this.#spool.publications) {
      if (publication.header.path !== path) continue;
      if (publication.header.pub === live?.pub && publication.ended === undefined) {
        seconds += Math.max(0, live.receivedSeconds - storedSeconds(publication));
      } else {
        for (const { entry } of publication.pending) seconds += entry.duration / TICKS_PER_SECOND;
      }
    }
    return seconds;
  }
}

/** How far a publication's segments are stored without a hole, in seconds of its recording. */
function storedSeconds({ entries, storedThrough }: QueuedPublication): number {
  const last = entries.findLast(({ seq }) => seq === storedThrough);
  return last === undefined ? 0 : (last.tfdt + last.duration) / TICKS_PER_SECOND;
}
