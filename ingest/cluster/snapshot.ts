import path from 'node:path';
import { RECORDING_STORE, STREAM_CONFIG, type StreamConfig } from '../../crds/stream-config.ts';
import { TOMBSTONE } from '../../crds/tombstone.ts';
import type { Log } from '../runtime/log.ts';
import { readPrivateFile, writePrivateFile } from './private-file.ts';
import type { StoreBook } from './store-book.ts';
import type { StreamSet } from './stream-set.ts';
import type { TombstoneSet } from './tombstone-set.ts';

/** What {@link Snapshot} keeps. */
export interface SnapshotParts {
  readonly set: StreamSet;
  readonly book: StoreBook;
  readonly tombstones: TombstoneSet;
}

const FILE_NAME = 'snapshot.json';
const VERSION = 1;
/** Changes are written together, this long after the first of them, ms. */
const DELAY_MS = 1_000;

/**
 * The last known configuration of a pod, on its spool's disk, readable by this user alone: a pod that starts while the API
 * server is away serves what it served before.
 */
export class Snapshot implements AsyncDisposable {
  /** Signs requests within the pool; undefined where it is not known. */
  relayKey: string | undefined;
  readonly #file: string;
  readonly #parts: SnapshotParts;
  readonly #log: Log;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();
  #hasFailed = false;

  constructor(dir: string, parts: SnapshotParts, log: Log) {
    this.#file = path.join(dir, FILE_NAME);
    this.#parts = parts;
    this.#log = log;
  }

  /**
   * Puts in force what the file holds, unless it `isLate` by the time that it is read: what is newer is known. Returns whether it did.
   */
  async restore(isLate: () => boolean): Promise<boolean> {
    try {
      const found = (await readPrivateFile(this.#file)) as Partial<Contents> | undefined;
      if (isLate()) return false;
      if (found?.version !== VERSION) return false;
      const { set, tombstones } = this.#parts;
      for (const stream of found.streams ?? []) set.apply(STREAM_CONFIG.parse(stream));
      for (const tombstone of found.tombstones ?? []) tombstones.add(TOMBSTONE.parse(tombstone));
      this.#learn(found);
      this.relayKey ??= found.relayKey;
      const seconds = Math.round((Date.now() - Date.parse(found.at ?? '')) / 1000);
      this.#log.warn({ streams: set.size, age_seconds: seconds }, 'streams as they were known last are in force');
      return true;
    } catch (error) {
      this.#log.error({ file: this.#file, err: error }, 'snapshot unreadable');
      return false;
    }
  }

  /** Learns where streams have recorded to, which the API server may not say any more. */
  async restoreStores(): Promise<void> {
    const found = await readPrivateFile(this.#file).catch(() => undefined);
    if (found !== undefined) this.#learn(found as Partial<Contents>);
  }

  /** Something has changed: the file is written soon. */
  touch(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#writing = this.#writing.then(() => this.#write());
    }, DELAY_MS).unref();
  }

  /** Writes what waits. */
  async [Symbol.asyncDispose](): Promise<void> {
    const isDue = this.#timer !== undefined;
    clearTimeout(this.#timer);
    await this.#writing;
    if (isDue) await this.#write();
  }

  #learn(contents: Partial<Contents>): void {
    for (const [uid, stores] of Object.entries(contents.stores ?? {})) {
      for (const store of stores) {
        const read = RECORDING_STORE.safeParse(store);
        if (read.success && this.#parts.book.credentialsFor(uid, read.data) === undefined)
          this.#parts.book.learn(uid, read.data);
      }
    }
  }

  async #write(): Promise<void> {
    const { set, book, tombstones } = this.#parts;
    const contents: Contents = {
      version: VERSION,
      at: new Date().toISOString(),
      streams: [...set.streams].map(({ config }) => config).filter((config) => config !== undefined),
      stores: Object.fromEntries(book.uids.map((uid) => [uid, book.of(uid)])),
      tombstones: tombstones.pending,
      ...(this.relayKey === undefined ? {} : { relayKey: this.relayKey }),
    };
    try {
      await writePrivateFile(this.#file, JSON.stringify(contents));
      this.#hasFailed = false;
    } catch (error) {
      if (!this.#hasFailed) this.#log.error({ file: this.#file, err: error }, 'snapshot not written');
      this.#hasFailed = true;
    }
  }
}

interface Contents {
  readonly version: typeof VERSION;
  readonly at: string;
  readonly streams: readonly StreamConfig[];
  readonly stores: Readonly<Record<string, readonly object[]>>;
  readonly tombstones: readonly object[];
  readonly relayKey?: string;
}
