import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { AAC_48, AVC_720, drawn, drawnNumber, header } from '../../test/support/drawn-media.ts';
import { MemoryDisk } from '../../test/support/memory-disk.ts';
import { feed, RecordingBench } from '../../test/support/recorded-run.ts';
import { packetsOf } from '../../test/support/segment-packets.ts';
import { parseJournal } from '../spool/journal.ts';
import type { QueuedPublication } from '../spool/spool-queue.ts';
import type { SpooledPublication } from '../spool/spooled-publication.ts';

const HEADERS = [header(AVC_720), header(AAC_48)];
const SECOND = 90_000;

/** A disk that refuses with `code` what `refuses` names, while it is broken. */
class BrokenDisk extends MemoryDisk {
  code: string | undefined;
  constructor(refuses: (operation: string, path: string) => boolean) {
    super();
    this.onChange = (operation, path) => {
      if (this.code && refuses(operation, path))
        throw Object.assign(new Error(`${this.code}: ${operation}`), { code: this.code });
    };
  }
}

const any = () => true;

/** Numbers of all video frames in the spool, and a check that every file is whole. */
async function framesIn(disk: MemoryDisk, publication: QueuedPublication): Promise<number[]> {
  const numbers: number[] = [];
  for (const { file, entry } of publication.pending) {
    expect(await disk.sha256(file)).toBe(entry.sha256);
    expect((await disk.stat(file))?.bytes).toBe(entry.bytes);
    const packets = await packetsOf(await disk.readAll(file));
    expect(packets[0]?.key).toBe(true);
    for (const { data, type } of packets) if (type === 'video') numbers.push(drawnNumber(data)!);
  }
  return numbers;
}

/** Each frame is in the spool or in a declared gap, and none in both. Frame n stands at n × 100 ms. */
function expectAccounted(publication: QueuedPublication, frames: readonly number[], count: number): void {
  const isMissing = (frame: number) =>
    publication.gaps.some(({ from, to }) => frame * 9000 >= from && frame * 9000 < (to ?? Number.POSITIVE_INFINITY));
  for (let frame = 0; frame < count; frame += 1) {
    expect(frames.includes(frame), `frame ${frame}; gaps ${JSON.stringify(publication.gaps)}`).toBe(!isMissing(frame));
  }
}

const GOP = 'KppppKpppp';

