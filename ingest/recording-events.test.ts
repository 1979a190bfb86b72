import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type LifecycleEvent, LifecycleFeed } from './observe/lifecycle-feed.ts';
import { RecordingEvents } from './recording-events.ts';
import { RecordingList } from './recording-list.ts';
import type { RecordingGap, SegmentEntry } from './spool/segment-entry.ts';
import type { QueuedPublication, SpoolQueue } from './spool/spool-queue.ts';
import type { StoreState } from './upload/outage-gate.ts';

/** A queue of one publication, told about by hand. */
class DrawnQueue implements SpoolQueue {
  publications: QueuedPublication[] = [];
  readonly #listeners = new Set<(publication: QueuedPublication) => void>();

  onChange(listener: (publication: QueuedPublication) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  changed(): void {
    for (const publication of this.publications) for (const listener of this.#listeners) listener(publication);
  }
}

class DrawnPublication {
  readonly header = { path: 'live/test', recording: 'r1', pub: 'abcdefgh', epoch: 7, format: 'fmp4', startedAt: 's' };
  entries: Pick<SegmentEntry, 'seq' | 'key' | 'duration' | 'bytes'>[] = [];
  waiting: number[] = [];
  gaps: RecordingGap[] = [];
  ended: { cause: string; at: string } | undefined;

  get pending(): { entry: DrawnPublication['entries'][number] }[] {
    return this.entries.filter(({ seq }) => this.waiting.includes(seq)).map((entry) => ({ entry }));
  }

  close(...seqs: number[]): void {
    for (const seq of seqs) this.entries.push({ seq, key: `k${seq}`, duration: 90_000, bytes: 10 });
    this.waiting.push(...seqs);
  }

  store(seq: number): void {
    this.waiting = this.waiting.filter((other) => other !== seq);
  }

  drop(seq: number): void {
    this.store(seq);
    this.entries = this.entries.filter((entry) => entry.seq !== seq);
  }
}

describe('recordings as the API tells of them', () => {
  let queue: DrawnQueue;
  let publication: DrawnPublication;
  let store: StoreState;
  let told: LifecycleEvent[];
  let list: RecordingList;
  let events: RecordingEvents;
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    queue = new DrawnQueue();
    publication = new DrawnPublication();
    queue.publications = [publication as unknown as QueuedPublication];
    store = { available: true };
    told = [];
    const feed = new LifecycleFeed();
    feed.subscribe((event) => told.push(event));
    list = new RecordingList(queue);
    events = new RecordingEvents(queue, () => [{ ...store, url: 's3://b/' }], feed);
  });
  afterEach(() => {
    events[Symbol.dispose]();
    list[Symbol.dispose]();
    vi.useRealTimers();
  });
  const said = () => told.splice(0).map((event) => `${event.type}${'seq' in event ? ` ${event.seq}` : ''}`);

  it('says each thing once, however many changes come together', () => {
    publication.close(1);
    queue.changed();
    queue.changed();
    expect(said()).toEqual(['segment-closed 1']);
    publication.close(2, 3);
    publication.store(1);
    queue.changed();
    expect(said()).toEqual(['segment-closed 2', 'segment-closed 3', 'segment-stored 1']);
    publication.drop(2);
    publication.gaps.push({ from: 90_000, to: 180_000, cause: 'disk-full' }, { from: 270_000, cause: 'crash' });
    queue.changed();
    expect(told.at(-2)).toMatchObject({ type: 'recording-gap', from: 1, to: 2, cause: 'disk-full' });
    expect(told.at(-1)).toMatchObject({ from: 3, to: null, cause: 'crash' });
    expect(said()).toEqual(['segment-dropped 2', 'recording-gap', 'recording-gap']);
  });

  it('takes what an earlier process left for known, but says that it gets stored', () => {
    publication.close(1, 2);
    publication.store(1);
    publication.gaps.push({ from: 0, cause: 'crash' });
    publication.ended = { cause: 'crash', at: '' };
    queue.changed();
    expect(said()).toEqual([]);
    publication.store(2);
    queue.changed();
    expect(said()).toEqual(['segment-stored 2']);
  });

  it('says once that the store is away, and once that it is back', () => {
    store = { available: false, code: 'ERR_STORE_TIMEOUT', detail: '', since: 0 };
    vi.advanceTimersByTime(3_000);
    store = { available: true };
    vi.advanceTimersByTime(3_000);
    expect(told).toEqual([
      { type: 'store-unavailable', store: 's3://b/', code: 'ERR_STORE_TIMEOUT' },
      { type: 'store-available', store: 's3://b/' },
    ]);
  });

  it('lists a recording while it is live, on its way, and when the spool has nothing left of it', () => {
    publication.close(1, 2);
    publication.store(1);
    queue.changed();
    expect(list.list('live/test')).toMatchObject([
      { state: 'live', segments: 2, bytes: 20, seconds: 2, pending: { segments: 1, bytes: 10 }, ended: null },
    ]);
    publication.ended = { cause: 'lost', at: 'then' };
    queue.changed();
    expect(list.list()).toMatchObject([{ state: 'storing' }]);
    publication.store(2);
    queue.changed();
    queue.publications = [];
    expect(list.list()).toMatchObject([{ state: 'stored', ended: { cause: 'lost' }, pending: { segments: 0 } }]);
    expect(list.list('live/other')).toEqual([]);
  });
});
