import { setTimeout as delay } from 'node:timers/promises';
import type { Config } from '../config/schema.ts';
import { Fault } from '../runtime/fault.ts';
import type { Log } from '../runtime/log.ts';
import type { Meter } from '../runtime/meter.ts';
import type { Layout, SegmentPlace } from '../spool/layout.ts';
import type { PendingSegment, QueuedPublication } from '../spool/spool-queue.ts';
import { isUnreadable, READ_TRIES } from '../spool/unreadable.ts';
import { Bell } from './bell.ts';
import { findFreeKey, shiftedKey } from './free-key.ts';
import { type ObjectStore, type SegmentSource, STORE_FAULTS, type StoredSegment } from './object-store.ts';
import { jitter, type OutageGate } from './outage-gate.ts';
import { PublicationIndex } from './publication-index.ts';
import type { Slots } from './slots.ts';

/** What a publication is uploaded with; gate and slots are those of all uploads to that store. */
export interface UploadContext {
  readonly store: ObjectStore;
  readonly layout: Layout;
  readonly settings: Config['upload'];
  readonly gate: OutageGate;
  readonly slots: Slots;
  readonly log: Log;
  readonly meter: Meter;
}

/** The playlist is written whole each time: no faster than this, so that a long one does not cost more than its media. */
const INDEX_BYTES_PER_SECOND = 64 * 1024;

const CONTENT_TYPES = { fmp4: 'video/mp4', flv: 'video/x-flv' } as const;

/** Empties one publication's part of the spool: its segments in order, one after the other, then what names them. */
export class PublicationUpload {
  readonly publication: QueuedPublication;
  readonly #context: UploadContext;
  readonly #index: PublicationIndex;
  readonly #bell = new Bell();
  readonly #log: Log;
  /** What other publications in the folder have moved this one's numbers by. */
  #shift = 0;
  #nextIndexAt = 0;
  /** Failures in a row that concern this publication alone. */
  #failures = 0;
  /** How often in a row the oldest segment's file could not be read. */
  #unreadable = 0;

  constructor(context: UploadContext, publication: QueuedPublication) {
    this.publication = publication;
    this.#context = context;
    this.#index = new PublicationIndex(context.store, publication);
    const { path, recording, pub } = publication.header;
    this.#log = context.log.child({ stream_key: path, recording, pub });
  }

  /** Something about the publication has changed, or haste is called for. */
  ring(): void {
    this.#bell.ring();
  }

  /** Writes the index at the next opportunity, not after its interval. */
  hurry(): void {
    this.#nextIndexAt = 0;
    this.#bell.ring();
  }

  /** Runs until the publication has ended and is stored with everything that names it, or the signal aborts. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        if (await this.#step(signal)) return;
        this.#failures = 0;
      } catch (error) {
        if (!signal.aborted) await this.#afterFailure(error, signal);
      }
    }
  }

  /** Does the next thing. Returns true when nothing will ever be left to do. */
  async #step(signal: AbortSignal): Promise<boolean> {
    const { publication } = this;
    const pending = publication.pending[0];
    const isFinal = publication.ended !== undefined && !pending;
    if (this.#index.isDue && (isFinal || Date.now() >= this.#nextIndexAt)) {
      await this.#attempt(0, signal, () => this.#index.write(signal));
      const cost = (this.#index.playlistBytes / INDEX_BYTES_PER_SECOND) * 1000;
      this.#nextIndexAt = Date.now() + Math.max(this.#context.settings.indexInterval, cost);
      return false;
    }
    if (pending) {
      await this.#store(pending, signal);
      return false;
    }
    if (isFinal) {
      await publication.finish();
      this.#log.info({ segments: publication.entries.length, gaps: publication.gaps.length }, 'recording stored');
      return true;
    }
    const wait = this.#index.isDue ? Math.max(1, this.#nextIndexAt - Date.now()) : undefined;
    await this.#bell.wait(signal, wait);
    return false;
  }

