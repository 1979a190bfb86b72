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
import { Uploader, type UploadTarget } from './uploader.ts';

describe('uploads to several stores', () => {
  let dir: TempDir;
  let spool: Spool;
  let lines: Logged[];
  /** By path; nobody knows where others go. */
  let targets: Map<string, UploadTarget>;
  let uploader: Uploader;

  beforeEach(async () => {
    dir = new TempDir('targets');
    spool = await openSpool(dir.join('spool'));
    lines = [];
    targets = new Map();
    uploader = new Uploader({
      ...{ queue: spool, settings: uploadSettings(), log: keptLog(lines), meter: NO_METER },
      targets: { of: async ({ path }) => targets.get(path) },
    });
  });
  afterEach(async () => {
    await uploader[Symbol.asyncDispose]();
    await spool[Symbol.asyncDispose]();
    dir[Symbol.dispose]();
  });

  function store(path: string): MemoryStore {
    const made = new MemoryStore();
    targets.set(path, { store: made, layout: layoutWith() });
    return made;
  }

  async function record(path: string, segments = 2) {
    const publication = await spool.openPublication(headerOf({ path }));
    await publication.base(0);
    for (let seq = 1; seq <= segments; seq += 1) await spoolSegment(publication, seq);
    return publication;
  }

  it('one that is away holds up no other, and says so of its own only', async () => {
    const [good, bad] = [store('a/good'), store('a/bad')];
    bad.fault = () => 'ERR_STORE_UNREACHABLE';
    const [stored, waiting] = [await record('a/good'), await record('a/bad')];
    await waitFor('the good one', () => stored.pending.length === 0);
    expect(good.segments).toHaveLength(2);
    await waitFor('the bad one to be known', () => uploader.status().stores.some(({ available }) => !available));
    const states = new Map(uploader.status().publications.map(({ path, store: { available } }) => [path, available]));
    expect(states).toEqual(
      new Map([
        ['a/good', true],
        ['a/bad', false],
      ]),
    );
    expect(waiting.pending).toHaveLength(2);
  });

  it('segments whose store nobody knows wait, say so, and go when it is known', async () => {
    const publication = await record('a/lost');
    await waitFor('the warning', () => lines.some(({ fields }) => fields.code === 'ERR_STORE_UNKNOWN'));
    expect(uploader.status().publications[0]!.store).toMatchObject({ available: false, code: 'ERR_STORE_UNKNOWN' });
    await uploader.refresh();
    expect(publication.pending).toHaveLength(2);
    const found = store('a/lost');
    await uploader.refresh();
    await waitFor('it to be stored', () => publication.pending.length === 0);
    expect(found.segments).toHaveLength(2);
  });

  it('other credentials are used from the next try on, and nothing is stored twice', async () => {
    const refused = store('a/cam');
    refused.fault = ({ operation }) =>
      operation === 'put' && refused.segments.length > 0 ? 'ERR_STORE_ACCESS' : undefined;
    const publication = await record('a/cam', 3);
    await waitFor('the refusal', () => uploader.status().stores[0]?.available === false);
    const renewed = store('a/cam');
    for (const [key, bytes] of refused.objects) renewed.objects.set(key, bytes);
    await uploader.refresh();
    await publication.end('unpublish', new Date());
    expect(await uploader.flush(AbortSignal.timeout(10_000))).toBe(true);
    expect(renewed.segments).toHaveLength(3);
    expect(renewed.calls.filter(({ operation }) => operation === 'put')).toHaveLength(2);
    expect(spool.publications).toEqual([]);
  });
});
