import type { EndCause, Ticks } from '../media/media-event.ts';

/** What is said of a segment in the publication's journal (local) and in its manifest (store). */
export interface SegmentEntry {
  /** From 1, without holes, within the publication. */
  readonly seq: number;
  /** Key under the store's prefix. The store may have had to take another: then the manifest has that one. */
  readonly key: string;
  /** Start on the recording's timeline (what `tfdt` counts), in 90 kHz ticks, and length. */
  readonly tfdt: number;
  readonly duration: number;
  /** Wall clock of the first frame, RFC 3339 with milliseconds, UTC. */
  readonly start: string;
  readonly bytes: number;
  /** SHA-256 of the whole file, hex. */
  readonly sha256: string;
  /** Bytes of `ftyp moov`: what EXT-X-MAP addresses. 0 for FLV. */
  readonly headerBytes: number;
  /** CRC-32 of the header, unsigned: equal headers need no second EXT-X-MAP discontinuity. */
  readonly headerCrc: number;
  /** Byte offset, start and duration of each fragment, for byte-range listing: [offset, tfdt, duration]. Only where the segment is longer than the playlist's target. */
  readonly fragments?: readonly (readonly [number, number, number])[];
  /** Starts on a keyframe (or has no video). */
  readonly aligned: boolean;
  /** Closed by the recovery scan after a crash. */
  readonly recovered: boolean;
}

/** Media the recording lacks: on the recording's timeline, 90 kHz ticks. `to` is absent where the end is not known (a crash). */
export interface RecordingGap {
  readonly from: number;
  readonly to?: number;
  readonly cause:
    | 'loss'
    | 'stall'
    | 'clock'
    | 'disk-full'
    | 'disk-error'
    | 'overload'
    | 'crash'
    | 'damaged'
    | 'no-keyframe';
}

/** A store without the credentials for it: those are never in the spool. */
export interface StoreRef {
  /** `s3://bucket/prefix` or `file:///dir`. */
  readonly url: string;
  /** Null: Amazon's. */
  readonly endpoint: string | null;
  /** Null: what the settings of the process say; `forcePathStyle` likewise. */
  readonly region: string | null;
  readonly forcePathStyle: boolean | null;
  /** The stream brings credentials for it; else those of the process are used. */
  readonly hasOwnCredentials: boolean;
}

/** How one stream is recorded, where it says so itself; what is absent is as the settings of the process have it. */
export interface RecordingFacts {
  /** LiveStream uid; empty without one. */
  readonly owner: string;
  readonly store?: StoreRef;
  /** Null: names of the layout. */
  readonly segmentPattern?: string | null;
  readonly onFull?: 'DropOldest' | 'StopRecording';
}

/** Fixed when recording of a publication starts; the first line of its journal, fsynced before its first media byte. */
export interface PublicationHeader extends RecordingFacts {
  readonly version: 1;
  readonly path: string;
  /** `YYYYMMDDTHHMMSSZ-<epoch>`. */
  readonly recording: string;
  readonly epoch: number;
  readonly pub: string;
  readonly format: 'fmp4' | 'flv';
  /** Wall clock at which the publisher was accepted, RFC 3339. */
  readonly startedAt: string;
  /** `record.segmentDuration` in ms; the playlist's target is made from it once. */
  readonly segmentDuration: number;
  /** `file`: each segment counts from 0. */
  readonly timeline: 'recording' | 'file';
}

/** What is said of a segment's media together with the segment: one line of the journal, so that a crash keeps all of it or nothing. */
export interface ClosedFacts {
  /** Time on the recording's timeline behind which media may be missing, where that is not the segment's end. */
  readonly through?: number;
  /** What is missing before and in it. */
  readonly gaps?: readonly RecordingGap[];
}

/** One line of a publication's journal in the spool: `<crc32 hex> <json>\n`; a torn last line is ignored. */
export type JournalLine =
  | ({ readonly t: 'open' } & PublicationHeader)
  /** Source DTS = tfdt + sourceDtsOffset. Written with the first segment. */
  | { readonly t: 'base'; readonly sourceDtsOffset: number }
  /** A segment was renamed from .part: now it waits for the store. `file` is its name beside the journal. */
  | ({ readonly t: 'closed'; readonly file: string; readonly entry: SegmentEntry } & ClosedFacts)
  | { readonly t: 'gap'; readonly gap: RecordingGap }
  /** The store confirmed it under `key`; the local file goes after this line is synced. */
  | { readonly t: 'stored'; readonly seq: number; readonly key: string }
  /** Given up with everything in it declared as a gap: dropped for room, or found damaged. */
  | { readonly t: 'dropped'; readonly seq: number; readonly cause: 'disk-full' | 'damaged'; readonly gap: RecordingGap }
  /** No more segments follow. */
  | { readonly t: 'end'; readonly cause: EndCause | 'crash'; readonly at: string };

/** What was acknowledged: the last fragment of a publication whose `fdatasync` has returned. `dts` is the end of it on the source's clock. */
export interface DurableMark {
  readonly pub: string;
  readonly seq: number;
  readonly dts: Ticks;
}