  async #store(pending: PendingSegment, signal: AbortSignal): Promise<void> {
    const { store, meter } = this.#context;
    const { entry } = pending;
    const source = this.#sourceOf(pending);
    let key = shiftedKey(this.#context.layout, this.#placeOf(pending), entry.key, this.#shift) ?? entry.key;
    let stored: StoredSegment | undefined;
    while (!stored) {
      const tried = key;
      stored = await this.#attempt(pending.closedAt, signal, () => store.putSegment(tried, source, signal)).catch(
        async (error) => {
          if (!isFault(error, 'ERR_STORE_CONFLICT')) throw error;
          key = await this.#settle(pending, tried, signal);
          return undefined;
        },
      );
    }
    if (!this.publication.pending.some((other) => other.entry.seq === entry.seq)) return; // dropped for room meanwhile
    if (stored.parts) this.#index.noteParts(entry.seq, stored.parts);
    await this.publication.markStored(entry.seq, key);
    meter.count('headwater_upload_attempts_total', stored.wasPresent ? 'present' : 'stored');
    meter.count('headwater_upload_bytes_total', null, entry.bytes);
    meter.observe('headwater_upload_confirm_seconds', (Date.now() - pending.closedAt) / 1000);
    this.#log.debug({ seq: entry.seq, key, bytes: entry.bytes, present: stored.wasPresent }, 'segment stored');
  }

  /** Another object has the key: finds the next free one, and remembers for the segments to come. */
  async #settle(pending: PendingSegment, taken: string, signal: AbortSignal): Promise<string> {
    const { store, layout, meter } = this.#context;
    const { entry } = pending;
    meter.count('headwater_upload_attempts_total', 'ERR_STORE_CONFLICT');
    const free = await this.#attempt(pending.closedAt, signal, () =>
      findFreeKey(store, layout, this.#placeOf(pending), entry.key, taken, this.#sourceOf(pending), signal),
    );
    this.#shift = free.shift;
    this.#log.info({ seq: entry.seq, taken, key: free.key, code: 'ERR_STORE_CONFLICT' }, 'name taken, next one used');
    return free.key;
  }

  /** One attempt at the store, when there is a slot and the store is not known to be away. */
  #attempt<T>(order: number, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const { gate, slots } = this.#context;
    return slots.run(order, signal, async () => {
      await gate.enter(signal);
      try {
        const result = await work();
        gate.succeeded();
        return result;
      } catch (error) {
        if (signal.aborted) gate.abandoned();
        else if (isStoreWide(error)) gate.failed(error);
        else if (isFault(error, 'ERR_UPLOAD_SOURCE') || !(error instanceof Fault)) gate.abandoned();
        else gate.succeeded();
        throw error;
      }
    });
  }

  async #afterFailure(error: unknown, signal: AbortSignal): Promise<void> {
    const code = codeOf(error);
    this.#context.meter.count('headwater_upload_attempts_total', code in STORE_FAULTS ? code : 'ERR_UPLOAD');
    if (isStoreWide(error)) return; // the gate has said so, and makes the next attempt wait
    this.#failures += 1;
    if (this.#failures === 1) {
      const cause = error instanceof Fault ? { detail: error.message } : { err: error };
      this.#log.warn({ code, ...cause }, 'upload failed, trying again');
    }
    if (code === 'ERR_STORE_CHECKSUM' || code === 'ERR_UPLOAD_SOURCE') await this.#examine(signal);
    const { retryMin: min, retryMax: max } = this.#context.settings;
    await delay(jitter({ min, max }, this.#failures), undefined, { signal }).catch(() => {});
  }

  /** Finds out whether the oldest segment was damaged on its way, or lies damaged on the disk: then the spool saves what is whole. */
  async #examine(signal: AbortSignal): Promise<void> {
    const pending = this.publication.pending[0];
    if (!pending || signal.aborted) return;
    const { seq, sha256 } = pending.entry;
    try {
      const found = await this.publication.sha256(seq);
      this.#unreadable = 0;
      if (found === sha256) return;
    } catch (error) {
      this.#unreadable = isUnreadable(error) ? this.#unreadable + 1 : 0;
      if (codeOf(error) !== 'ENOENT' && this.#unreadable < READ_TRIES) return; // unreadable for now
      this.#unreadable = 0;
    }
    if (this.publication.pending[0]?.entry !== pending.entry) return;
    this.#log.error({ seq, file: pending.file, code: 'ERR_STORE_CHECKSUM' }, 'segment damaged on disk');
    try {
      await this.publication.salvage(seq);
    } catch (error) {
      this.#log.warn({ seq, code: codeOf(error), err: error }, 'damaged segment not salvaged yet');
    }
  }

  #sourceOf({ file, entry }: PendingSegment): SegmentSource {
    const contentType = CONTENT_TYPES[this.publication.header.format];
    return { file, bytes: entry.bytes, sha256: entry.sha256, contentType };
  }

  #placeOf({ entry }: PendingSegment): SegmentPlace {
    const { path, recording, epoch, pub, format } = this.publication.header;
    return { path, recording, epoch, pub, format, seq: entry.seq, start: new Date(entry.start) };
  }
}

function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : 'ERR_UPLOAD';
}

function isFault(error: unknown, code: keyof typeof STORE_FAULTS): boolean {
  return error instanceof Fault && error.code === code;
}

function isStoreWide(error: unknown): error is Fault {
  return error instanceof Fault && (STORE_FAULTS as Record<string, string>)[error.code] === 'store';
}
