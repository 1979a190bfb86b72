import path from 'node:path';
import { RECORDING_STORE, STREAM_CONFIG } from '../../crds/stream-config.ts';
import { TOMBSTONE } from '../../crds/tombstone.ts';
import type { LocalKeys } from './local-keys.ts';
import { readPrivateFile, writePrivateFile } from './private-file.ts';
import type { StoreBook } from './store-book.ts';
import type { TombstoneSet } from './tombstone-set.ts';

/** What an API server would remember of a LiveStream. */
export interface LocalStream {
  readonly uid: string;
  readonly keys: LocalKeys;
  /** `recording.deletionPolicy` is Delete. */
  readonly deletes: boolean;
}

const FILE_NAME = 'state.json';
const VERSION = 1;

/**
 * What `--streams` remembers over restarts, in one file on the spool's disk: uids, generated keys, where streams have recorded
 * to, and what is still to be deleted.
 */
export class LocalState {
  /** By path. */
  readonly streams = new Map<string, LocalStream>();
  readonly #book: StoreBook;
  readonly #tombstones: TombstoneSet;
  readonly #file: string;
  #written = '';
  #turn: Promise<void> = Promise.resolve();

  private constructor(dir: string, book: StoreBook, tombstones: TombstoneSet) {
    this.#file = path.join(dir, FILE_NAME);
    this.#book = book;
    this.#tombstones = tombstones;
  }

  /** @throws the disk's errors, and what can't be read of the file: it must not be overwritten by a new one with other uids */
  static async load(dir: string, book: StoreBook, tombstones: TombstoneSet): Promise<LocalState> {
    const state = new LocalState(dir, book, tombstones);
    const found = (await readPrivateFile(state.#file)) as Partial<Contents> | undefined;
    if (found === undefined) return state;
    if (found.version !== VERSION) throw new Error(`${state.#file} is of another version`);
    for (const [name, { uid, keys, deletes }] of Object.entries(found.streams ?? {})) {
      const credentials = STREAM_CONFIG.shape.credentials.parse(keys.credentials);
      state.streams.set(name, { uid, keys: { generation: keys.generation, credentials }, deletes });
    }
    for (const [uid, stores] of Object.entries(found.stores ?? {}))
      for (const store of stores) book.learn(uid, RECORDING_STORE.parse(store));
    for (const tombstone of found.tombstones ?? []) tombstones.add(TOMBSTONE.parse(tombstone));
    return state;
  }

  /** Writes the file, where anything has changed. @throws the disk's errors */
  save(): Promise<void> {
    const done = this.#turn.then(async () => {
      const text = this.#encode();
      if (text === this.#written) return;
      await writePrivateFile(this.#file, text);
      this.#written = text;
    });
    this.#turn = done.catch(() => {});
    return done;
  }

  #encode(): string {
    const contents: Contents = {
      version: VERSION,
      streams: Object.fromEntries(this.streams),
      stores: Object.fromEntries(this.#book.uids.map((uid) => [uid, this.#book.of(uid)])),
      tombstones: this.#tombstones.pending,
    };
    return `${JSON.stringify(contents, undefined, 1)}\n`;
  }
}

interface Contents {
  readonly version: typeof VERSION;
  readonly streams: Readonly<Record<string, LocalStream>>;
  readonly stores: Readonly<Record<string, readonly object[]>>;
  readonly tombstones: readonly object[];
}
