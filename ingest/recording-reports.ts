import type { RecordingReport } from '../crds/pod-status.ts';
import type { RecordingStatus } from './record/recording-status.ts';
import type { SegmentEntry } from './spool/segment-entry.ts';
import type { QueuedPublication, SpoolQueue } from './spool/spool-queue.ts';
import type { SpoolUsage } from './spool/watermark.ts';
import type { StoreStatus, UploadStatus } from './upload/uploader.ts';

/** What the report is made from. */
export interface RecordingSources {
  readonly queue: SpoolQueue;
  recorder(path: string): RecordingStatus | undefined;
  upload(): UploadStatus | undefined;
  usage(): SpoolUsage;
}

interface Counts {
  readonly segments: number;
  readonly gaps: number;
}

/** By uid. */
export interface RecordingTotals {
  readonly [uid: string]: Counts & { readonly path: string; readonly lastSegmentTime: string | null };
}

/** What was recorded of a stream, by publication. */
interface Counted {
  readonly path: string;
  readonly pubs: Map<string, Counts>;
  lastSegmentTime: string | null;
}

/** Streams that are remembered; those that are gone are among them. */
const MAX_STREAMS = 20_000;
/** Stands for the publications of processes before this one. */
const BEFORE = '';
/** Publications of a stream that are counted one by one; older ones are added up. */
const MAX_PUBS = 32;
/** An outage this short is not worth a condition, ms. */
const OUTAGE_MS = 5_000;
/** Segments that wait longer than this are late, ms. */
const LATE_MS = 300_000;

/** How the recordings of the streams with an owner go, as the operator is told. */
export class RecordingReports implements Disposable {
  readonly #sources: RecordingSources;
  readonly #streams = new Map<string, Counted>();
  readonly #unsubscribe: () => void;

  constructor(sources: RecordingSources) {
    this.#sources = sources;
    for (const publication of sources.queue.publications) this.#count(publication);
    this.#unsubscribe = sources.queue.onChange((publication) => this.#count(publication));
  }

