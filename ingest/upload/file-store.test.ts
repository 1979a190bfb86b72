import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { headerOf, keptLog, layoutWith, spoolSegment, uploadSettings } from '../../test/support/spooled-segments.ts';
import { TempDir } from '../../test/support/temp-dir.ts';
import { waitFor } from '../../test/support/wait-for.ts';
import { NO_METER } from '../runtime/meter.ts';
import { NODE_DISK } from '../spool/disk.ts';
import { Layout } from '../spool/layout.ts';
import { SegmentNames } from '../spool/segment-names.ts';
import { Spool } from '../spool/spool.ts';
import { FileStore, namesInFolder } from './file-store.ts';
import type { SegmentSource } from './object-store.ts';
import { Uploader } from './uploader.ts';

const FOREVER = new AbortController().signal;
let dir: TempDir;
let store: FileStore;

beforeEach(() => {
  dir = new TempDir('file-store');
  store = new FileStore(dir.join('store'));
});

afterEach(async () => {
  await store[Symbol.asyncDispose]();
  dir[Symbol.dispose]();
});

function segment(name: string, folder = dir.path, bytes = randomBytes(3000)): SegmentSource {
  const file = join(folder, name);
  writeFileSync(file, bytes);
  return {
    file,
    bytes: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    contentType: 'video/mp4',
  };
}

function code(fault: string) {
  return expect.objectContaining({ code: fault });
}

describe('a segment', () => {
  it('becomes a second name of the same file, in folders made for it', async () => {
    const source = segment('a.mp4');
    expect(await store.putSegment('live/test/r/a.mp4', source, FOREVER)).toEqual({ wasPresent: false });
    expect(statSync(dir.join('store/live/test/r/a.mp4')).ino).toBe(statSync(source.file).ino);
    expect(await store.putSegment('live/test/r/a.mp4', source, FOREVER)).toEqual({ wasPresent: true });
  });

  it('never replaces another file', async () => {
    const source = segment('a.mp4');
    await mkdir(dir.join('store'));
    await writeFile(dir.join('store/a.mp4'), 'older');
    await expect(store.putSegment('a.mp4', source, FOREVER)).rejects.toEqual(code('ERR_STORE_CONFLICT'));
    expect(await readFile(dir.join('store/a.mp4'), 'utf8')).toBe('older');
    expect(await store.findSegment('a.mp4', source, FOREVER)).toBeUndefined();
    expect(await store.findSegment('b.mp4', source, FOREVER)).toBeUndefined();
  });

  it.each([0, 1500, 2999])('with a bit flipped at byte %i is refused', async (at) => {
    const source = segment('a.mp4');
    const bytes = readFileSync(source.file);
    bytes[at]! ^= 1;
    writeFileSync(source.file, bytes);
    await expect(store.putSegment('a.mp4', source, FOREVER)).rejects.toEqual(code('ERR_STORE_CHECKSUM'));
    expect(await store.list('', FOREVER)).toEqual([]);
  });

  it('that can not be read is the source’s fault', async () => {
    const source = { ...segment('a.mp4'), file: dir.join('gone.mp4') };
    await expect(store.putSegment('a.mp4', source, FOREVER)).rejects.toEqual(code('ERR_UPLOAD_SOURCE'));
  });

  it('from another file system is copied, and no temporary file is left', async () => {
    const other = mkdtempSync(join('/dev/shm', 'headwater-'));
    try {
      expect(statSync(other).dev, '/dev/shm is a file system of its own').not.toBe(statSync(tmpdir()).dev);
      const source = segment('a.mp4', other);
      expect(await store.putSegment('x/a.mp4', source, FOREVER)).toEqual({ wasPresent: false });
      expect(readFileSync(dir.join('store/x/a.mp4'))).toEqual(readFileSync(source.file));
      expect(await store.putSegment('x/a.mp4', source, FOREVER)).toEqual({ wasPresent: true });
      const rival = segment('b.mp4', other);
      await expect(store.putSegment('x/a.mp4', rival, FOREVER)).rejects.toEqual(code('ERR_STORE_CONFLICT'));
      expect(readdirSync(dir.join('store/x'))).toEqual(['a.mp4']);
    } finally {
      rmSync(other, { recursive: true });
    }
  });

  it('copied under one key by two at once is stored once, whole, and the other is told', async () => {
    const other = mkdtempSync(join('/dev/shm', 'headwater-'));
    try {
      for (let round = 0; round < 60; round += 1) {
        const rivals = ['a.mp4', 'b.mp4'].map((name) => segment(name, other, randomBytes(400_000)));
        const key = `x/${round}.mp4`;
        const stores = [store, round % 2 === 0 ? store : new FileStore(dir.join('store'))];
        const results = await Promise.allSettled(
          rivals.map((source, i) => stores[i]!.putSegment(key, source, FOREVER)),
        );
        const winner = results.findIndex(({ status }) => status === 'fulfilled');
        expect(results[1 - winner]).toMatchObject({ status: 'rejected', reason: code('ERR_STORE_CONFLICT') });
        const stored = createHash('sha256').update(readFileSync(dir.join('store', key)));
        expect(stored.digest('hex')).toBe(rivals[winner]?.sha256);
      }
      expect((await readdir(dir.join('store/x'))).filter((name) => name.startsWith('.'))).toEqual([]);
    } finally {
      rmSync(other, { recursive: true });
    }
  });

  it('copied into a folder removes what a killed process left of its copies there, and nothing else', async () => {
    const other = mkdtempSync(join('/dev/shm', 'headwater-'));
    try {
      await mkdir(dir.join('store'));
      for (const name of ['.a.mp4.0123456789ab-7.copy', '.mine.copy', '.index.m3u8.tmp'])
        await writeFile(dir.join('store', name), 'half');
      await store.putSegment('a.mp4', segment('a.mp4', other), FOREVER);
      expect(readdirSync(dir.join('store'))).toEqual(['.index.m3u8.tmp', '.mine.copy', 'a.mp4']);
    } finally {
      rmSync(other, { recursive: true });
    }
  });

  it.each([
    { name: 'a file where a folder is wanted', key: 'file/a.mp4', want: 'ERR_STORE_REFUSED' },
    { name: 'a name that is too long', key: `${'x'.repeat(300)}.mp4`, want: 'ERR_STORE_REFUSED' },
  ])('$name: $want', async ({ key, want }) => {
    await mkdir(dir.join('store'));
    await writeFile(dir.join('store/file'), '');
    await expect(store.putSegment(key, segment('a.mp4'), FOREVER)).rejects.toEqual(code(want));
  });

  it('of a store whose root is no folder is refused with a code', async () => {
    await writeFile(dir.join('store'), '');
    await expect(store.putSegment('a.mp4', segment('a.mp4'), FOREVER)).rejects.toThrow(/^ERR_STORE_/);
  });
});

