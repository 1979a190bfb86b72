import { describe, expect, it } from 'vitest';
import { markedStream } from '../../test/support/marked-stream.ts';
import { MemoryDisk } from '../../test/support/memory-disk.ts';
import { expectNothingLost, fragmentsOf, recover, recoverImage } from '../../test/support/power-loss.ts';
import { RecordingBench, until } from '../../test/support/recorded-run.ts';
import { RecordingDisk, seeded } from '../../test/support/recording-disk.ts';
import type { DurableMark } from './segment-entry.ts';

const DIR = '/spool';
type Marks = ReadonlyMap<string, DurableMark>;

/** Records one stream for a few seconds, in which a store takes the first segments away. */
async function recordedRun(format: 'fmp4' | 'flv') {
  const memory = new MemoryDisk();
  const disk = new RecordingDisk(memory);
  const kept = new MemoryDisk();
  await kept.mkdir('/kept');
  const bench = await RecordingBench.open(DIR, { disk, record: { segmentDuration: 2000, format } });
  let marks: Marks = new Map();
  disk.onStep = () => {
    // Marks stay known after the recording has ended.
    marks = new Map([...marks, ...bench.durable()]);
    return marks;
  };
  const files: string[] = [];
  bench.spool.onChange((publication) => {
    for (const { entry, file } of publication.pending) {
      const copy = `/kept/${publication.header.pub}-${entry.seq}.${format === 'flv' ? 'flv' : 'mp4'}`;
      if (files.includes(copy)) continue;
      files.push(copy);
      void memory.readAll(file).then(async (bytes) => {
        await (await kept.create(copy)).append([bytes]);
        if (entry.seq <= 2) await publication.markStored(entry.seq, entry.key);
      });
    }
  });
  await bench.record(until(markedStream({ fps: 10, gop: 20, bitsPerSecond: 200_000 }), 11_000));
  await bench[Symbol.asyncDispose]();
  return { disk, written: await fragmentsOf(kept, files) };
}

describe('recovery after a power loss', () => {
  it.each(['fmp4', 'flv'] as const)('keeps all that was acknowledged, at any moment of a run (%s)', async (format) => {
    const { disk, written } = await recordedRun(format);
    expect(disk.moments).toBeGreaterThan(150);
    for (let seed = 0; seed < 150; seed += 1) {
      const random = seeded(seed);
      const moment = Math.floor(random() * (disk.moments + 1));
      const marks = (disk.noteAt(moment) as Marks | undefined) ?? new Map();
      await recoverImage(DIR, disk.image(moment, random), marks, written);
    }
  });

  it('gives the same when it is itself cut short by a power loss, again and again', async () => {
    const { disk, written } = await recordedRun('fmp4');
    for (let seed = 0; seed < 60; seed += 1) {
      const random = seeded(1000 + seed);
      const moment = Math.floor(random() * (disk.moments + 1));
      const marks = (disk.noteAt(moment) as Marks | undefined) ?? new Map();
      let image = disk.image(moment, random);
      for (let crash = 0; crash < 3; crash += 1) {
        const again = new RecordingDisk(new MemoryDisk(image), image);
        const spool = await recover(DIR, again);
        await expectNothingLost(spool, again, marks, written);
        await spool[Symbol.asyncDispose]();
        image = again.image(Math.floor(random() * (again.moments + 1)), random);
      }
      await recoverImage(DIR, image, marks, written);
    }
  });
});