  /** Uids and paths of the streams of which something was or is recorded. */
  get owners(): Iterable<{ readonly uid: string; readonly path: string }> {
    return [...this.#streams].map(([uid, { path }]) => ({ uid, path }));
  }

  /** By uid; of one stream where it is given. */
  reports(only?: string): ReadonlyMap<string, RecordingReport> {
    const upload = this.#sources.upload();
    const backlogs = new Map<string, Backlog>();
    const owners = new Map(this.#sources.queue.publications.map(({ header }) => [header.pub, header.owner]));
    for (const { pub, bytes, oldest, store } of upload?.publications ?? []) {
      const owner = owners.get(pub) ?? '';
      if (only !== undefined && owner !== only) continue;
      const before = backlogs.get(owner);
      backlogs.set(owner, {
        bytes: (before?.bytes ?? 0) + bytes,
        oldest: Math.min(before?.oldest ?? Number.POSITIVE_INFINITY, oldest ?? Number.POSITIVE_INFINITY),
        store: before === undefined || before.store.available ? store : before.store,
      });
    }
    const reports = new Map<string, RecordingReport>();
    for (const [uid, counted] of this.#streams) {
      if (only === undefined || uid === only) reports.set(uid, this.#report(counted, backlogs.get(uid)));
    }
    return reports;
  }

  /** What was recorded of each stream and is no longer in the spool: to be restored when the process starts anew. */
  totals(): RecordingTotals {
    const spooled = new Set(this.#sources.queue.publications.map(({ header }) => header.pub));
    const totals: Record<string, RecordingTotals[string]> = {};
    for (const [uid, { path, pubs, lastSegmentTime }] of this.#streams) {
      const done = [...pubs].filter(([pub]) => !spooled.has(pub)).map(([, counts]) => counts);
      totals[uid] = { path, lastSegmentTime, ...sumOf(done) };
    }
    return totals;
  }

  /** What `totals` gave before the process ended. */
  restore(totals: RecordingTotals): void {
    for (const [uid, { path, lastSegmentTime, segments, gaps }] of Object.entries(totals)) {
      const counted = this.#counted(uid, path);
      if (counted === undefined) continue;
      counted.pubs.set(BEFORE, { segments, gaps });
      if (lastSegmentTime !== null) counted.lastSegmentTime = laterOf(counted.lastSegmentTime, lastSegmentTime);
    }
  }

  [Symbol.dispose](): void {
    this.#unsubscribe();
  }

  #report({ path, pubs, lastSegmentTime }: Counted, backlog: Backlog | undefined): RecordingReport {
    const status = this.#sources.recorder(path);
    const isOwn = status !== undefined && pubs.has(status.pub);
    const { segments, gaps } = sumOf([...pubs.values()]);
    const age = backlog === undefined ? Number.NEGATIVE_INFINITY : Date.now() - backlog.oldest;
    return {
      current: isOwn ? status.recording : null,
      lastSegmentTime,
      segmentsTotal: segments,
      backlogBytes: backlog?.bytes ?? 0,
      oldestPendingAgeMs: age >= 0 ? Math.round(age) : null,
      gaps,
      problem: this.#problem(isOwn ? status : undefined, backlog, age),
    };
  }

  #problem(status: RecordingStatus | undefined, backlog: Backlog | undefined, age: number): RecordingReport['problem'] {
    const { level } = this.#sources.usage();
    const error = status?.error ?? null;
    if (level === 'full' && (error !== null || age >= 0)) {
      return problem('SpoolFull', error ?? 'The spool is full: the oldest segments that are not stored yet give way.');
    }
    if (error !== null) return problem('Failed', error);
    const { store } = backlog ?? {};
    if (age >= 0 && store?.available === false && Date.now() - store.since >= OUTAGE_MS) {
      return problem('StoreUnreachable', `${store.url}: ${store.detail}`);
    }
    if (age < LATE_MS) return null;
    return problem('Backlogged', `Segments wait since ${Math.round(age / 1000)} s for ${store?.url ?? 'the store'}.`);
  }

  /** A publication is going to be recorded. */
  begin({ path, pub }: { readonly path: string; readonly pub: string }, owner: string): void {
    this.#counted(owner, path)?.pubs.set(pub, { segments: 0, gaps: 0 });
  }

  /** Nothing is told of what has no owner. */
  #counted(owner: string, path: string): Counted | undefined {
    if (owner === '') return undefined;
    let counted = this.#streams.get(owner);
    if (counted === undefined) {
      counted = { path, pubs: new Map(), lastSegmentTime: null };
      this.#streams.set(owner, counted);
      if (this.#streams.size > MAX_STREAMS) this.#streams.delete(this.#streams.keys().next().value!);
    }
    return counted;
  }

  #count({ header, entries, gaps }: QueuedPublication): void {
    const { owner, path, pub } = header;
    const counted = this.#counted(owner, path);
    if (counted === undefined) return;
    counted.pubs.set(pub, { segments: entries.length, gaps: gaps.length });
    const last = entries.at(-1);
    if (last !== undefined) counted.lastSegmentTime = laterOf(counted.lastSegmentTime, endOf(last));
    if (counted.pubs.size > MAX_PUBS) addUp(counted.pubs);
  }
}

interface Backlog {
  readonly bytes: number;
  /** `Date.now()`; Infinity where none waits. */
  readonly oldest: number;
  readonly store: StoreStatus;
}

function problem(
  reason: NonNullable<RecordingReport['problem']>['reason'],
  message: string,
): RecordingReport['problem'] {
  return { reason, message: message.slice(0, 1024) };
}

function endOf({ start, duration }: SegmentEntry): string {
  return new Date(Date.parse(start) + duration / 90).toISOString();
}

function laterOf(a: string | null, b: string): string {
  return a === null || b > a ? b : a;
}

function sumOf(counts: readonly Counts[]): Counts {
  return counts.reduce((sum, { segments, gaps }) => ({ segments: sum.segments + segments, gaps: sum.gaps + gaps }), {
    segments: 0,
    gaps: 0,
  });
}

/** The two oldest become one. */
function addUp(pubs: Counted['pubs']): void {
  const [first, second] = [...pubs.keys()];
  const [a, b] = [pubs.get(first!)!, pubs.get(second!)!];
  pubs.delete(first!);
  pubs.set(second!, sumOf([a, b]));
}
