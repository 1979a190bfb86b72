import { TICKS_PER_SECOND } from './media/media-event.ts';
import { recordingFolder } from './spool/layout.ts';
import type { QueuedPublication, SpoolQueue } from './spool/spool-queue.ts';

/** One publication's recording as `/api/v1/recordings` shows it. */
export interface RecordingView {
  readonly path: string;
  readonly recording: string;
  readonly pub: string;
  readonly epoch: number;
  readonly format: 'fmp4' | 'flv';
  /** `live`: more may follow. `storing`: it has ended and is on its way. `stored`: the store has all of it. */
  readonly state: 'live' | 'storing' | 'stored';
  readonly startedAt: string;
  readonly ended: { readonly cause: string; readonly at: string } | null;
  /** Under the store's prefix: where manifest and playlist lie. */
  readonly folder: string;
  readonly segments: number;
  readonly bytes: number;
  readonly seconds: number;
  /** Closed, and not yet confirmed by the store. */
  readonly pending: { readonly segments: number; readonly bytes: number };
  /** The newest of them, seconds on its timeline; `to` is null where the end is not known. The manifest has all. */
  readonly gaps: readonly { readonly from: number; readonly to: number | null; readonly cause: string }[];
  readonly gapCount: number;
}

/** Recordings that are remembered when nothing of them is left in the spool. */
const REMEMBERED = 256;
const MAX_GAPS = 100;

/** What this process knows of recordings without asking the store: those in the spool, and the last that left it. */
export class RecordingList implements Disposable {
  readonly #queue: SpoolQueue;
  readonly #left = new Map<string, RecordingView>();
  readonly #unsubscribe: () => void;

  constructor(queue: SpoolQueue) {
    this.#queue = queue;
    this.#unsubscribe = queue.onChange((publication) => this.#remember(publication));
  }

  /** The oldest first; of one path, where it is given. */
  list(path?: string): RecordingView[] {
    const present = this.#queue.publications.map(viewOf);
    const pubs = new Set(present.map(({ pub }) => pub));
    const gone = [...this.#left.values()].filter(({ pub }) => !pubs.has(pub));
    return [...gone, ...present]
      .filter((view) => path === undefined || view.path === path)
      .sort((a, b) => a.epoch - b.epoch);
  }

  [Symbol.dispose](): void {
    this.#unsubscribe();
  }

  #remember(publication: QueuedPublication): void {
    const { ended, pending, entries, header } = publication;
    if (ended === undefined || pending.length > 0 || entries.length === 0) return;
    this.#left.delete(header.pub);
    this.#left.set(header.pub, { ...viewOf(publication), state: 'stored' });
    if (this.#left.size > REMEMBERED) this.#left.delete(this.#left.keys().next().value!);
  }
}

function viewOf({ header, entries, pending, gaps, ended }: QueuedPublication): RecordingView {
  const { path, recording, pub, epoch, format, startedAt } = header;
  const seconds = (ticks: number): number => ticks / TICKS_PER_SECOND;
  return {
    ...{ path, recording, pub, epoch, format, startedAt },
    state: ended === undefined ? 'live' : 'storing',
    ended: ended ?? null,
    folder: recordingFolder(path, recording),
    segments: entries.length,
    bytes: entries.reduce((sum, { bytes }) => sum + bytes, 0),
    seconds: seconds(entries.reduce((sum, { duration }) => sum + duration, 0)),
    pending: { segments: pending.length, bytes: pending.reduce((sum, { entry }) => sum + entry.bytes, 0) },
    gaps: gaps.slice(-MAX_GAPS).map(({ from, to, cause }) => ({
      from: seconds(from),
      to: to === undefined ? null : seconds(to),
      cause,
    })),
    gapCount: gaps.length,
  };
}
