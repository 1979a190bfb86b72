import { setTimeout as delay } from 'node:timers/promises';
import { encodePath } from '../spool/key-encoding.ts';
import { parsePage } from '../spool/manifest.ts';
import { parseRecording, RECORDING_NAME } from '../spool/recording-document.ts';
import { type ObjectStore, REMOVE_BATCH } from './object-store.ts';

/** `YYYYMMDDTHHMMSSZ-<epoch>`. */
const RECORDING_ID = /^\d{8}T\d{6}Z-\d+$/;
const PAGES = 'pub/';
/** As `pageName` makes it; what a killed process left of one begins with a dot. */
const PAGE_NAME = /^\d+-.+-\d+\.json$/;

/** What was deleted. */
export interface Removed {
  readonly recordings: number;
  readonly objects: number;
  /** Recordings whose owner, or whose objects, could not be found out: they are left alone. */
  readonly unclear: number;
}

/**
 * Deletes the recordings of one owner under a path of a store, and no others. What names a recording's objects goes after them,
 * and what names its owner last: cut off anywhere and run again, it goes on. `pauseMs`: between two requests.
 */
export class RecordingRemoval {
  readonly #store: ObjectStore;
  readonly #owner: string;
  readonly #pauseMs: number;
  readonly #signal: AbortSignal;
  #objects = 0;

  constructor(store: ObjectStore, owner: string, pauseMs: number, signal: AbortSignal) {
    this.#store = store;
    this.#owner = owner;
    this.#pauseMs = pauseMs;
    this.#signal = signal;
  }

  /** @throws Fault of STORE_FAULTS, the signal's reason */
  async run(path: string): Promise<Removed> {
    const folder = `${encodePath(path)}/`;
    let recordings = 0;
    let unclear = 0;
    for (const { name, bytes } of await this.#paced(() => this.#store.list(folder, this.#signal))) {
      if (bytes !== undefined || !RECORDING_ID.test(name)) continue;
      const owner = await this.#ownerOf(`${folder}${name}/`);
      if (owner === undefined) unclear += 1;
      if (owner !== this.#owner) continue;
      if (await this.#remove(`${folder}${name}/`)) recordings += 1;
      else unclear += 1;
    }
    return { recordings, objects: this.#objects, unclear };
  }

  /** As `recording.json` says, or where that is not there or not readable, a page of a manifest. */
  async #ownerOf(folder: string): Promise<string | undefined> {
    const document = await this.#read(folder + RECORDING_NAME);
    const said = document && readOrUndefined(() => parseRecording(document).owner);
    if (said !== undefined) return said;
    for await (const page of this.#pages(folder)) if (page !== undefined) return page.header.owner;
    return undefined;
  }

  /** False where a page can't be read: what it names would never be found again. */
  async #remove(folder: string): Promise<boolean> {
    // With a pattern segments may lie elsewhere: the manifests know where.
    const elsewhere: string[] = [];
    for await (const page of this.#pages(folder)) {
      if (page === undefined) return false;
      for (const { key } of page.entries) if (!key.startsWith(folder)) elsewhere.push(key);
    }
    await this.#removeAll(elsewhere);
    const last: string[] = [];
    for await (const keys of this.#store.keysBelow(folder, this.#signal)) {
      await this.#pause();
      const isLast = (key: string) => key.startsWith(folder + PAGES) || key === folder + RECORDING_NAME;
      last.push(...keys.filter(isLast));
      await this.#removeAll(keys.filter((key) => !isLast(key)));
    }
    await this.#removeAll(last.filter((key) => key !== folder + RECORDING_NAME));
    await this.#removeAll([folder + RECORDING_NAME]);
    return true;
  }

  /** Undefined for a page that can't be read. */
  async *#pages(folder: string) {
    for (const { name } of await this.#paced(() => this.#store.list(folder + PAGES, this.#signal))) {
      if (!PAGE_NAME.test(name)) continue;
      const bytes = await this.#read(folder + PAGES + name);
      if (bytes !== undefined) yield readOrUndefined(() => parsePage(bytes));
    }
  }

  async #read(key: string): Promise<Buffer | undefined> {
    return (await this.#paced(() => this.#store.read(key, this.#signal)))?.bytes;
  }

  async #removeAll(keys: readonly string[]): Promise<void> {
    for (let at = 0; at < keys.length; at += REMOVE_BATCH) {
      const batch = keys.slice(at, at + REMOVE_BATCH);
      await this.#paced(() => this.#store.remove(batch, this.#signal));
      this.#objects += batch.length;
    }
  }

  async #paced<T>(request: () => Promise<T>): Promise<T> {
    const result = await request();
    await this.#pause();
    return result;
  }

  #pause(): Promise<unknown> {
    return delay(this.#pauseMs, undefined, { signal: this.#signal });
  }
}

function readOrUndefined<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
