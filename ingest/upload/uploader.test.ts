import { appendFile, readFile, rm, writeFile } from 'node:fs/promises';
import fc from 'fast-check';
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
import type { Config } from '../config/schema.ts';
import { NO_METER } from '../runtime/meter.ts';
import { type Disk, NODE_DISK } from '../spool/disk.ts';
import type { Layout } from '../spool/layout.ts';
import { hashOf, parsePage } from '../spool/manifest.ts';
import { parseRecording } from '../spool/recording-document.ts';
import type { Spool } from '../spool/spool.ts';
import type { ObjectStore } from './object-store.ts';
import { Uploader } from './uploader.ts';

let dir: TempDir;
let spool: Spool;
let store: MemoryStore;
let lines: Logged[];

beforeEach(async () => {
  dir = new TempDir('uploader');
  spool = await openSpool(dir.join('spool'));
  store = new MemoryStore();
  lines = [];
});

afterEach(async () => {
  await spool[Symbol.asyncDispose]();
  dir[Symbol.dispose]();
});

function start(
  settings: Partial<Config['upload']> = {},
  layout: Layout = layoutWith(),
  to: ObjectStore = store,
): Uploader {
  return new Uploader({
    queue: spool,
    targets: { of: async () => ({ store: to, layout }) },
    settings: uploadSettings(settings),
    log: keptLog(lines),
    meter: NO_METER,
  });
}

async function flush(uploader: Uploader, ms = 10_000): Promise<boolean> {
  return uploader.flush(AbortSignal.timeout(ms));
}

function said(message: string): Logged[] {
  return lines.filter((line) => line.message === message);
}

