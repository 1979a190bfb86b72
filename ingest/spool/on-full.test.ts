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
});
