import { describe, expect, it } from 'vitest';
import { markedStream } from '../../test/support/marked-stream.ts';
import { MemoryDisk } from '../../test/support/memory-disk.ts';
import { RecordingBench, until } from '../../test/support/recorded-run.ts';
import { scanSegment } from '../spool/scanned-entry.ts';

const SECOND = 90_000;

describe('recorder', () => {
  it('records segments that follow one another without gap or overlap, each whole', async () => {
    const disk = new MemoryDisk();
    await using bench = await RecordingBench.open('/spool', { disk, record: { segmentDuration: 4000 } });
    await bench.record(until(markedStream({ fps: 25, gop: 50 }), 15_000));
    const [publication] = bench.spool.publications;
    expect(publication?.ended?.cause).toBe('unpublish');
    expect(publication?.gaps).toEqual([]);
    expect(publication?.entries.map(({ tfdt, seq, aligned }) => [seq, tfdt / SECOND, aligned])).toEqual([
      [1, 0, true],
      [2, 4, true],
      [3, 8, true],
      [4, 12, true],
    ]);
    for (const [index, { entry, file }] of publication!.pending.entries()) {
      const next = publication!.entries[index + 1];
      if (next) expect(next.tfdt).toBe(entry.tfdt + entry.duration);
      const scan = await scanSegment(disk, file);
      expect(scan.damage).toEqual([]);
      expect(scan.headerBytes).toBe(entry.headerBytes);
      expect(scan.headerCrc).toBe(entry.headerCrc);
      expect(scan.description).toMatchObject({ seq: entry.seq, aligned: true, start: entry.start });
      expect(await disk.sha256(file)).toBe(entry.sha256);
      expect(scan.fragments.every((fragment) => fragment.end - fragment.start <= 0.6 * SECOND)).toBe(true);
    }
  });
});
