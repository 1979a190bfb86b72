import type { Config } from '../config/schema.ts';
import { Fault } from '../runtime/fault.ts';
import type { Log } from '../runtime/log.ts';
import type { Meter } from '../runtime/meter.ts';
import { type Disk, errorCode, makeFolders, NODE_DISK, removeFile } from './disk.ts';
import { Journal } from './journal.ts';
import { encodeComponent } from './key-encoding.ts';
import { PublicationState } from './publication-state.ts';
import { recoverPublication } from './recovery.ts';
import { salvageSegment } from './salvage.ts';
import type { PublicationHeader } from './segment-entry.ts';
import type { NameSource } from './segment-names.ts';
import { findLeftovers } from './spool-leftovers.ts';
import { SpoolLock } from './spool-lock.ts';
import type { QueuedPublication, SpoolQueue } from './spool-queue.ts';
import { JOURNAL_NAME, SpooledPublication, type SpoolHost } from './spooled-publication.ts';
import { type SpoolUsage, Watermark } from './watermark.ts';

/** What a spool is opened with. */
export interface SpoolOptions {
  readonly settings: Config['spool'];
  /** Gives recovered segments their keys. */
  readonly names: NameSource;
  readonly log: Log;
  readonly meter: Meter;
  readonly disk?: Disk;
}

/** How often usage is looked at and delayed work tried again. */
const TICK_MS = 1000;
/** How long what could not be recovered rests before the next try. */
const RECOVERY_RETRY_MS = 5000;

/**
 * The local folder where segments wait until the store has them: `<dir>/<path>/<recording>/<epoch>-<pub>/`, each with its
 * journal. One process at a time.
 */
export class Spool implements SpoolQueue {
  readonly dir: string;
  readonly #options: SpoolOptions;
  readonly #disk: Disk;
  readonly #publications: SpooledPublication[] = [];
  /** Found at the start and not in order yet. */
  #leftovers: SpooledPublication[] = [];
  readonly #listeners = new Set<(publication: QueuedPublication) => void>();
  readonly #changed = new Set<SpooledPublication>();
  readonly #watermark: Watermark;
  readonly #host: SpoolHost;
  readonly #timer: NodeJS.Timeout;
  #usedBytes = 0;
  #lock: SpoolLock | undefined;
  #opening: Promise<void> | undefined;
  #folders: Promise<unknown> = Promise.resolve();
  #recovery: Promise<void> = Promise.resolve();
  #nextRecoveryAt = Number.POSITIVE_INFINITY;
  #ticking: Promise<void> | undefined;
  #fault: Fault | undefined;
  #isClosed = false;
  #warned: SpoolUsage['level'] = 'ok';

