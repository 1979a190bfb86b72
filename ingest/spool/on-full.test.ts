import { describe, expect, it } from 'vitest';
import { MemoryDisk } from '../../test/support/memory-disk.ts';
import { RecordingBench } from '../../test/support/recorded-run.ts';
import { headerOf, spoolSegment } from '../../test/support/spooled-segments.ts';

describe('a full spool', () => {
  it('costs only those that give way: their oldest first; who does not is told to stop', async () => {
    const disk = new MemoryDisk();
    await using bench = await RecordingBench.open('/spool', {
      disk,
      spool: { onFull: 'StopRecording', maxBytes: 16_000 },
    });
    const { spool } = bench;
    const keeps = await spool.openPublication(headerOf({ onFull: 'StopRecording' }));
    const asSettings = await spool.openPublication(headerOf());
    const gives = await spool.openPublication(headerOf({ onFull: 'DropOldest' }));
    for (const publication of [keeps, asSettings, gives])
      for (const seq of [1, 2]) await spoolSegment(publication, seq, { bytes: Buffer.alloc(1_500) });
    await spool.makeRoom();
    expect([keeps, asSettings, gives].map(({ pending }) => pending.length)).toEqual([2, 2, 2]);
    for (const seq of [3, 4]) await spoolSegment(gives, seq, { bytes: Buffer.alloc(1_500) });
    await spool.makeRoom();
    expect([keeps, asSettings].map(({ pending }) => pending.length)).toEqual([2, 2]);
    expect(gives.pending.map(({ entry }) => entry.seq)).not.toContain(1);
    expect(gives.gaps[0]).toMatchObject({ from: 0, cause: 'disk-full' });
    disk.free = 0;
    await spool.makeRoom();
    const header = ({ header }: typeof keeps) => spool.isStopped(header);
    expect([header(keeps), header(asSettings), header(gives)]).toEqual([true, true, false]);
  });

  it('gives up no more while the disk refuses the line that would free the room', async () => {
    const disk = new MemoryDisk();
    await using bench = await RecordingBench.open('/spool', {
      disk,
      spool: { onFull: 'DropOldest', maxBytes: 180_000 },
    });
    const { spool } = bench;
    const publications = [await spool.openPublication(headerOf()), await spool.openPublication(headerOf())];
    for (const publication of publications)
      for (const seq of [1, 2, 3, 4, 5]) await spoolSegment(publication, seq, { bytes: Buffer.alloc(20_000) });
    const pending = () => publications.flatMap((publication) => publication.pending).length;
    disk.onChange = () => {
      throw Object.assign(new Error('read-only'), { code: 'EROFS' });
    };
    for (let tick = 0; tick < 4; tick += 1) await spool.makeRoom();
    // At most one of each publication is given up before that is known.
    expect(pending()).toBeGreaterThanOrEqual(8);
    disk.onChange = () => {};
    await spool.makeRoom();
    expect(spool.usage.level).not.toBe('full');
    expect(pending()).toBe(7);
  });
});
