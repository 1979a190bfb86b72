/** A closed segment on its way to the store. */
export interface SegmentSource {
  /** Absolute path of the local file; opened anew by each attempt. */
  readonly file: string;
  readonly bytes: number;
  /** SHA-256 of the whole file, hex, computed while it was written. */
  readonly sha256: string;
  readonly contentType: string;
}

/** How an object that was sent in parts is checksummed by an S3 store: SHA-256 (base64) of the parts' SHA-256, `-` and their number. */
export interface PartsChecksum {
  readonly partBytes: number;
  readonly sha256: string;
}

/** The store holds exactly this segment. */
export interface StoredSegment {
  /** It had been there already, from an attempt whose answer was lost. */
  readonly wasPresent: boolean;
  readonly parts?: PartsChecksum;
}

/** A small object and the version to give to `swap`. */
export interface VersionedBytes {
  readonly bytes: Buffer;
  readonly version: string;
}

/** An entry of a folder; `bytes` is undefined for folders and where the store does not say. */
export interface ListedObject {
  readonly name: string;
  readonly bytes: number | undefined;
}

/**
 * Where recordings end. Keys are relative to the store's prefix. Every function makes one attempt, bounded in time; all throw
 * Fault with one of STORE_FAULTS, or the signal's reason when it aborts.
 */
export interface ObjectStore extends AsyncDisposable {
  /** For logs; holds no secrets. */
  readonly url: string;
  /**
   * Stores a segment under a key that no object has, and returns when the store has confirmed its checksum.
   * @throws Fault ERR_STORE_CONFLICT where another object has the key, ERR_STORE_CHECKSUM where what arrived, or what lies on
   * disk, is not the segment; ERR_UPLOAD_SOURCE where the local file can't be read
   */
  putSegment(key: string, source: SegmentSource, signal: AbortSignal): Promise<StoredSegment>;
  /** Whether the object under this key is the segment. */
  findSegment(key: string, source: SegmentSource, signal: AbortSignal): Promise<StoredSegment | undefined>;
  /** Reads a manifest, index or playlist (at most 64 MiB); undefined where there is none. */
  read(key: string, signal: AbortSignal): Promise<VersionedBytes | undefined>;
  /**
   * Writes such an object in one step if its version still is `expected` (undefined: it does not exist). Returns the new version.
   * @throws Fault ERR_STORE_CHANGED where somebody else has written it
   */
  swap(
    key: string,
    bytes: Buffer,
    contentType: string,
    expected: string | undefined,
    signal: AbortSignal,
  ): Promise<string>;
  /** What lies in a folder ('' or ending in '/'), without what lies in folders below. */
  list(folder: string, signal: AbortSignal): Promise<readonly ListedObject[]>;
  /** Keys of everything below a folder (ending in '/'), at most REMOVE_BATCH at a time. What comes or goes meanwhile may be in them or not. */
  keysBelow(folder: string, signal: AbortSignal): AsyncIterable<readonly string[]>;
  /** Deletes at most REMOVE_BATCH objects; one that is gone already is as good as deleted. */
  remove(keys: readonly string[], signal: AbortSignal): Promise<void>;
}

/** Objects that are deleted with one request (Amazon S3 API, DeleteObjects). */
export const REMOVE_BATCH = 1000;

/** Bytes of the largest manifest, index or playlist that is read. */
export const MAX_SMALL_OBJECT = 64 * 1024 * 1024;

/** Why the store did not do as asked. `store`: so it will be for every object, for now; `object`: for this one. */
export const STORE_FAULTS = {
  /** No connection: refused, reset, no such host. */
  ERR_STORE_UNREACHABLE: 'store',
  /** No answer in time. */
  ERR_STORE_TIMEOUT: 'store',
  /** It answers with an error of its own (5xx). */
  ERR_STORE_UNAVAILABLE: 'store',
  /** It asks for fewer requests (503 SlowDown, 429). */
  ERR_STORE_SLOW_DOWN: 'store',
  /** It refuses the credentials, or there are none; for folders: EACCES, EROFS. */
  ERR_STORE_ACCESS: 'store',
  ERR_STORE_NO_BUCKET: 'store',
  ERR_STORE_FULL: 'store',
  /** It can't write conditionally, and `s3.conditionalWrites` is `required`. */
  ERR_STORE_UNSUPPORTED: 'store',
  /** Another object has the key. */
  ERR_STORE_CONFLICT: 'object',
  /** Someone else has written it since it was read. */
  ERR_STORE_CHANGED: 'object',
  /** The bytes are not those of the checksum. */
  ERR_STORE_CHECKSUM: 'object',
  /** It refuses this request (other 4xx). */
  ERR_STORE_REFUSED: 'object',
  /** The local file can't be read. */
  ERR_UPLOAD_SOURCE: 'object',
} as const;

/** The codes of STORE_FAULTS. */
export type StoreFaultCode = keyof typeof STORE_FAULTS;