describe('a small object', () => {
  it('is swapped only where it is what was read', async () => {
    const first = await store.swap('r/index.m3u8', Buffer.from('1'), 'x', undefined, FOREVER);
    await expect(store.swap('r/index.m3u8', Buffer.from('2'), 'x', undefined, FOREVER)).rejects.toEqual(
      code('ERR_STORE_CHANGED'),
    );
    const second = await store.swap('r/index.m3u8', Buffer.from('2'), 'x', first, FOREVER);
    await expect(store.swap('r/index.m3u8', Buffer.from('3'), 'x', first, FOREVER)).rejects.toEqual(
      code('ERR_STORE_CHANGED'),
    );
    expect(await store.read('r/index.m3u8', FOREVER)).toEqual({ bytes: Buffer.from('2'), version: second });
    expect(await store.read('r/none', FOREVER)).toBeUndefined();
    expect(await readdir(dir.join('store/r'))).toEqual(['index.m3u8']);
  });

  it('gets one of two writers at the same moment', async () => {
    const both = ['a', 'b'].map((text) => store.swap('x.json', Buffer.from(text), 'x', undefined, FOREVER));
    const ends = await Promise.allSettled(both);
    expect(ends.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  });

  it('is listed with its size, folders without', async () => {
    await store.swap('r/x.json', Buffer.from('12345'), 'x', undefined, FOREVER);
    await store.swap('r/pub/y.json', Buffer.from('1'), 'x', undefined, FOREVER);
    expect([...(await store.list('r/', FOREVER))].sort((a, b) => (a.name < b.name ? -1 : 1))).toEqual([
      { name: 'pub', bytes: undefined },
      { name: 'x.json', bytes: 5 },
    ]);
    expect(await store.list('nowhere/', FOREVER)).toEqual([]);
  });
});

it('lets names be right from the start', async () => {
  for (const n of [3, 9]) await store.putSegment(`2026/live_test_${n}.mp4`, segment(`${n}`), FOREVER);
  const layout = new Layout({
    layout: 'standard',
    segmentPattern: '%Y/%s_%d',
    segmentUtc: true,
    segmentDuration: 6000,
  });
  const names = new SegmentNames(layout, namesInFolder(dir.join('store')));
  const place = { ...headerOf(), seq: 1, start: new Date('2026-01-01T00:00:00Z') };
  expect(await names.take(place)).toBe('2026/live_test_10.mp4');
  expect(await names.take({ ...place, path: 'live/new' })).toBe('2026/live_new_1.mp4');
});

describe('deleting', () => {
  it('lists all that is below a folder, and leaves no empty folder behind', async () => {
    const keys = ['r/one/a.mp4', 'r/one/pub/p.json', 'r/one/deep/er/b.mp4', 'r/other/c.mp4', 'rx/d.mp4'];
    for (const key of keys) await store.putSegment(key, segment(key.replaceAll('/', '_')), FOREVER);
    const below = async (folder: string) => {
      const found: string[] = [];
      for await (const some of store.keysBelow(folder, FOREVER)) found.push(...some);
      return found.sort();
    };
    expect(await below('r/one/')).toEqual(['r/one/a.mp4', 'r/one/deep/er/b.mp4', 'r/one/pub/p.json']);
    expect(await below('none/')).toEqual([]);
    await store.remove([...(await below('r/one/')), 'r/one/never.mp4'], FOREVER);
    expect(await below('')).toEqual(['r/other/c.mp4', 'rx/d.mp4']);
    expect(await readdir(dir.join('store', 'r'))).toEqual(['other']);
    await store.remove(await below(''), FOREVER);
    expect(await readdir(dir.join('store'))).toEqual([]);
  });
});

describe('with the spool inside it', () => {
  it('what is stored stays whole when the local name goes, even on a disk too full for the journal', async () => {
    const journals: string[] = [];
    let isFull = false;
    const layout = layoutWith();
    await using spool = await Spool.open({
      settings: { dir: dir.join('store/.spool'), maxBytes: null, warnAt: 0.8, fullAt: 0.95, onFull: 'DropOldest' },
      names: new SegmentNames(layout),
      log: keptLog(),
      meter: NO_METER,
      disk: {
        ...NODE_DISK,
        create: async (path) => {
          const file = await NODE_DISK.create(path);
          if (!path.endsWith('journal')) return file;
          const append = file.append.bind(file);
          file.append = async (parts) => {
            journals.push(path);
            if (isFull) throw Object.assign(new Error('no space left'), { code: 'ENOSPC' });
            return append(parts);
          };
          return file;
        },
        open: async (path) => {
          const file = await NODE_DISK.open(path);
          const append = file.append.bind(file);
          file.append = async (parts) => {
            if (isFull) throw Object.assign(new Error('no space left'), { code: 'ENOSPC' });
            return append(parts);
          };
          return file;
        },
      },
    });
    const publication = await spool.openPublication(headerOf());
    const bytes = randomBytes(5000);
    const { key } = await spoolSegment(publication, 1, { bytes });
    isFull = true;
    await using _uploader = new Uploader({
      queue: spool,
      targets: { of: async () => ({ store, layout }) },
      settings: uploadSettings(),
      log: keptLog(),
      meter: NO_METER,
    });
    await waitFor('it to be stored', () => publication.isStored(1));
    await waitFor('the journal to be tried', () => journals.length > 1);
    expect(await readFile(dir.join('store', key))).toEqual(bytes);
    isFull = false;
    await waitFor('the local name to go', async () => (await stat(dir.join('store', key))).nlink === 1);
    expect(await readFile(dir.join('store', key))).toEqual(bytes);
  });
});
