import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { describe, expect, it } from 'vitest';
import { MemoryDisk } from '../../test/support/memory-disk.ts';
import { recover } from '../../test/support/power-loss.ts';
import { RecordingBench } from '../../test/support/recorded-run.ts';
import { RecordingDisk, seeded } from '../../test/support/recording-disk.ts';
import { headerOf, openSpool, spoolSegment } from '../../test/support/spooled-segments.ts';
import { TempDir } from '../../test/support/temp-dir.ts';
import type { DiskFile } from './disk.ts';
import { parseJournal } from './journal.ts';
import type { QueuedPublication } from './spool-queue.ts';
import type { SpooledPublication } from './spooled-publication.ts';

async function filesOf(disk: MemoryDisk): Promise<string[]> {
  return [...disk.image]
    .filter(([, content]) => content !== 'folder')
    .map(([path]) => path.slice(path.lastIndexOf('/') + 1));
}

async function journalOf(disk: MemoryDisk, publication: SpooledPublication): Promise<string[]> {
  return parseJournal(await disk.readAll(`${publication.folder}/journal`)).lines.map(({ t }) => t);
}

function refuseLines(operation: string, path: string): void {
  if (operation === 'append' && path.endsWith('/journal')) throw Object.assign(new Error('full'), { code: 'ENOSPC' });
}

/** Keeps no content, so that a long journal costs the test nothing. */
class ForgetfulDisk extends MemoryDisk {
  override async create(path: string): Promise<DiskFile> {
    return { ...(await super.create(path)), append: async () => {}, appendDurably: async () => {} };
  }
}

