import type { RecordingStore, StoreCredentials } from '../../crds/stream-config.ts';

/** A store without the credentials for it. */
export type StorePlace = Omit<RecordingStore, 'credentials'>;

/** Stores of one stream that are remembered: each change of store adds one. */
const MAX_STORES = 64;

/**
 * The stores that streams record to, or have recorded to, with the newest credentials for each: what was recorded for a store
 * goes there even when the stream has moved on. One stream's credentials are never used for another's recordings.
 */
export class StoreBook {
  readonly #stores = new Map<string, RecordingStore[]>();

  /** The stream with this uid records to this store, or did. */
  learn(uid: string, store: RecordingStore): void {
    const others = (this.#stores.get(uid) ?? []).filter((other) => !isSamePlace(other, store));
    this.#stores.set(uid, [...others, store].slice(-MAX_STORES));
  }

  /** All stores of a stream, the newest last. */
  of(uid: string): readonly RecordingStore[] {
    return this.#stores.get(uid) ?? [];
  }

  /** Credentials for a store of a stream: null for the process's own, undefined where none are known. */
  credentialsFor(uid: string, place: StorePlace): StoreCredentials | null | undefined {
    return this.of(uid).find((store) => isSamePlace(store, place))?.credentials;
  }

  /** Nothing of the stream is left to be stored or deleted. */
  forget(uid: string): void {
    this.#stores.delete(uid);
  }

  get uids(): readonly string[] {
    return [...this.#stores.keys()];
  }
}

function isSamePlace(a: StorePlace, b: StorePlace): boolean {
  const { url, endpoint, region, forcePathStyle } = a;
  return url === b.url && endpoint === b.endpoint && region === b.region && forcePathStyle === b.forcePathStyle;
}