describe('recorder on a disk that fails', () => {
  it.each([
    {
      what: 'a write',
      code: 'ENOSPC',
      cause: 'disk-full',
      refuses: (op: string) => op === 'append' || op === 'create',
    },
    { what: 'a sync', code: 'EIO', cause: 'disk-error', refuses: (op: string) => op === 'datasync' || op === 'sync' },
    { what: 'anything', code: 'EROFS', cause: 'disk-error', refuses: any },
    {
      what: 'new files',
      code: 'EACCES',
      cause: 'disk-error',
      refuses: (op: string) => ['create', 'unlink', 'rename', 'mkdir'].includes(op),
    },
  ])(
    '$what refused with $code: what was acknowledged stays, the gap is declared, recording resumes by itself',
    async ({ code, cause, refuses }) => {
      const disk = new BrokenDisk(refuses);
      await using bench = await RecordingBench.open('/spool', { disk, record: { segmentDuration: 500 } });
      const { adapt } = bench.publish();
      const status = () => bench.recorder.status('live/test');
      await feed(adapt, [...HEADERS, ...drawn(GOP + GOP)]);
      await expect.poll(() => status()?.durable?.seq).toBeGreaterThan(2);
      const acknowledged = status()!.durable!;
      disk.code = code;
      await feed(adapt, drawn(GOP + GOP, { fromMs: 2000, from: 20 }));
      await expect.poll(() => status()?.state).toBe('waiting');
      expect(status()?.error).toContain(code);
      await feed(adapt, drawn(GOP, { fromMs: 4000, from: 40 }));
      disk.code = undefined;
      await expect.poll(() => status()?.state).toBe('armed');
      await feed(adapt, drawn(GOP + GOP, { fromMs: 5000, from: 50 }));
      adapt.end('unpublish');
      await expect.poll(() => bench.spool.publications[0]?.ended).toBeDefined();
      const publication = bench.spool.publications[0]!;
      expect(publication.gaps.map((gap) => gap.cause)).toEqual([cause]);
      expect(publication.gaps[0]?.from).toBeGreaterThanOrEqual(acknowledged.dts);
      expectAccounted(publication, await framesIn(disk, publication), 70);
      expect(publication.entries.map(({ seq }) => seq)).toEqual(publication.entries.map((_, i) => i + 1));
      expect([...disk.image.keys()].filter((path) => path.endsWith('.part'))).toEqual([]);
    },
  );

  it.each([
    { what: 'no folder', code: 'EACCES', cause: 'disk-error', refuses: any },
    { what: 'no data', code: 'ENOSPC', cause: 'disk-full', refuses: (op: string) => op === 'append' },
    {
      what: 'no name in its folder',
      code: 'EIO',
      cause: 'disk-error',
      refuses: (op: string, path: string) => op === 'syncFolder' && path.endsWith('-p6000001'),
    },
  ])(
    'a disk that takes $what when it starts: recording begins as soon as it does, the gap is declared from the first frame on',
    async (fault) => {
      const disk = new BrokenDisk(fault.refuses);
      await using bench = await RecordingBench.open('/spool', { disk });
      disk.code = fault.code;
      const { adapt } = bench.publish('live/test', 'p6000001');
      await feed(adapt, [...HEADERS, ...drawn(GOP + GOP)]);
      await expect.poll(() => bench.recorder.status('live/test')?.error).toContain(fault.code);
      disk.code = undefined;
      await expect.poll(() => bench.recorder.status('live/test')?.state).toBe('armed');
      await feed(adapt, drawn(GOP, { fromMs: 2000, from: 20 }));
      adapt.end('unpublish');
      await expect.poll(() => bench.spool.publications[0]?.ended).toBeDefined();
      const publication = bench.spool.publications[0]!;
      expect(publication.gaps).toEqual([{ from: 0, to: 2 * SECOND, cause: fault.cause }]);
      expectAccounted(publication, await framesIn(disk, publication), 30);
    },
  );

  it('a publication that ends while the disk refuses is concluded when it no longer does', async () => {
    const disk = new BrokenDisk(any);
    await using bench = await RecordingBench.open('/spool', { disk, record: { segmentDuration: 500 } });
    const { adapt } = bench.publish();
    await feed(adapt, [...HEADERS, ...drawn(GOP + GOP)]);
    await expect.poll(() => bench.recorder.status('live/test')?.durable).toBeTruthy();
    disk.code = 'EIO';
    await feed(adapt, drawn(GOP, { fromMs: 2000, from: 20 }));
    adapt.end('unpublish');
    await delay(300);
    expect(bench.recorder.status('live/test')?.state).toBe('ending');
    disk.code = undefined;
    await expect.poll(() => bench.recorder.status('live/test')).toBeUndefined();
    const publication = bench.spool.publications[0]!;
    // The last frame's end is not known to the gap, which ends with its DTS.
    const frames = await framesIn(disk, publication);
    expectAccounted(publication, frames, 29);
    const journal = [...disk.image.keys()].find((path) => path.endsWith('/journal'))!;
    expect(
      parseJournal(await disk.readAll(journal))
        .lines.map(({ t }) => t)
        .slice(-2),
    ).toEqual(['gap', 'end']);
  });

  it('a stop does not wait for a disk that refuses', async () => {
    const disk = new BrokenDisk(any);
    const bench = await RecordingBench.open('/spool', { disk });
    const { adapt } = bench.publish();
    await feed(adapt, [...HEADERS, ...drawn(GOP + GOP)]);
    disk.code = 'EIO';
    await feed(adapt, drawn(GOP, { fromMs: 2000, from: 20 }));
    await bench[Symbol.asyncDispose]();
    expect(bench.recorder.status('live/test')).toBeUndefined();
  });

  it('a disk that stalls costs frames, never memory without bound, and the gap is declared', async () => {
    const disk = new MemoryDisk();
    let release: () => void = () => {};
    let stall: Promise<void> | undefined;
    disk.onChange = (operation) => (operation === 'datasync' ? stall : undefined);
    const queueBytes = 1024 * 1024;
    await using bench = await RecordingBench.open('/spool', { disk, record: { segmentDuration: 500, queueBytes } });
    const { adapt } = bench.publish();
    await feed(adapt, [...HEADERS, ...drawn(GOP + GOP, { bytes: 20_000 })]);
    await expect.poll(() => bench.recorder.status('live/test')?.durable).toBeTruthy();
    stall = new Promise((resolve) => {
      release = resolve;
    });
    await feed(adapt, drawn(GOP.repeat(10), { fromMs: 2000, from: 20, bytes: 20_000 }));
    expect(bench.recorder.status('live/test')).toMatchObject({
      state: 'waiting',
      error: expect.stringContaining('ERR_RECORD_OVERLOAD'),
    });
    stall = undefined;
    release();
    await expect.poll(() => bench.recorder.status('live/test')?.state).toBe('armed');
    await feed(adapt, drawn(GOP, { fromMs: 12_000, from: 120, bytes: 20_000 }));
    adapt.end('unpublish');
    await expect.poll(() => bench.spool.publications[0]?.ended).toBeDefined();
    const publication = bench.spool.publications[0]!;
    expect(publication.gaps.map(({ cause }) => cause)).toEqual(['overload']);
    const frames = await framesIn(disk, publication);
    expectAccounted(publication, frames, 130);
    // What was in the queue when it was full is recorded.
    expect(frames.length).toBeGreaterThan(30 + queueBytes / 20_000 - 10);
  });

  it('StopRecording: nothing more is written above the mark, and it goes on below it', async () => {
    const disk = new MemoryDisk();
    const spool = { onFull: 'StopRecording', maxBytes: 2 ** 20 } as const;
    await using bench = await RecordingBench.open('/spool', { disk, spool, record: { segmentDuration: 500 } });
    const { adapt } = bench.publish();
    await feed(adapt, [...HEADERS, ...drawn(GOP.repeat(3), { bytes: 40_000 })]);
    await expect.poll(() => bench.recorder.status('live/test')?.state).toBe('waiting');
    expect(bench.recorder.status('live/test')?.error).toContain('ERR_SPOOL_FULL');
    const used = bench.spool.usage.usedBytes;
    await feed(adapt, drawn(GOP, { fromMs: 3000, from: 30, bytes: 40_000 }));
    expect(bench.spool.usage.usedBytes).toBeLessThanOrEqual(used + 40_000);
    const [publication] = bench.spool.publications;
    for (const { entry } of [...publication!.pending]) await publication!.markStored(entry.seq, entry.key);
    await expect.poll(() => bench.recorder.status('live/test')?.state).toBe('armed');
    await feed(adapt, drawn(GOP, { fromMs: 4000, from: 40 }));
    adapt.end('unpublish');
    await expect.poll(() => publication?.ended).toBeDefined();
    expect(publication?.gaps).toEqual([{ from: 3 * SECOND, to: 4 * SECOND, cause: 'disk-full' }]);
  });

  it('DropOldest: what waits longest is dropped and declared, recording goes on', async () => {
    const disk = new MemoryDisk();
    const spool = { onFull: 'DropOldest', maxBytes: 2 ** 20 } as const;
    await using bench = await RecordingBench.open('/spool', { disk, spool, record: { segmentDuration: 500 } });
    const { adapt } = bench.publish();
    await feed(adapt, [...HEADERS, ...drawn(GOP.repeat(4), { bytes: 40_000 })]);
    const [publication] = bench.spool.publications;
    await expect.poll(() => publication?.gaps.length).toBeGreaterThan(0);
    expect(bench.spool.usage.usedBytes).toBeLessThan(0.95 * 2 ** 20);
    adapt.end('unpublish');
    await expect.poll(() => publication?.ended).toBeDefined();
    expect(publication?.gaps[0]).toMatchObject({ from: 0, cause: 'disk-full' });
    expectAccounted(publication!, await framesIn(disk, publication!), 40);
  });

  it('numbers go on behind segments that were dropped', async () => {
    const disk = new BrokenDisk((operation) => operation === 'datasync');
    await using bench = await RecordingBench.open('/spool', { disk, record: { segmentDuration: 500 } });
    const { adapt } = bench.publish();
    await feed(adapt, [header(AVC_720), ...drawn(GOP + GOP)]);
    await expect.poll(() => bench.spool.publications[0]?.pending.length).toBe(3);
    const publication = bench.spool.publications[0] as SpooledPublication;
    for (const { entry } of [...publication.pending]) await publication.drop(entry.seq);
    disk.code = 'EIO';
    await feed(adapt, drawn(GOP, { fromMs: 2000, from: 20 }));
    await expect.poll(() => bench.recorder.status('live/test')?.state).toBe('waiting');
    disk.code = undefined;
    await expect.poll(() => bench.recorder.status('live/test')?.state).toBe('armed');
    await feed(adapt, drawn(GOP, { fromMs: 3000, from: 30 }));
    adapt.end('unpublish');
    await expect.poll(() => publication.ended).toBeDefined();
    const [first] = publication.entries;
    expect(first?.seq).toBe(4);
    expect(first?.tfdt).toBeGreaterThanOrEqual(1.5 * SECOND);
    expectAccounted(publication, await framesIn(disk, publication), 40);
  });
});