describe('a publication in the spool', () => {
  it('is stored in order with pages, recording and playlist, then leaves nothing behind', async () => {
    const publication = await spool.openPublication(headerOf());
    await publication.base(1000);
    await using uploader = start();
    const entries = [await spoolSegment(publication, 1), await spoolSegment(publication, 2)];
    await waitFor('both to be stored', () => publication.pending.length === 0);
    entries.push(await spoolSegment(publication, 3));
    await publication.gap({ from: 3 * 540_000, to: 3 * 540_000 + 9000, cause: 'stall' });
    await publication.end('unpublish', new Date());
    expect(await flush(uploader)).toBe(true);

    expect(store.segments).toEqual(entries.map(({ key }) => key));
    const { path, recording, epoch, pub } = publication.header;
    const folder = `${path}/${recording}/`;
    const pageBytes = store.objects.get(`${folder}pub/${epoch}-${pub}-00001.json`)!;
    const page = parsePage(pageBytes);
    expect(page.entries.map(({ before: _, ...entry }) => entry)).toEqual(entries);
    expect(page).toMatchObject({ open: false, sourceDtsOffset: 1000, ended: { cause: 'unpublish' } });
    const document = parseRecording(store.objects.get(`${folder}recording.json`)!);
    expect(document).toMatchObject({
      closed: true,
      publications: [{ pub, segments: 3, pages: [{ sha256: hashOf(pageBytes) }], gaps: [{ cause: 'stall' }] }],
    });
    const playlist = store.objects.get(`${folder}index.m3u8`)!.toString();
    expect(playlist.match(/#EXTINF/g)).toHaveLength(3);
    expect(playlist).toMatch(/#EXT-X-ENDLIST\n$/);
    expect(spool.publications).toEqual([]);
    expect(uploader.status()).toMatchObject({ segments: 0, bytes: 0, oldest: undefined });
    expect(uploader.status().stores).toEqual([{ available: true, url: store.url }]);
  });

  it('is named by its index only as far as it is stored without a hole', async () => {
    const publication = await spool.openPublication(headerOf());
    const [first, second, third] = [
      await spoolSegment(publication, 1),
      await spoolSegment(publication, 2),
      await spoolSegment(publication, 3),
    ];
    store.fault = ({ key }) => (key === second.key ? 'ERR_STORE_REFUSED' : undefined);
    await using uploader = start();
    const page = `${publication.header.path}/${publication.header.recording}/pub/${publication.header.epoch}-${publication.header.pub}-00001.json`;
    await waitFor('a page', () => store.objects.has(page));
    expect(store.segments).toEqual([first.key]);
    expect(parsePage(store.objects.get(page)!).entries.map(({ seq }) => seq)).toEqual([1]);
    expect(uploader.status()).toMatchObject({ segments: 2, bytes: second.bytes + third.bytes, seconds: 12 });
    store.fault = () => undefined;
    await waitFor('all of them', () => publication.pending.length === 0);
    expect(store.segments).toEqual([first.key, second.key, third.key]);
  });

  it('with more segments than a page takes has pages that are chained and never written again', async () => {
    const publication = await spool.openPublication(headerOf());
    for (let seq = 1; seq <= 501; seq += 1)
      await spoolSegment(publication, seq, { bytes: Buffer.from(`segment ${seq}`) });
    const closedPage = `pub/${publication.header.epoch}-${publication.header.pub}-00001.json`;
    {
      await using _uploader = start({ indexInterval: 60_000 });
      await waitFor('all of them', () => publication.pending.length === 0);
    }
    await publication.end('unpublish', new Date());
    await using uploader = start();
    expect(await flush(uploader)).toBe(true);
    const pages = [...store.objects].filter(([key]) => key.includes('/pub/'));
    const [first, second] = pages.map(([, bytes]) => parsePage(bytes));
    expect([first?.entries.length, second?.entries.length]).toEqual([500, 1]);
    expect(second?.before).toBe(hashOf(pages[0]![1]));
    const writes = store.calls.filter(({ operation, key }) => operation === 'swap' && key.endsWith(closedPage));
    expect(writes.length).toBeLessThanOrEqual(2); // once open, once closed
  });

  it('that never had a segment or a gap leaves no object', async () => {
    const publication = await spool.openPublication(headerOf());
    await publication.end('lost', new Date());
    await using uploader = start();
    expect(await flush(uploader)).toBe(true);
    expect([...store.objects.keys()]).toEqual([]);
  });

  it('in FLV gets no playlist', async () => {
    const publication = await spool.openPublication(headerOf({ format: 'flv' }));
    await spoolSegment(publication, 1);
    await publication.end('unpublish', new Date());
    await using uploader = start();
    expect(await flush(uploader)).toBe(true);
    expect([...store.objects.keys()].filter((key) => key.endsWith('.m3u8'))).toEqual([]);
    const document = [...store.objects].find(([key]) => key.endsWith('recording.json'))![1];
    expect(parseRecording(document).playlist).toBeNull();
  });
});

describe('a store that fails', () => {
  it('is waited for by all streams with one warning, one probe at a time, then gets everything in order', async () => {
    const publications = await Promise.all(
      [1, 2, 3].map((n) => spool.openPublication(headerOf({ path: `live/${n}` }))),
    );
    for (const publication of publications) {
      for (let seq = 1; seq <= 4; seq += 1) await spoolSegment(publication, seq);
    }
    let isDown = true;
    let attempts = 0;
    store.fault = () => {
      if (!isDown) return undefined;
      attempts += 1;
      return 'ERR_STORE_UNREACHABLE';
    };
    await using uploader = start();
    await waitFor('some attempts', () => attempts >= 8);
    expect(said('store unavailable')).toHaveLength(1);
    expect(uploader.status().stores[0]).toMatchObject({ available: false, code: 'ERR_STORE_UNREACHABLE' });
    isDown = false;
    await waitFor('all of them', () => publications.every(({ pending }) => pending.length === 0));
    expect(said('store available again')).toHaveLength(1);
    for (const { header, entries } of publications) {
      const keys = store.segments.filter((key) => key.startsWith(`${header.path}/`));
      expect(keys).toEqual(entries.map(({ key }) => key));
    }
  });

  it('with one object only does not hold up other streams', async () => {
    const bad = await spool.openPublication(headerOf({ path: 'live/bad' }));
    const good = await spool.openPublication(headerOf({ path: 'live/good' }));
    await spoolSegment(bad, 1);
    for (let seq = 1; seq <= 5; seq += 1) await spoolSegment(good, seq);
    store.fault = ({ key }) => (key.startsWith('live/bad') ? 'ERR_STORE_REFUSED' : undefined);
    await using uploader = start();
    await waitFor('the good ones', () => good.pending.length === 0);
    expect(bad.pending).toHaveLength(1);
    expect(said('store unavailable')).toEqual([]);
    expect(said('upload failed, trying again')).toHaveLength(1);
    expect(uploader.status().publications).toMatchObject([{ path: 'live/bad', segments: 1 }, { segments: 0 }]);
  });

  it('after taking a segment, its answer lost: the segment is found there, not stored twice', async () => {
    const publication = await spool.openPublication(headerOf());
    await spoolSegment(publication, 1);
    let lost = 0;
    store.lostAnswer = ({ operation }) => {
      if (operation !== 'put' || lost > 0) return undefined;
      lost += 1;
      return 'ERR_STORE_TIMEOUT';
    };
    await using _uploader = start();
    await waitFor('it', () => publication.pending.length === 0);
    expect(lost).toBe(1);
    expect(store.segments).toHaveLength(1);
  });

  it('never sees more segments at once than allowed', async () => {
    for (let n = 0; n < 6; n += 1) await spoolSegment(await spool.openPublication(headerOf({ path: `live/${n}` })), 1);
    store.before = async () => new Promise((resolve) => setTimeout(resolve, 5));
    await using _uploader = start({ concurrency: 2 });
    await waitFor('all of them', () => store.segments.length === 6);
    expect(store.puts.most).toBe(2);
  });

  it('does not keep the program from ending: close gives up at once and nothing runs after', async () => {
    const publication = await spool.openPublication(headerOf());
    await spoolSegment(publication, 1);
    store.before = (_, signal) => new Promise((resolve) => signal.addEventListener('abort', () => resolve()));
    const uploader = start();
    await waitFor('an upload under way', () => store.puts.now === 1);
    expect(await flush(uploader, 50)).toBe(false);
    await uploader[Symbol.asyncDispose]();
    expect(store.puts.now).toBe(0);
    store.before = async () => {};
    await spoolSegment(publication, 2);
    expect(publication.pending).toHaveLength(2);
    expect(store.calls).toEqual([]);
  });
});

describe('a restart', () => {
  it('in an outage goes on from the journal, without storing anything twice', async () => {
    const publication = await spool.openPublication(headerOf());
    for (let seq = 1; seq <= 3; seq += 1) await spoolSegment(publication, seq);
    // Stored, but neither answered nor marked.
    let isDown = false;
    store.lostAnswer = ({ operation }) => {
      isDown ||= operation === 'put';
      return isDown ? 'ERR_STORE_TIMEOUT' : undefined;
    };
    store.fault = () => (isDown ? 'ERR_STORE_UNREACHABLE' : undefined);
    {
      await using _uploader = start();
      await waitFor('the outage', () => said('store unavailable').length === 1);
    }
    await spool[Symbol.asyncDispose]();
    spool = await openSpool(dir.join('spool'));
    await spool.recovered;
    expect(spool.publications[0]?.pending.map(({ entry }) => entry.seq)).toEqual([1, 2, 3]);
    store.lostAnswer = () => undefined;
    store.fault = () => undefined;
    await using uploader = start();
    expect(await flush(uploader)).toBe(true);
    expect(store.segments).toHaveLength(3);
    const page = [...store.objects].find(([key]) => key.includes('/pub/'))![1];
    expect(parsePage(page)).toMatchObject({ ended: { cause: 'crash' }, entries: [{ seq: 1 }, { seq: 2 }, { seq: 3 }] });
  });

  it('takes over the pages it finds, and repairs a damaged index', async () => {
    const publication = await spool.openPublication(headerOf());
    await spoolSegment(publication, 1);
    await spoolSegment(publication, 2);
    {
      await using _uploader = start();
      await waitFor('the index', () => [...store.objects.keys()].some((key) => key.endsWith('index.m3u8')));
      await waitFor('both', () => publication.pending.length === 0);
    }
    const damaged = [...store.objects.keys()].find((key) => key.endsWith('recording.json'))!;
    store.objects.set(damaged, Buffer.from('{"format":"head'));
    await spoolSegment(publication, 3);
    await publication.end('unpublish', new Date());
    await using uploader = start();
    expect(await flush(uploader)).toBe(true);
    expect(parseRecording(store.objects.get(damaged)!).publications).toMatchObject([{ segments: 3 }]);
    const page = [...store.objects].find(([key]) => key.includes('/pub/'))![1];
    expect(parsePage(page).entries.map(({ seq }) => seq)).toEqual([1, 2, 3]);
  });
});

describe('names that are taken', () => {
  const layout = layoutWith({ segmentPattern: '%Y/%s_seg%03d' });

  it('numbers go on after the highest one in the folder, for all segments that follow', async () => {
    for (const n of [1, 2, 7]) store.objects.set(`2026/live_test_seg00${n}.mp4`, Buffer.from(`old ${n}`));
    const publication = await spool.openPublication(headerOf());
    await spoolSegment(publication, 1, { layout });
    await spoolSegment(publication, 2, { layout });
    await publication.end('unpublish', new Date());
    await using uploader = start({}, layout);
    expect(await flush(uploader)).toBe(true);
    expect(store.segments.slice(3)).toEqual(['2026/live_test_seg008.mp4', '2026/live_test_seg009.mp4']);
    expect(store.objects.get('2026/live_test_seg001.mp4')?.toString()).toBe('old 1');
    const page = [...store.objects].find(([key]) => key.includes('/pub/'))![1];
    expect(parsePage(page).entries.map(({ key }) => key)).toEqual(store.segments.slice(3));
    const playlist = [...store.objects].find(([key]) => key.endsWith('index.m3u8'))![1].toString();
    expect(playlist).toContain('\n../../../2026/live_test_seg008.mp4\n');
    expect(store.calls.filter(({ operation }) => operation === 'list')).toHaveLength(1);
  });

  it('finds the segment under the name it got before a crash', async () => {
    store.objects.set('2026/live_test_seg001.mp4', Buffer.from('old'));
    const publication = await spool.openPublication(headerOf());
    const entry = await spoolSegment(publication, 1, { layout });
    store.objects.set('2026/live_test_seg005.mp4', await readFile(publication.pending[0]!.file));
    await using _uploader = start({}, layout);
    await waitFor('it', () => publication.pending.length === 0);
    expect(publication.entries).toEqual([{ ...entry, key: '2026/live_test_seg005.mp4' }]);
    expect(store.segments).toHaveLength(2);
  });

  it.each([
    { name: 'flat', options: { layout: 'flat' }, second: 'live_test_20260419_130000_seg002.mp4' },
    { name: 'one file', options: { layout: 'flat', segmentDuration: 0 }, second: 'live_test_20260419_130000-2.mp4' },
    { name: 'no number at all', options: { segmentPattern: '%s' }, second: 'live_test-2.mp4' },
  ] as const)('$name: the next one', async ({ options, second }) => {
    const named = layoutWith(options);
    const publication = await spool.openPublication(headerOf());
    const entry = await spoolSegment(publication, 1, { layout: named });
    store.objects.set(entry.key, Buffer.from('old'));
    await using _uploader = start({}, named);
    await waitFor('it', () => publication.pending.length === 0);
    expect(store.segments).toEqual([entry.key, second]);
  });

  it('a pattern that was changed since gets a suffix', async () => {
    const publication = await spool.openPublication(headerOf());
    await spoolSegment(publication, 1, { key: 'old/name.mp4' });
    store.objects.set('old/name.mp4', Buffer.from('old')).set('old/name-2.mp4', Buffer.from('older'));
    await using _uploader = start({}, layout);
    await waitFor('it', () => publication.pending.length === 0);
    expect(store.segments.at(-1)).toBe('old/name-3.mp4');
  });
});

it('reconnects, streams and patterns as they may: nothing is ever overwritten', async () => {
  const pattern = fc.constantFrom(
    '%s',
    '%s_%d',
    '%s%d',
    '%Y/%s_seg%03d',
    '%T',
    '%s_%T_seg%04d',
    '%p/take%d/x',
    '%m-%02d',
  );
  const options = fc.oneof(
    pattern.map((segmentPattern) => ({ segmentPattern })),
    fc.constantFrom({}, { layout: 'flat' } as const, { layout: 'flat', segmentDuration: 0 } as const),
  );
  const paths = fc.array(fc.constantFrom('a/b', 'a_b', 'a/b1', 'a/b-2'), { minLength: 2, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(options, paths, async (changes, streams) => {
      const named = layoutWith(changes);
      const shared = new MemoryStore();
      shared.before = () => new Promise(setImmediate);
      // As for a bucket: each publication numbers from 1, and knows nothing of the others.
      const publications = await Promise.all(streams.map((path) => spool.openPublication(headerOf({ path }))));
      for (const seq of [1, 2, 3]) {
        for (const publication of publications) await spoolSegment(publication, seq, { layout: named, number: seq });
      }
      const entries = publications.map((publication) => publication.entries);
      for (const publication of publications) await publication.end('unpublish', new Date());
      await using uploader = start({}, named, shared);
      expect(await flush(uploader)).toBe(true);
      expect(shared.segments).toHaveLength(3 * streams.length);
      const stored = new Set(shared.segments.map((key) => hashOf(shared.objects.get(key)!)));
      expect(stored).toEqual(new Set(entries.flat().map(({ sha256 }) => sha256)));
      const pages = [...shared.objects].filter(([key]) => key.includes('/pub/')).map(([, bytes]) => parsePage(bytes));
      for (const { key, sha256 } of pages.flatMap((page) => page.entries)) {
        expect(hashOf(shared.objects.get(key)!)).toBe(sha256);
      }
    }),
    { numRuns: 20 },
  );
});

describe('a damaged segment', () => {
  it('on its way is sent again', async () => {
    const publication = await spool.openPublication(headerOf());
    await spoolSegment(publication, 1);
    let flips = 3;
    store.fault = ({ operation }) => {
      if (operation !== 'put' || flips === 0) return undefined;
      flips -= 1;
      return 'ERR_STORE_CHECKSUM';
    };
    await using _uploader = start();
    await waitFor('it', () => publication.pending.length === 0);
    expect(publication.entries).toHaveLength(1);
    expect(said('segment damaged on disk')).toEqual([]);
  });

  it('on the disk is never stored: it is set aside, declared, and the next ones follow', async () => {
    const publication = await spool.openPublication(headerOf());
    await spoolSegment(publication, 1);
    const { file } = publication.pending[0]!;
    await spoolSegment(publication, 2);
    const bytes = await readFile(file);
    bytes[1000]! ^= 0x10;
    await writeFile(file, bytes);
    await publication.end('unpublish', new Date());
    await using uploader = start();
    expect(await flush(uploader)).toBe(true);
    expect(store.segments).toHaveLength(1);
    expect(store.segments[0]).toMatch(/-000002\.mp4$/);
    expect(said('segment damaged on disk')).toHaveLength(1);
    expect(await readFile(`${file}.damaged`)).toEqual(bytes);
    const page = parsePage([...store.objects].find(([key]) => key.includes('/pub/'))![1]);
    expect(page.gaps).toEqual([{ from: 0, to: 540_000, cause: 'damaged' }]);
    expect(page.entries.map(({ seq }) => seq)).toEqual([2]);
  });

  it.each([
    { name: 'a file that has grown', harm: (file: string) => appendFile(file, 'x') },
    { name: 'a file that is gone', harm: (file: string) => rm(file) },
  ])('$name is declared as well', async ({ harm }) => {
    const publication = await spool.openPublication(headerOf());
    await spoolSegment(publication, 1);
    await harm(publication.pending[0]!.file);
    await publication.end('unpublish', new Date());
    await using uploader = start();
    expect(await flush(uploader)).toBe(true);
    expect(store.segments).toEqual([]);
    expect(publication.gaps).toMatchObject([{ cause: 'damaged' }]);
  });
});

describe('a segment that can not be read', () => {
  /** Two segments, the first of which gives `code` instead of its bytes: `tries` counts. */
  async function unreadable(code: string) {
    const error = () => Object.assign(new Error(`${code}: read`), { code });
    const worn = { path: '', tries: 0 };
    const refuse = <R>(path: string, read: (path: string) => Promise<R>) => {
      if (path !== worn.path) return read(path);
      worn.tries += 1;
      return Promise.reject(error());
    };
    const disk: Disk = {
      ...NODE_DISK,
      sha256: (path) => refuse(path, NODE_DISK.sha256),
      openRead: (path) => refuse(path, NODE_DISK.openRead),
    };
    await spool[Symbol.asyncDispose]();
    spool = await openSpool(dir.join('worn'), layoutWith(), keptLog(), disk);
    const publication = await spool.openPublication(headerOf());
    const first = await spoolSegment(publication, 1);
    const second = await spoolSegment(publication, 2);
    worn.path = publication.pending[0]!.file;
    store.fault = ({ operation, key }) =>
      operation === 'put' && key === first.key && worn.path !== '' ? 'ERR_UPLOAD_SOURCE' : undefined;
    await publication.end('unpublish', new Date());
    return { publication, worn, first, second };
  }

  it('is set aside and declared after some tries, and the next ones follow', async () => {
    const { publication, worn, second } = await unreadable('EIO');
    await using uploader = start();
    expect(await flush(uploader)).toBe(true);
    expect(worn.tries).toBeGreaterThanOrEqual(3);
    expect(store.segments).toEqual([second.key]);
    expect(publication.gaps).toEqual([{ from: 0, to: 540_000, cause: 'damaged' }]);
    expect((await readFile(`${worn.path}.damaged`)).length).toBe(2001);
  });

  it('for a reason that may pass waits until it has', async () => {
    const { publication, worn, first, second } = await unreadable('EMFILE');
    await using uploader = start();
    await waitFor('many tries', () => worn.tries > 8);
    expect(publication.pending).toHaveLength(2);
    worn.path = '';
    expect(await flush(uploader)).toBe(true);
    expect(store.segments).toEqual([first.key, second.key]);
    expect(publication.gaps).toEqual([]);
  });
});

it('a segment dropped for room while it is on its way is not marked as stored', async () => {
  const publication = await spool.openPublication(headerOf());
  await spoolSegment(publication, 1);
  await spoolSegment(publication, 2);
  store.before = async ({ operation, key }) => {
    if (operation === 'put' && key.endsWith('000001.mp4')) await publication.drop(1);
  };
  await publication.end('unpublish', new Date());
  await using uploader = start();
  expect(await flush(uploader)).toBe(true);
  expect(publication.isStored(1)).toBe(false);
  expect(publication.entries.map(({ seq }) => seq)).toEqual([2]);
});
