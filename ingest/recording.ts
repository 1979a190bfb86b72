import path from 'node:path';
import type { Config } from './config/schema.ts';
import type { MediaSink, PublicationInfo } from './media/publication.ts';
import type { LifecycleFeed } from './observe/lifecycle-feed.ts';
import { Recorder } from './record/recorder.ts';
import { RecordingEvents } from './recording-events.ts';
import { RecordingList, type RecordingView } from './recording-list.ts';
import type { RecordingPolicies } from './recording-policies.ts';
import { RecordingReports } from './recording-reports.ts';
import { RecordingSwitch, type SwitchHost } from './recording-switch.ts';
import { RecordingTotalsFile } from './recording-totals-file.ts';
import type { Log } from './runtime/log.ts';
import type { Meter } from './runtime/meter.ts';
import { secondsAtRisk } from './seconds-at-risk.ts';
import type { BacklogView, RecordingViews } from './serve/stream-view.ts';
import type { PublicationHeader } from './spool/segment-entry.ts';
import { SegmentNaming } from './spool/segment-naming.ts';
import { Spool } from './spool/spool.ts';
import type { QueuedPublication } from './spool/spool-queue.ts';
import { stateFolder } from './state-folder.ts';
import type { ObjectStore } from './upload/object-store.ts';
import { existingNames } from './upload/open-store.ts';
import { type StoreAccess, StorePool } from './upload/store-pool.ts';
import { type PublicationBacklog, Uploader, type UploadTarget } from './upload/uploader.ts';

/** What a recording is made of. */
interface Parts {
  readonly naming: SegmentNaming;
  readonly spool: Spool;
  readonly stores: StorePool;
  readonly policies: RecordingPolicies;
}

/** Everything between a publication and the stores: recorder, spool, uploader. */
export class Recording implements RecordingViews, AsyncDisposable {
  readonly reports: RecordingReports;
  readonly #config: Config;
  readonly #log: Log;
  readonly #meter: Meter;
  readonly #parts: Parts;
  readonly #spool: Spool;
  readonly #recorder: Recorder;
  readonly #list: RecordingList;
  #uploader: Uploader | undefined;
  #events: RecordingEvents | undefined;
  #totals: RecordingTotalsFile | undefined;
  #isStopped = false;
  /** Of the publications that are live. */
  readonly #switches = new Set<RecordingSwitch>();
  readonly #switchHost: SwitchHost = {
    policyOf: (info) => this.#parts.policies.policyOf(info),
    begin: (info, policy) => {
      this.reports.begin(info, policy.facts.owner);
      return this.#recorder.record(info, policy);
    },
    ended: (recording) => void this.#switches.delete(recording),
  };

  /** @throws Fault ERR_SPOOL_LOCKED, ERR_CONFIG_PATTERN */
  static async open(config: Config, policies: RecordingPolicies, log: Log, meter: Meter): Promise<Recording> {
    const naming = new SegmentNaming(config.record, (url) => existingNames(url ?? config.store.url));
    for (const warning of naming.layoutOf({}).warnings) log.warn({ pattern: config.record.segmentPattern }, warning);
    const spool = await Spool.open({ settings: config.spool, names: naming, log, meter });
    const recording = new Recording(
      config,
      { naming, spool, stores: new StorePool(config, log), policies },
      log,
      meter,
    );
    if (!policies.isOpen) {
      const file = path.join(stateFolder(config), 'recorded.json');
      recording.#totals = await RecordingTotalsFile.open(file, recording.reports, log);
    }
    return recording;
  }

  private constructor(config: Config, parts: Parts, log: Log, meter: Meter) {
    const { spool, naming } = parts;
    this.#config = config;
    this.#log = log;
    this.#meter = meter;
    this.#parts = parts;
    this.#spool = spool;
    this.#list = new RecordingList(spool);
    this.#recorder = new Recorder({ spool, names: naming, settings: config.record, log, meter });
    this.reports = new RecordingReports({
      queue: spool,
      recorder: (path) => this.#recorder.status(path),
      upload: () => this.#uploader?.status(),
      usage: () => spool.usage,
    });
    meter.gauge('headwater_recording_seconds_at_risk', () => sumAtRisk(spool.publications, this.#recorder));
  }

  /** The listeners are open: uploading begins, with what an earlier process left. `feed` is told what becomes of it. */
  start(feed: LifecycleFeed): void {
    const { upload: settings } = this.#config;
    const common = { queue: this.#spool, log: this.#log, meter: this.#meter };
    const uploader = new Uploader({ ...common, settings, targets: { of: (header) => this.#targetOf(header) } });
    this.#uploader = uploader;
    this.#events = new RecordingEvents(this.#spool, () => uploader.status().stores, feed);
  }

  /** The sink that records a publication, as the policies say. */
  record(info: PublicationInfo): MediaSink {
    if (this.#parts.policies.isOpen) return this.#recorder.record(info);
    const recording = new RecordingSwitch(info, this.#switchHost);
    this.#switches.add(recording);
    return recording;
  }

  /** What the policies say may have changed: of the publications that are live, and of those on their way to a store. */
  async refresh(): Promise<void> {
    for (const recording of this.#switches) recording.follow();
    await this.#uploader?.refresh();
  }

  /** The store that is meant; without `access` that of the settings. */
  store(access?: StoreAccess): Promise<ObjectStore> {
    return this.#parts.stores.open(access, this.#uploader?.storesInUse ?? new Set());
  }

  async #targetOf(header: PublicationHeader): Promise<UploadTarget | undefined> {
    const { policies, naming } = this.#parts;
    const access = policies.accessOf(header);
    if (access === undefined) return undefined;
    const store = await this.store(access === 'settings' ? undefined : access);
    return { store, layout: naming.layoutOf(header) };
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
    await this.#totals?.[Symbol.asyncDispose]();
    this.reports[Symbol.dispose]();
    await this.#spool[Symbol.asyncDispose]();
    await this.#parts.stores[Symbol.asyncDispose]();
  }

  /** Of every publication in the spool. */
  get headers(): readonly PublicationHeader[] {
    return this.#spool.headers;
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

  backlogs(): ReadonlyMap<string, BacklogView> {
    const status = this.#uploader?.status();
    const uploads = Map.groupBy(status?.publications ?? [], ({ path }) => path);
    const spooled = Map.groupBy(this.#spool.publications, ({ header }) => header.path);
    return new Map(
      [...spooled].map(([path, publications]) => [
        path,
        { upload: uploadView(uploads.get(path)), secondsAtRisk: sumAtRisk(publications, this.#recorder) },
      ]),
    );
  }

  recordings(path?: string): readonly RecordingView[] {
    return this.#list.list(path);
  }
}

function uploadView(publications: readonly PublicationBacklog[] | undefined): object | undefined {
  const newest = publications?.at(-1);
  if (publications === undefined || newest === undefined) return undefined;
  return {
    pendingSegments: publications.reduce((sum, { segments }) => sum + segments, 0),
    pendingBytes: publications.reduce((sum, { bytes }) => sum + bytes, 0),
    publications: publications.map(({ pub, segments, storedThrough }) => ({
      pub,
      pendingSegments: segments,
      storedThrough,
    })),
    store: newest.store,
  };
}

function sumAtRisk(publications: readonly QueuedPublication[], recorder: Recorder): number {
  return publications.reduce((sum, each) => sum + secondsAtRisk(each, recorder.status(each.header.path)), 0);
}
