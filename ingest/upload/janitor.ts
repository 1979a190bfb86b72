import { setTimeout as delay } from 'node:timers/promises';
import { Fault } from '../runtime/fault.ts';
import type { Log } from '../runtime/log.ts';
import type { Meter } from '../runtime/meter.ts';
import type { ObjectStore } from './object-store.ts';
import { jitter } from './outage-gate.ts';
import { RecordingRemoval, type Removed } from './recording-removal.ts';
import { Slots } from './slots.ts';
import type { StoreAccess } from './store-pool.ts';

/** Recordings that are to be deleted: those of this owner, under this path of these stores. */
export interface Deletion {
  readonly uid: string;
  readonly path: string;
  readonly stores: readonly StoreAccess[];
}

/** Where deletions come from. */
export interface Deletions {
  readonly pending: readonly Deletion[];
  finish(uid: string): void;
  onChange(listener: () => void): () => void;
}

/** What the janitor works with. */
export interface JanitorOptions {
  readonly deletions: Deletions;
  readonly open: (access: StoreAccess) => Promise<ObjectStore>;
  /** Whether something of this owner is still being recorded, or waits to be stored: that first. */
  readonly isBusy: (uid: string) => boolean;
  readonly log: Log;
  readonly meter: Meter;
  /** Between two requests to a store, ms. */
  readonly pauseMs?: number;
}

/** Streams whose recordings are deleted at once. */
const AT_ONCE = 2;
/** Twenty requests a second at most, for each of them: deleting is never as urgent as recording. */
const PAUSE_MS = 50;
const LOOK_MS = 500;
const RETRY = { min: 1_000, max: 60_000 } as const;

/**
 * Does the bucket work that no publication does: deletes the recordings of streams that are gone, where they say so. What it
 * has to do it is told; how far it got the store says, so that it may be stopped and started anywhere.
 */
export class Janitor implements AsyncDisposable {
  readonly #options: JanitorOptions;
  readonly #slots = new Slots(AT_ONCE);
  readonly #stop = new AbortController();
  readonly #running = new Map<string, { readonly stop: AbortController; readonly done: Promise<void> }>();
  readonly #unsubscribe: () => void;

  /** Starts at once. */
  constructor(options: JanitorOptions) {
    this.#options = options;
    const { deletions, meter } = options;
    meter.gauge('headwater_deletions_pending', () => deletions.pending.length);
    this.#unsubscribe = deletions.onChange(() => this.#adopt());
    this.#adopt();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#unsubscribe();
    this.#stop.abort();
    await Promise.all([...this.#running.values()].map(({ done }) => done));
  }

  #adopt(): void {
    if (this.#stop.signal.aborted) return;
    const { pending } = this.#options.deletions;
    for (const deletion of pending) {
      if (this.#running.has(deletion.uid)) continue;
      const stop = new AbortController();
      const signal = AbortSignal.any([this.#stop.signal, stop.signal]);
      const done = this.#run(deletion, signal).finally(() => {
        this.#running.delete(deletion.uid);
        this.#adopt();
      });
      this.#running.set(deletion.uid, { stop, done });
    }
    const wanted = new Set(pending.map(({ uid }) => uid));
    for (const [uid, { stop }] of this.#running) if (!wanted.has(uid)) stop.abort();
  }

  /** Tries for ever. */
  async #run(deletion: Deletion, signal: AbortSignal): Promise<void> {
    const { deletions, isBusy, log, meter } = this.#options;
    const own = log.child({ stream_key: deletion.path, uid: deletion.uid });
    for (let failures = 0; !signal.aborted; ) {
      try {
        while (isBusy(deletion.uid)) await delay(LOOK_MS, undefined, { signal });
        const removed = await this.#slots.run(0, signal, () => this.#remove(deletion.uid, signal));
        meter.count('headwater_deleted_objects_total', null, removed.objects);
        own.info({ ...removed }, 'recordings deleted');
        if (removed.unclear > 0)
          own.warn({ unclear: removed.unclear }, 'recordings without a readable owner or manifest left alone');
        deletions.finish(deletion.uid);
        return;
      } catch (error) {
        if (signal.aborted) return;
        failures += 1;
        const code = error instanceof Fault ? error.code : 'ERR_INTERNAL';
        meter.count('headwater_deletion_errors_total', code);
        if (failures === 1) own.warn({ code, err: error }, 'recordings not deleted yet, trying again');
        await delay(jitter(RETRY, failures), undefined, { signal }).catch(() => {});
      }
    }
  }

  async #remove(uid: string, signal: AbortSignal): Promise<Removed> {
    const { open, deletions, pauseMs = PAUSE_MS } = this.#options;
    const sum = { recordings: 0, objects: 0, unclear: 0 };
    // Looked up anew: credentials may have been put right since the last try.
    const { path = '', stores = [] } = deletions.pending.find((each) => each.uid === uid) ?? {};
    for (const access of stores) {
      const removed = await new RecordingRemoval(await open(access), uid, pauseMs, signal).run(path);
      sum.recordings += removed.recordings;
      sum.objects += removed.objects;
      sum.unclear += removed.unclear;
    }
    return sum;
  }
}