describe('spool', () => {
  it('is one process at a time: a second one is told who has it', async () => {
    using dir = new TempDir('lock');
    const spool = await openSpool(dir.join('spool'));
    await expect(openSpool(dir.join('spool'))).rejects.toMatchObject({
      code: 'ERR_SPOOL_LOCKED',
      message: expect.stringContaining(String(process.pid)),
    });
    await spool[Symbol.asyncDispose]();
    await (await openSpool(dir.join('spool')))[Symbol.asyncDispose]();
  });

  it('takes over the lock of a process that was killed, of an earlier one with the same id, and of a torn write', async () => {
    using dir = new TempDir('lock');
    mkdirSync(dir.join('spool'));
    const child = spawn(process.execPath, ['-e', '']);
    await once(child, 'exit');
    const holder = { host: hostname(), boot: 'another', started: '1' };
    const stale = [
      { ...holder, pid: child.pid },
      { ...holder, pid: process.pid },
    ].map((each) => JSON.stringify(each));
    for (const content of [...stale, '']) {
      writeFileSync(dir.join('spool', '.lock'), content);
      await (await openSpool(dir.join('spool')))[Symbol.asyncDispose]();
    }
  });

  it('a stored segment is journalled, then deleted; a finished publication leaves nothing', async () => {
    const disk = new MemoryDisk();
    await using bench = await RecordingBench.open('/spool', { disk });
    const publication = await bench.spool.openPublication(headerOf());
    for (const seq of [1, 2, 3]) await spoolSegment(publication, seq);
    expect(publication.storedThrough).toBe(0);
    await publication.markStored(2, 'elsewhere.mp4');
    expect([publication.storedThrough, publication.isStored(2), publication.entries[1]?.key]).toEqual([
      0,
      true,
      'elsewhere.mp4',
    ]);
    await publication.markStored(1, publication.entries[0]!.key);
    expect(publication.storedThrough).toBe(2);
    expect((await filesOf(disk)).filter((name) => name.endsWith('.mp4'))).toHaveLength(1);
    await publication.markStored(3, publication.entries[2]!.key);
    await publication.end('unpublish', new Date());
    await publication.finish();
    expect(bench.spool.publications).toEqual([]);
    expect(await filesOf(disk)).toEqual(['.lock']);
    expect([...disk.image.keys()]).toEqual(['/', '/spool', '/spool/.lock']);
    expect(bench.spool.usage.usedBytes).toBe(0);
  });

  it('a publication whose journal can not be removed is finished when it can', async () => {
    const disk = new MemoryDisk();
    await using bench = await RecordingBench.open('/spool', { disk });
    const publication = await bench.spool.openPublication(headerOf());
    await publication.end('unpublish', new Date());
    disk.onChange = (operation, path) => {
      if (operation === 'unlink' && path.endsWith('/journal')) throw Object.assign(new Error('io'), { code: 'EIO' });
    };
    await expect(publication.finish()).rejects.toMatchObject({ code: 'EIO' });
    expect(bench.spool.publications).toEqual([publication]);
    disk.onChange = () => {};
    await publication.finish();
    expect(bench.spool.publications).toEqual([]);
    expect(await filesOf(disk)).toEqual(['.lock']);
    expect(bench.spool.usage.usedBytes).toBe(0);
  });

  it('a disk too full for the journal: the stored file makes room for the line that says so', async () => {
    const disk = new MemoryDisk();
    await using bench = await RecordingBench.open('/spool', { disk });
    const publication = await bench.spool.openPublication(headerOf());
    await spoolSegment(publication, 1);
    let isFull = true;
    disk.onChange = (operation, path) => {
      if (operation === 'truncate' && path.endsWith('.settled')) isFull = false;
      if (operation === 'append' && isFull) throw Object.assign(new Error('full'), { code: 'ENOSPC' });
    };
    await publication.markStored(1, publication.entries[0]!.key);
    expect(await journalOf(disk, publication)).toEqual(['open', 'closed', 'stored']);
    expect((await filesOf(disk)).sort()).toEqual(['.lock', 'journal']);
  });

  it.each([
    {
      what: 'a dropped segment stays missing',
      settle: (publication: SpooledPublication) => publication.drop(1),
      expectSettled: (publication: QueuedPublication) => {
        expect(publication.entries.map(({ seq }) => seq)).toEqual([2]);
        expect(publication.gaps[0]).toEqual({ from: 0, to: 540_000, cause: 'disk-full' });
      },
    },
    {
      what: 'a stored one has the key it was stored under',
      settle: (publication: SpooledPublication) => publication.markStored(1, 'other.mp4'),
      expectSettled: (publication: QueuedPublication) => {
        expect(publication.entries[0]?.key).toBe('other.mp4');
        expect(publication.isStored(1)).toBe(true);
        expect(publication.gaps).toEqual([{ from: 1_080_000, cause: 'crash' }]);
      },
    },
  ])('killed while the disk is too full for the journal: $what', async ({ settle, expectSettled }) => {
    const disk = new MemoryDisk();
    await using bench = await RecordingBench.open('/spool', { disk });
    const publication = await bench.spool.openPublication(headerOf());
    for (const seq of [1, 2]) await spoolSegment(publication, seq);
    disk.onChange = refuseLines;
    await settle(publication);
    expect(await journalOf(disk, publication)).toEqual(['open', 'closed', 'closed']);
    const found = await recover('/spool', new MemoryDisk(disk.image));
    expectSettled(found.publications[0]!);
    await found[Symbol.asyncDispose]();
  });

  it('killed so before the journal knew of the segment at all: it is known and stored', async () => {
    const disk = new MemoryDisk();
    await using bench = await RecordingBench.open('/spool', { disk });
    const publication = await bench.spool.openPublication(headerOf());
    disk.onChange = refuseLines;
    const { sha256 } = await spoolSegment(publication, 1);
    await publication.markStored(1, 'other.mp4');
    const found = await recover('/spool', new MemoryDisk(disk.image));
    expect(found.publications[0]?.entries).toMatchObject([{ seq: 1, key: 'other.mp4', sha256 }]);
    expect(found.publications[0]?.isStored(1)).toBe(true);
    await found[Symbol.asyncDispose]();
  });

  it('a power loss at any moment of that leaves the segment, or what became of it', async () => {
    const memory = new MemoryDisk();
    const disk = new RecordingDisk(memory);
    await using bench = await RecordingBench.open('/spool', { disk });
    const publication = await bench.spool.openPublication(headerOf());
    const { sha256 } = await spoolSegment(publication, 1);
    const before = disk.moments;
    memory.onChange = refuseLines;
    await publication.markStored(1, 'other.mp4');
    memory.onChange = () => {};
    for (let moment = before; moment <= disk.moments; moment += 1) {
      for (let seed = 0; seed < 40; seed += 1) {
        const image = new MemoryDisk(disk.image(moment, seeded(seed)));
        const found = await recover('/spool', image);
        const [left] = found.publications;
        const [pending] = left!.pending;
        if (pending) expect(await image.sha256(pending.file)).toBe(sha256);
        else if (left!.isStored(1)) expect(left!.entries[0]?.key).toBe('other.mp4');
        else expect(left!.gaps[0]).toEqual({ from: 0, to: 540_000, cause: 'damaged' });
        expect([...image.image.keys()].filter((path) => path.endsWith('.settled'))).toEqual([]);
        await found[Symbol.asyncDispose]();
      }
    }
  });

  it('lines that the disk refuses wait, in order, and are seen meanwhile', async () => {
    const disk = new MemoryDisk();
    await using bench = await RecordingBench.open('/spool', { disk });
    const publication = await bench.spool.openPublication(headerOf());
    disk.onChange = () => {
      throw Object.assign(new Error('read-only'), { code: 'EROFS' });
    };
    await publication.gap({ from: 1, to: 2, cause: 'loss' });
    await publication.gap({ from: 3, to: 4, cause: 'loss' });
    expect(publication.gaps).toHaveLength(2);
    expect(publication.hasUnwritten).toBe(true);
    await expect(publication.finish()).rejects.toMatchObject({ code: 'EROFS' });
    disk.onChange = () => {};
    await expect.poll(() => publication.hasUnwritten).toBe(false);
    expect(await journalOf(disk, publication)).toEqual(['open', 'gap', 'gap']);
  });

  it('a publication that never ends costs no more with each segment', async () => {
    await using bench = await RecordingBench.open('/spool', { disk: new ForgetfulDisk() });
    const publication = await bench.spool.openPublication(headerOf());
    const example = await spoolSegment(publication, 1);
    await publication.markStored(1, example.key);
    const times: number[] = [];
    for (let seq = 2; seq <= 20_001; seq += 1) {
      if (seq % 1000 === 2) times.push(performance.now());
      await publication.closed(`${publication.folder}/${seq}.mp4`, { ...example, seq });
      expect(publication.pending[0]?.entry.seq).toBe(seq);
      await publication.markStored(seq, example.key);
      expect(publication.storedThrough).toBe(seq);
    }
    const spans = times.slice(1).map((time, i) => time - times[i]!);
    const median = (some: number[]) => some.toSorted((a, b) => a - b)[some.length >> 1]!;
    expect(publication.entries).toHaveLength(20_001);
    expect(median(spans.slice(-5))).toBeLessThan(3 * median(spans.slice(0, 5)));
  });

  it('names of one publication that would be equal are told apart', async () => {
    const disk = new MemoryDisk();
    await using bench = await RecordingBench.open('/spool', { disk });
    const publication = await bench.spool.openPublication(headerOf());
    for (const seq of [1, 2]) await spoolSegment(publication, seq, { key: 'a/same.mp4' });
    const part = await publication.createPart('b/same.mp4', 2);
    expect(new Set([...publication.pending.map(({ file }) => file), part.path]).size).toBe(3);
  });

  it('tells of changes afterwards, never within', async () => {
    await using bench = await RecordingBench.open('/spool', { disk: new MemoryDisk() });
    const publication = await bench.spool.openPublication(headerOf());
    let told = 0;
    const stop = bench.spool.onChange(() => {
      told += 1;
    });
    const done = publication.gap({ from: 0, to: 1, cause: 'loss' });
    await done;
    expect(told).toBe(0);
    await expect.poll(() => told).toBe(1);
    stop();
    await publication.gap({ from: 1, to: 2, cause: 'loss' });
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    expect(told).toBe(1);
  });

  it('a folder that can not be used: it says what is wrong, and takes publications as soon as it can', async () => {
    const disk = new MemoryDisk();
    disk.onChange = () => {
      throw Object.assign(new Error('denied'), { code: 'EACCES' });
    };
    await using bench = await RecordingBench.open('/spool', { disk });
    expect(bench.spool.fault).toMatchObject({
      code: 'ERR_SPOOL_UNWRITABLE',
      message: expect.stringContaining('/spool'),
    });
    await expect(bench.spool.openPublication(headerOf())).rejects.toMatchObject({ code: 'ERR_SPOOL_UNWRITABLE' });
    disk.onChange = () => {};
    await bench.spool.openPublication(headerOf());
    expect(bench.spool.fault).toBeUndefined();
    expect(bench.spool.publications).toHaveLength(1);
  });

  it('what a read-only disk does not let it recover at the start is recovered when it does', async () => {
    const disk = new MemoryDisk();
    const first = await RecordingBench.open('/spool', { disk });
    const publication = await first.spool.openPublication(headerOf());
    await spoolSegment(publication, 1);
    const { image } = disk;
    await first[Symbol.asyncDispose]();
    const again = new MemoryDisk(image);
    await again.unlink('/spool/.lock');
    again.onChange = () => {
      throw Object.assign(new Error('read-only'), { code: 'EROFS' });
    };
    await using bench = await RecordingBench.open('/spool', { disk: again });
    expect(bench.spool.publications).toEqual([]);
    again.onChange = () => {};
    await expect.poll(() => bench.spool.publications.length).toBe(1);
    expect(bench.spool.publications[0]?.pending).toHaveLength(1);
    expect(bench.spool.publications[0]?.ended?.cause).toBe('crash');
  });
});
