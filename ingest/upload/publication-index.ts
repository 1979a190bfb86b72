import { recordingFolder } from '../spool/layout.ts';
import { PLAYLIST_NAME, Playlist } from '../spool/playlist.ts';
import {
  encodeRecording,
  parseRecording,
  RECORDING_NAME,
  type RecordingDocument,
  type RecordingPublication,
  withPublication,
} from '../spool/recording-document.ts';
import type { SegmentEntry } from '../spool/segment-entry.ts';
import type { QueuedPublication } from '../spool/spool-queue.ts';
import type { ObjectStore, PartsChecksum } from './object-store.ts';
import { distinctGaps, PublicationManifest } from './publication-manifest.ts';
import { VersionedObject } from './versioned-object.ts';

/**
 * While a publication is live its pages and `recording.json` follow the playlist only so often: players need the playlist at once, and
 * until the end each segment says by itself where it belongs.
 */
const PLAYLISTS_A_PAGE = 6;

/**
 * What the store says of a publication besides its segments: manifest pages, `recording.json`, `index.m3u8`, each naming only what
 * is there. A segment is named when it and all before it are stored.
 */
export class PublicationIndex {
  readonly #publication: QueuedPublication;
  readonly #manifest: PublicationManifest;
  readonly #recording: VersionedObject;
  readonly #playlistObject: VersionedObject;
  readonly #playlist: Playlist | undefined;
  /** Stored segments without a pending one before them. */
  readonly #stored: SegmentEntry[] = [];
  #bytes = 0;
  #duration = 0;
  /** What was written last: [segments, gaps, final]. */
  #written = '';
  /** Playlists since the pages were written, and the gaps that they tell of. */
  #playlistsSince = 0;
  #toldGaps = -1;

  constructor(store: ObjectStore, publication: QueuedPublication) {
    const { header } = publication;
    const folder = recordingFolder(header.path, header.recording);
    this.#publication = publication;
    this.#manifest = new PublicationManifest(store, publication, folder);
    this.#recording = new VersionedObject(store, folder + RECORDING_NAME, 'application/json');
    this.#playlistObject = new VersionedObject(store, folder + PLAYLIST_NAME, 'application/vnd.apple.mpegurl');
    this.#playlist = header.format === 'fmp4' ? new Playlist(header, folder) : undefined;
  }

  /** Whether there is anything to say that the store does not say yet. */
  get isDue(): boolean {
    this.#advance();
    const isEmpty = this.#stored.length === 0 && this.#publication.gaps.length === 0;
    return !isEmpty && this.#written !== this.#mark();
  }

  /** Bytes of the playlist: it grows, and is written whole each time. */
  get playlistBytes(): number {
    return this.#playlistObject.bytes?.length ?? 0;
  }

  noteParts(seq: number, parts: PartsChecksum): void {
    this.#manifest.noteParts(seq, parts);
  }

  /** @throws Fault of STORE_FAULTS: calling it again goes on where it stopped */
  async write(signal: AbortSignal): Promise<void> {
    this.#advance();
    const mark = this.#mark();
    const isFinal = this.#isFinal;
    if (isFinal || this.#arePagesDue) await this.#writePages(isFinal, signal);
    if (this.#playlist && this.#stored.length > 0) {
      const playlist = this.#playlist.encode(isFinal);
      await this.#playlistObject.update(signal, () => playlist);
    }
    this.#written = mark;
    this.#playlistsSince += 1;
  }

  get #arePagesDue(): boolean {
    const isFollowing = this.#playlist !== undefined && this.#toldGaps === this.#publication.gaps.length;
    return !isFollowing || this.#playlistsSince >= PLAYLISTS_A_PAGE;
  }

  async #writePages(isFinal: boolean, signal: AbortSignal): Promise<void> {
    const gaps = this.#publication.gaps.length;
    await this.#manifest.write(this.#stored, isFinal, signal);
    const own = this.#describe(isFinal);
    await this.#recording.update(signal, (present) => encodeRecording(withPublication(this.#read(present), own)));
    this.#playlistsSince = 0;
    this.#toldGaps = gaps;
  }

  get #isFinal(): boolean {
    return this.#publication.ended !== undefined && this.#publication.pending.length === 0;
  }

  #mark(): string {
    return `${this.#stored.length} ${this.#publication.gaps.length} ${this.#isFinal}`;
  }

  #advance(): void {
    const { entries, gaps } = this.#publication;
    for (let entry = entries[this.#stored.length]; entry; entry = entries[this.#stored.length]) {
      if (!this.#publication.isStored(entry.seq)) return;
      this.#stored.push(entry);
      this.#bytes += entry.bytes;
      this.#duration += entry.duration;
      this.#playlist?.add(entry, gaps);
    }
  }

  #describe(isFinal: boolean): RecordingPublication {
    const { header, sourceDtsOffset, gaps, ended } = this.#publication;
    return {
      epoch: header.epoch,
      pub: header.pub,
      startedAt: header.startedAt,
      container: header.format,
      timeline: header.timeline,
      sourceDtsOffset,
      segments: this.#manifest.count,
      bytes: this.#bytes,
      duration: this.#duration,
      pages: this.#manifest.pages,
      gaps: distinctGaps(gaps),
      ended: isFinal ? ended : undefined,
    };
  }

  /** The document to put this publication into; one that can't be read holds nothing that the pages don't. */
  #read(present: Buffer | undefined): RecordingDocument {
    const { path, owner, recording } = this.#publication.header;
    const playlist = this.#playlist ? PLAYLIST_NAME : null;
    const fresh = { path, owner, recording, publications: [], closed: false, playlist, previous: null, next: null };
    if (present === undefined) return fresh;
    try {
      const found = parseRecording(present);
      return found.path === path && found.recording === recording ? found : fresh;
    } catch {
      return fresh;
    }
  }
}
