import {
  encodePage,
  hashEntry,
  hashOf,
  type ManifestEntry,
  PAGE_ENTRIES,
  pageName,
  parsePage,
} from '../spool/manifest.ts';
import type { RecordingGap, SegmentEntry } from '../spool/segment-entry.ts';
import type { QueuedPublication } from '../spool/spool-queue.ts';
import type { ObjectStore, PartsChecksum } from './object-store.ts';
import { VersionedObject } from './versioned-object.ts';

/** A page of the manifest as it lies in the store. */
export interface StoredPage {
  /** Relative to the recording's folder. */
  readonly key: string;
  readonly sha256: string;
}

/** Writes a publication's manifest pages, and finds those that an earlier process has written. */
export class PublicationManifest {
  readonly #store: ObjectStore;
  readonly #publication: QueuedPublication;
  readonly #folder: string;
  readonly #pages: StoredPage[] = [];
  /** Gaps in closed pages, as JSON: each is said once. */
  readonly #saidGaps = new Set<string>();
  readonly #parts = new Map<number, PartsChecksum>();
  #open: VersionedObject;
  #openEntries: ManifestEntry[] = [];
  #lastHash = '';
  #count = 0;
  #isLoaded: boolean;

  /** @param folder key of the recording's folder, ending in '/' */
  constructor(store: ObjectStore, publication: QueuedPublication, folder: string) {
    this.#store = store;
    this.#publication = publication;
    this.#folder = folder;
    this.#open = this.#page(1);
    this.#isLoaded = publication.storedThrough === 0;
  }

  /** Segments in the manifest. */
  get count(): number {
    return this.#count;
  }

  /** Closed pages, then the open one, where it is written. */
  get pages(): readonly StoredPage[] {
    const { bytes } = this.#open;
    return bytes ? [...this.#pages, { key: this.#nameOf(this.#pages.length + 1), sha256: hashOf(bytes) }] : this.#pages;
  }

  /** Remembers how the store has checksummed a segment that went in parts. */
  noteParts(seq: number, parts: PartsChecksum): void {
    this.#parts.set(seq, parts);
  }

  /**
   * Brings the pages up to `entries`, the stored segments of the publication in order; `isFinal`: no more follow.
   * @throws Fault of STORE_FAULTS: calling it again goes on where it stopped
   */
  async write(entries: readonly SegmentEntry[], isFinal: boolean, signal: AbortSignal): Promise<void> {
    if (!this.#isLoaded) await this.#load(entries, signal);
    this.#isLoaded = true;
    while (this.#count < entries.length) {
      if (this.#openEntries.length === PAGE_ENTRIES) await this.#close(signal);
      this.#append(entries[this.#count]!);
    }
    await this.#put(!isFinal, signal);
  }

  #append(entry: SegmentEntry, parts = this.#parts.get(entry.seq)): void {
    const linked: ManifestEntry = { ...entry, before: this.#lastHash, ...(parts ? { parts } : {}) };
    this.#openEntries.push(linked);
    this.#lastHash = hashEntry(linked);
    this.#parts.delete(entry.seq);
    this.#count += 1;
  }

  async #close(signal: AbortSignal): Promise<void> {
    const gaps = await this.#put(false, signal);
    this.#turnPage(gaps);
  }

  #turnPage(gaps: readonly RecordingGap[]): void {
    this.#pages.push({ key: this.#nameOf(this.#pages.length + 1), sha256: hashOf(this.#open.bytes!) });
    for (const gap of gaps) this.#saidGaps.add(JSON.stringify(gap));
    this.#open = this.#page(this.#pages.length + 1);
    this.#openEntries = [];
  }

  async #put(open: boolean, signal: AbortSignal): Promise<readonly RecordingGap[]> {
    const { header, sourceDtsOffset, ended } = this.#publication;
    const gaps = distinctGaps(this.#publication.gaps).filter((gap) => !this.#saidGaps.has(JSON.stringify(gap)));
    const isLast = this.#count === this.#publication.entries.length && ended !== undefined;
    const bytes = encodePage({
      header,
      page: this.#pages.length + 1,
      open,
      before: this.#pages.at(-1)?.sha256 ?? '',
      sourceDtsOffset,
      entries: this.#openEntries,
      gaps,
      ended: !open && isLast ? ended : undefined,
    });
    await this.#open.update(signal, () => bytes);
    return gaps;
  }

  /** Takes over what an earlier process has written, as far as it agrees with the journal; the rest is written anew. */
  async #load(entries: readonly SegmentEntry[], signal: AbortSignal): Promise<void> {
    for (;;) {
      const bytes = await this.#open.read(signal);
      if (bytes === undefined) return;
      const page = readPage(bytes);
      if (page === undefined || page.before !== (this.#pages.at(-1)?.sha256 ?? '')) return;
      for (const entry of page.entries) {
        const own = entries[this.#count];
        if (own?.seq !== entry.seq || own.key !== entry.key || own.sha256 !== entry.sha256) return;
        this.#append(own, entry.parts);
      }
      if (page.open || page.ended || page.entries.length < PAGE_ENTRIES) return;
      this.#turnPage(page.gaps);
    }
  }

  #page(number: number): VersionedObject {
    return new VersionedObject(this.#store, this.#folder + this.#nameOf(number), 'application/json');
  }

  #nameOf(number: number): string {
    const { epoch, pub } = this.#publication.header;
    return pageName(epoch, pub, number);
  }
}

/** Gaps, each once: work that was killed and done again declares the same gap again. */
export function distinctGaps(gaps: readonly RecordingGap[]): readonly RecordingGap[] {
  const distinct = new Map(gaps.map((gap) => [JSON.stringify(gap), gap]));
  return distinct.size === gaps.length ? gaps : [...distinct.values()];
}

function readPage(bytes: Buffer): ReturnType<typeof parsePage> | undefined {
  try {
    return parsePage(bytes);
  } catch {
    return undefined; // damaged: it is written anew from the journal
  }
}
