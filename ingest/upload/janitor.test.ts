import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MemoryStore } from '../../test/support/memory-store.ts';
import {
  headerOf,
  keptLog,
  type Logged,
  layoutWith,
  openSpool,
  spoolSegment,
  uploadSettings,
} from '../../test/support/spooled-segments.ts';
import { TempDir } from '../../test/support/temp-dir.ts';
import { waitFor } from '../../test/support/wait-for.ts';
import { NO_METER } from '../runtime/meter.ts';
import type { Spool } from '../spool/spool.ts';
import { type Deletion, type Deletions, Janitor } from './janitor.ts';
import { Uploader } from './uploader.ts';

const PLACE = { url: 'memory://', endpoint: null, region: null, forcePathStyle: null, credentials: null };

/** As a pool has them. */
class TestDeletions implements Deletions {
  pending: readonly Deletion[] = [];
  readonly finished: string[] = [];
  #listener = (): void => {};
  add(uid: string, path = 'team/cam'): void {
    this.pending = [...this.pending, { uid, path, stores: [PLACE] }];
    this.#listener();
  }
  finish(uid: string): void {
    this.finished.push(uid);
    this.pending = this.pending.filter((each) => each.uid !== uid);
  }
  onChange(listener: () => void): () => void {
    this.#listener = listener;
    return () => {};
  }
}

describe('the janitor', () => {
  let dir: TempDir;
  let spool: Spool;
  let store: MemoryStore;
  let deletions: TestDeletions;
  let lines: Logged[];
  let busy: boolean;

  beforeEach(async () => {
    dir = new TempDir('janitor');
    spool = await openSpool(dir.join('spool'));
    store = new MemoryStore();
    deletions = new TestDeletions();
    lines = [];
    busy = false;
  });
  afterEach(async () => {
    await spool[Symbol.asyncDispose]();
    dir[Symbol.dispose]();
  });

  /** Recordings as they are: through spool and uploader. */
  async function record(owner: string, path = 'team/cam', layout = layoutWith()): Promise<string> {
    const publication = await spool.openPublication(headerOf({ owner, path }));
    await publication.base(0);
    for (const seq of [1, 2, 3]) await spoolSegment(publication, seq, { layout });
    await publication.end('unpublish', new Date());
    await using uploader = new Uploader({
      ...{ queue: spool, settings: uploadSettings(), log: keptLog(), meter: NO_METER },
      targets: { of: async () => ({ store, layout }) },
    });
    expect(await uploader.flush(AbortSignal.timeout(10_000))).toBe(true);
    return publication.header.recording;
  }

  const janitor = () =>
    new Janitor({
      ...{ deletions, meter: NO_METER, log: keptLog(lines), pauseMs: 0 },
      open: async () => store,
      isBusy: () => busy,
    });
  const keys = () => [...store.objects.keys()].sort();
  const gone = (uid: string) => waitFor('its end', () => deletions.finished.includes(uid));

  it('deletes all that is of one stream, and nothing else: not of the one made again under its name, nor of one below', async () => {
    await record('old');
    const kept = [
      await record('new'),
      await record('other', 'team/camera'),
      await record('below', 'team/cam/below'),
      await record(''),
    ];
    await record('old');
    await using _janitor = janitor();
    deletions.add('old');
    await gone('old');
    const folders = new Set(keys().map((key) => key.split('/').find((part) => /^\d{8}T/.test(part))));
    expect([...folders].sort()).toEqual(kept.toSorted());
    expect(keys()).toHaveLength(kept.length * 6); // three segments, a page, recording.json, index.m3u8
  });

  it('finds segments that a pattern has put elsewhere', async () => {
    const layout = layoutWith({ segmentPattern: '%p/%D/%T_%03d' });
    await record('old', 'team/cam', layout);
    expect(keys().filter((key) => /^team\/cam\/\d\d\//.test(key))).toHaveLength(3);
    await using _janitor = janitor();
    deletions.add('old');
    await gone('old');
    expect(keys()).toEqual([]);
  });

  it.each([0, 1, 3, 4, 5])('goes on where it was cut off, after %i deleted objects', async (count) => {
    await record('old');
    await record('new');
    let left = count;
    store.fault = ({ operation }) => (operation === 'remove' && left-- <= 0 ? 'ERR_STORE_UNREACHABLE' : undefined);
    {
      await using _first = janitor();
      deletions.add('old');
      await waitFor('the store to fail', () => lines.some(({ level }) => level === 'warn'));
    }
    expect(keys()).toHaveLength(12 - count);
    store.fault = () => undefined;
    await using _second = janitor();
    await gone('old');
    expect(keys()).toHaveLength(6);
    expect(keys().every((key) => store.objects.get(key) !== undefined)).toBe(true);
  });

  it('waits until nothing of it is on its way any more', async () => {
    busy = true;
    await record('old');
    await using _janitor = janitor();
    deletions.add('old');
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(keys()).toHaveLength(6);
    busy = false;
    await gone('old');
    expect(keys()).toEqual([]);
  });

  it('knows the owner by the manifest where recording.json is damaged, and leaves alone what has none', async () => {
    const damaged = await record('old');
    store.objects.set(`team/cam/${damaged}/recording.json`, Buffer.from('{'));
    store.objects.set('team/cam/20260101T000000Z-5/seg5-aaaaaaaa-000001.mp4', Buffer.from('x'));
    store.objects.set('team/cam/notes.txt', Buffer.from('x'));
    await using _janitor = janitor();
    deletions.add('old');
    await gone('old');
    expect(keys()).toEqual(['team/cam/20260101T000000Z-5/seg5-aaaaaaaa-000001.mp4', 'team/cam/notes.txt']);
    expect(lines.find(({ message }) => message.includes('left alone'))?.fields).toMatchObject({ unclear: 1 });
  });

  it('leaves a recording alone of which it can not read all of the manifest: its media would never be found again', async () => {
    const layout = layoutWith({ segmentPattern: '%p/%D/%T_%03d' });
    await record('old', 'team/cam', layout);
    const pages = keys().filter((key) => key.includes('/pub/'));
    store.objects.set(pages[0]!, Buffer.from('{'));
    const before = keys();
    await using _janitor = janitor();
    deletions.add('old');
    await gone('old');
    expect(keys()).toEqual(before);
    expect(lines.find(({ message }) => message.includes('left alone'))?.fields).toMatchObject({ unclear: 1 });
  });

  it('is not kept from it by what is no page of the manifest', async () => {
    const recording = await record('old');
    store.objects.set(`team/cam/${recording}/pub/.5-aaaaaaaa-00001.json.tmp`, Buffer.from('{'));
    await using _janitor = janitor();
    deletions.add('old');
    await gone('old');
    expect(keys()).toEqual([]);
  });
});
