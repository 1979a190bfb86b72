import type { PublicationHeader, RecordingGap, SegmentEntry } from './segment-entry.ts';

/** A closed segment that waits for the store. */
export interface PendingSegment {
  readonly entry: SegmentEntry;
  /** Absolute path of the local file. */
  readonly file: string;
  /** `Date.now()` when it was closed; for recovered ones, when it was found. */
  readonly closedAt: number;
}

/** What the uploader sees of one publication in the spool, and what it may do with it. */
export interface QueuedPublication {
  readonly header: PublicationHeader;
  /** Source DTS = tfdt + sourceDtsOffset; undefined before the first segment. */
  readonly sourceDtsOffset: number | undefined;
  /** All closed segments by seq, stored or not; `entry.key` is the key it was stored under once it is stored. Dropped ones are not in it. The list itself, like `pending`: it changes with the publication. */
  readonly entries: readonly SegmentEntry[];
  readonly gaps: readonly RecordingGap[];
  /** How it ended; undefined while more segments may follow. */
  readonly ended: { readonly cause: string; readonly at: string } | undefined;
  /** Closed and not yet stored or dropped, by seq. */
  readonly pending: readonly PendingSegment[];
  readonly storedThrough: number;
  isStored(seq: number): boolean;
  /** The store has confirmed `sha256` under `key`: journalled and synced, then the local file is deleted. */
  markStored(seq: number, key: string): Promise<void>;
  /** SHA-256 (hex) of the local file as it is now, off the event loop. @throws the disk's errors */
  sha256(seq: number): Promise<string>;
  /** The local file no longer has its checksum, or can't be read. Keeps the fragments whose CRC is right as a new segment under the same seq (recovered), declares the rest as a gap;
   *  the damaged file is set aside as `<name>.damaged`. */
  salvage(seq: number): Promise<void>;
  /** Everything is stored, its final manifest too: the journal goes. */
  finish(): Promise<void>;
}

/** The durable upload queue: publications in the order of their epochs. */
export interface SpoolQueue {
  readonly publications: readonly QueuedPublication[];
  /** Called, never re-entrantly from a mark…, when a segment was closed, a gap declared or a publication ended. Returns the function that stops it. */
  onChange(listener: (publication: QueuedPublication) => void): () => void;
}