  private constructor(options: SpoolOptions) {
    this.#options = options;
    this.dir = options.settings.dir;
    this.#disk = options.disk ?? NODE_DISK;
    this.#watermark = new Watermark(options.settings);
    this.#host = {
      disk: this.#disk,
      log: options.log,
      account: (bytes) => {
        this.#usedBytes += bytes;
      },
      changed: (publication) => this.#notify(publication),
      salvage: (publication, seq) => this.#salvage(publication, seq),
      finished: (publication) => this.#finished(publication),
    };
    this.#registerGauges(options.meter);
    this.#timer = setInterval(() => this.#tick(), TICK_MS).unref();
  }

  /**
   * Opens the spool: takes its lock, reads its journals, and starts recovery in the background. Where the folder can't be
   * used now (`fault` says why), it is tried again every second and by each `openPublication`.
   * @throws Fault ERR_SPOOL_LOCKED while another process uses it
   */
  static async open(options: SpoolOptions): Promise<Spool> {
    const spool = new Spool(options);
    try {
      await spool.#ensureOpen();
    } catch (error) {
      if (error instanceof Fault && error.code === 'ERR_SPOOL_UNWRITABLE') {
        options.log.error({ dir: spool.dir, code: error.code, err: error }, 'spool unusable');
        return spool;
      }
      await spool[Symbol.asyncDispose]();
      throw error;
    }
    return spool;
  }

  get publications(): readonly QueuedPublication[] {
    return this.#publications;
  }

  /** Of every publication in it, those that recovery still works on too. */
  get headers(): readonly PublicationHeader[] {
    return [...this.#leftovers, ...this.#publications].map(({ header }) => header);
  }

  /** Why the folder can't be used at present: ERR_SPOOL_UNWRITABLE with a sentence. */
  get fault(): Fault | undefined {
    return this.#fault;
  }

  get usage(): SpoolUsage {
    return { ...this.#watermark.usage, usedBytes: this.#usedBytes };
  }

  /** Whether nothing of such a publication may be recorded, because the spool is full and that says StopRecording. */
  isStopped(publication: Pick<PublicationHeader, 'onFull'>): boolean {
    return this.#watermark.usage.level === 'full' && this.#onFull(publication) === 'StopRecording';
  }

  /** Resolves when what an earlier process left is in order, and in the queue. */
  get recovered(): Promise<void> {
    return this.#recovery;
  }

  onChange(listener: (publication: QueuedPublication) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Makes the folder of a publication and its journal, both durable.
   * @throws Fault ERR_SPOOL_UNWRITABLE; the disk's errors
   */
  async openPublication(header: PublicationHeader): Promise<SpooledPublication> {
    if (this.#isClosed) throw new Fault('ERR_SPOOL_CLOSED', 'the server is stopping');
    await this.#ensureOpen();
    const folder = folderOf(this.dir, header);
    const journal = await this.#inTurn(() => this.#makeJournal(folder, header));
    this.#usedBytes += journal.bytes;
    const publication = new SpooledPublication(this.#host, folder, journal, new PublicationState(header));
    this.#enqueue(publication);
    return publication;
  }

  async #makeJournal(folder: string, header: PublicationHeader): Promise<Journal> {
    const path = `${folder}/${JOURNAL_NAME}`;
    await makeFolders(this.#disk, folder);
    await removeFile(this.#disk, path); // Nobody else has the folder: an earlier try failed halfway.
    const journal = await Journal.create(this.#disk, path, [{ t: 'open', ...header }]);
    try {
      await this.#disk.syncFolder(folder);
    } catch (error) {
      await journal.close();
      throw error;
    }
    return journal;
  }

  /** Looks at the disk now, not at the next tick, and drops what is to be dropped: before recording goes on. @throws the disk's errors */
  async makeRoom(): Promise<void> {
    await this.#ticking;
    await this.#work();
  }

  async #refreshUsage(): Promise<SpoolUsage> {
    return this.#watermark.update(this.#usedBytes, await this.#disk.freeBytes(this.dir), performance.now());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearInterval(this.#timer);
    await this.#ticking;
    await this.#recovery;
    await Promise.all([...this.#leftovers, ...this.#publications].map((publication) => publication.release()));
    await this.#lock?.release().catch(() => {});
  }

  #ensureOpen(): Promise<void> {
    if (this.#lock) return Promise.resolve();
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async #open(): Promise<void> {
    try {
      await makeFolders(this.#disk, this.dir);
      this.#lock = await SpoolLock.take(this.#disk, this.dir);
      this.#leftovers = await findLeftovers(this.#host, this.dir, this.#options.names);
      this.#fault = undefined;
      await this.#refreshUsage();
      this.#recovery = this.#recover();
    } catch (error) {
      if (error instanceof Fault) throw error;
      this.#usedBytes = 0;
      await this.#lock?.release().catch(() => {});
      this.#lock = undefined;
      this.#fault = new Fault('ERR_SPOOL_UNWRITABLE', unwritable(this.dir, error), { cause: error });
      throw this.#fault;
    }
  }

  /** One pass over what is not in order yet; what the disk does not let it mend is tried again later. */
  async #recover(): Promise<void> {
    for (const publication of [...this.#leftovers]) {
      if (this.#isClosed) return;
      const { path, recording, pub } = publication.header;
      const fields = { stream_key: path, recording, pub };
      try {
        const report = await recoverPublication(this.#host, publication, this.#options.names);
        this.#options.log.info({ ...fields, ...report, pending: publication.pending.length }, 'publication recovered');
        if (report.recovered > 0) this.#options.meter.count('headwater_segments_total', 'recovered', report.recovered);
      } catch (error) {
        this.#options.log.error({ ...fields, code: errorCode(error), err: error }, 'recovery failed, tried again');
        continue;
      }
      this.#leftovers = this.#leftovers.filter((other) => other !== publication);
      this.#enqueue(publication);
      this.#notify(publication);
    }
    this.#nextRecoveryAt = performance.now() + RECOVERY_RETRY_MS;
  }

  #enqueue(publication: SpooledPublication): void {
    const { epoch } = publication.header;
    const at = this.#publications.findLastIndex((other) => other.header.epoch <= epoch) + 1;
    this.#publications.splice(at, 0, publication);
  }

  async #salvage(publication: SpooledPublication, seq: number): Promise<void> {
    await salvageSegment(this.#disk, publication, seq);
    this.#options.log.error({ stream_key: publication.header.path, seq }, 'closed segment damaged');
  }

  async #finished(publication: SpooledPublication): Promise<void> {
    const at = this.#publications.indexOf(publication);
    if (at >= 0) this.#publications.splice(at, 1);
    await this.#inTurn(() => removeEmptyFolders(this.#disk, publication.folder, this.dir));
  }

  /** Making and removing folders of one tree, one after the other: else one removes what another is about to fill. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#folders.then(work);
    this.#folders = done.catch(() => {});
    return done;
  }

  #notify(publication: SpooledPublication): void {
    if (this.#changed.size === 0) setImmediate(() => this.#callListeners());
    this.#changed.add(publication);
  }

  #callListeners(): void {
    const changed = [...this.#changed];
    this.#changed.clear();
    if (this.#isClosed) return;
    for (const publication of changed) for (const listener of this.#listeners) listener(publication);
  }

  #tick(): void {
    this.#ticking ??= this.#work()
      .catch((error: unknown) => this.#options.log.debug({ code: errorCode(error) }, 'spool not reachable'))
      .finally(() => {
        this.#ticking = undefined;
      });
  }

  async #work(): Promise<void> {
    if (!this.#lock) await this.#ensureOpen();
    if (this.#leftovers.length > 0 && performance.now() > this.#nextRecoveryAt) {
      this.#nextRecoveryAt = Number.POSITIVE_INFINITY;
      this.#recovery = this.#recover();
    }
    for (const publication of [...this.#publications]) {
      if (publication.hasUnwritten) await publication.flush().catch(() => {});
    }
    const usage = await this.#refreshUsage();
    this.#warn(usage);
    if (usage.level === 'full') await this.#dropOldest();
  }

  #onFull({ onFull }: Pick<PublicationHeader, 'onFull'>): Config['spool']['onFull'] {
    return onFull ?? this.#options.settings.onFull;
  }

  /**
   * Of those that say so, until halfway below the mark, so that not every new segment costs an old one at once. Where the disk does not
   * take the line that says so, nothing is freed by giving up more.
   */
  async #dropOldest(): Promise<void> {
    while (!this.#isClosed && (await this.#refreshUsage()).level === 'full') {
      const publication = this.#publications.find(
        ({ pending, header, hasUnwritten }) =>
          pending.length > 0 && !hasUnwritten && this.#onFull(header) === 'DropOldest',
      );
      const oldest = publication?.pending[0];
      if (publication === undefined || oldest === undefined) return;
      const { seq, duration } = oldest.entry;
      const seconds = duration / 90_000;
      await publication.drop(seq);
      this.#options.meter.count('headwater_segments_total', 'dropped');
      this.#options.meter.count('headwater_recording_dropped_seconds_total', 'disk-full', seconds);
      this.#options.log.error({ stream_key: publication.header.path, seq, seconds }, 'segment dropped, spool full');
      if (publication.hasUnwritten) return;
    }
  }

  #warn({ level, usedBytes, limitBytes, secondsToFull }: SpoolUsage): void {
    if (level === this.#warned) return;
    this.#warned = level;
    const fields = { used_bytes: usedBytes, limit_bytes: limitBytes, seconds_to_full: Math.round(secondsToFull) };
    if (level === 'ok') this.#options.log.info(fields, 'spool has room again');
    else
      this.#options.log.warn(
        { ...fields, on_full: this.#options.settings.onFull },
        level === 'full' ? 'spool full' : 'spool nearly full',
      );
  }

  #registerGauges(meter: Meter): void {
    meter.gauge('headwater_spool_used_bytes', () => this.#usedBytes);
    meter.gauge('headwater_spool_limit_bytes', () => this.#watermark.usage.limitBytes);
    meter.gauge('headwater_spool_seconds_to_full', () => this.#watermark.usage.secondsToFull);
  }
}

function folderOf(dir: string, header: PublicationHeader): string {
  return `${dir}/${encodeComponent(header.path)}/${header.recording}/${header.epoch}-${header.pub}`;
}

async function removeEmptyFolders(disk: Disk, folder: string, top: string): Promise<void> {
  for (
    let path = folder;
    path.length > top.length && path.startsWith(`${top}/`);
    path = path.slice(0, path.lastIndexOf('/'))
  ) {
    try {
      await disk.rmdir(path);
    } catch {
      return; // Something is still in it: a damaged file that was set aside, another publication.
    }
  }
}

function unwritable(dir: string, error: unknown): string {
  const reasons: Record<string, string> = {
    EACCES: 'this user may not write there',
    EPERM: 'this user may not write there',
    EROFS: 'the file system is mounted read-only',
    ENOSPC: 'the disk is full',
    ENOTDIR: 'a part of the path is a file',
  };
  const why = reasons[errorCode(error)] ?? (error instanceof Error ? error.message : String(error));
  return `can't record into ${dir}: ${why}. Nothing is recorded until this is put right (or choose another folder with --spool, --record-dir or --store)`;
}
