import { describe, expect, it } from 'vitest';
import { AAC_48, AVC_720, drawn, header } from '../../test/support/drawn-media.ts';
import { type DiskImage, MemoryDisk } from '../../test/support/memory-disk.ts';
import { recover } from '../../test/support/power-loss.ts';
import { feed, RecordingBench } from '../../test/support/recorded-run.ts';
import { RecordingDisk, seeded } from '../../test/support/recording-disk.ts';
import { segmentsOf } from '../../test/support/segment-packets.ts';
import { scanSegment } from './scanned-entry.ts';
import type { QueuedPublication } from './spool-queue.ts';

const SECOND = 90_000;
const media = (bytes: number) => [
  ...[header(AVC_720), header(AAC_48)],
  ...drawn('KppppppppppppppppppppppppKpppppppppppp', { bytes }),
];
const MEDIA = media(64);

/** Two segments: 0 to 2.5 s in five fragments, the rest in three. Frame n stands at n × 100 ms. */
async function twoSegments(
  messages = MEDIA,
): Promise<{ disk: MemoryDisk; bench: RecordingBench; publication: QueuedPublication }> {
  const disk = new MemoryDisk();
  const bench = await RecordingBench.open('/spool', { disk, record: { segmentDuration: 2000 } });
  await bench.record(messages);
  return { disk, bench, publication: bench.spool.publications[0]! };
}

/** What a killed process leaves behind of the same media: the newest segment still open. */
async function killed(format: 'fmp4' | 'flv' = 'fmp4'): Promise<{ image: DiskImage; part: string }> {
  const disk = new MemoryDisk();
  const bench = await RecordingBench.open('/spool', { disk, record: { segmentDuration: 6000, format } });
  const { adapt } = bench.publish();
  await feed(adapt, MEDIA);
  await expect.poll(() => bench.recorder.status('live/test')?.durable?.dts).toBeGreaterThan(3 * SECOND);
  const { image } = disk;
  await bench[Symbol.asyncDispose]();
  return { image, part: [...image.keys()].find((path) => path.endsWith('.part'))! };
}

const flip = (at: number) => (bytes: Buffer) => {
  bytes[at]! ^= 0x10;
};

describe('salvage of a closed segment with a flipped bit', () => {
  it('keeps every whole fragment under the same number, and declares the rest', async () => {
    const { disk, bench, publication } = await twoSegments();
    const { file, entry } = publication.pending[0]!;
    const fragments = (await scanSegment(disk, file)).fragments;
    disk.corrupt(file, flip(fragments[2]!.offset + 300));
    await publication.salvage(1);
    const [kept] = publication.pending;
    expect(kept?.entry).toMatchObject({ seq: 1, key: entry.key, tfdt: 0, recovered: true, aligned: true });
    expect(kept?.entry.sha256).toBe(await disk.sha256(kept!.file));
    expect(kept?.entry.bytes).toBe((await disk.stat(kept!.file))?.bytes);
    expect((await scanSegment(disk, kept!.file)).fragments.map(({ sequence }) => sequence)).toEqual([1, 2, 4, 5]);
    expect(publication.gaps).toEqual([{ from: fragments[1]!.end, to: fragments[3]!.start, cause: 'damaged' }]);
    expect(await disk.stat(`${file}.damaged`)).toBeDefined();
    const numbers = (await segmentsOf(disk, publication)).flat().map(({ number }) => number);
    const lost = (n: number) => n * 9000 >= fragments[2]!.start && n * 9000 < fragments[3]!.start;
    expect(numbers).toEqual(Array.from({ length: 38 }, (_, n) => n).filter((n) => !lost(n)));
    await bench[Symbol.asyncDispose]();
  });

  it('in its first fragment: what is left does not begin on a keyframe, and says so', async () => {
    const { disk, bench, publication } = await twoSegments();
    const { file, entry } = publication.pending[0]!;
    const { fragments } = await scanSegment(disk, file);
    disk.corrupt(file, flip(fragments[0]!.offset + 300));
    await publication.salvage(1);
    const kept = publication.entries[0]!;
    expect(kept.aligned).toBe(false);
    expect(publication.gaps).toEqual([{ from: 0, to: fragments[1]!.start, cause: 'damaged' }]);
    expect(Date.parse(kept.start) - Date.parse(entry.start)).toBe(kept.tfdt / 90);
    expect(kept.tfdt + kept.duration).toBe(entry.tfdt + entry.duration);
    await bench[Symbol.asyncDispose]();
  });

  it('in its header: nothing of it can be played, all of it is declared and set aside', async () => {
    const { disk, bench, publication } = await twoSegments();
    const { file, entry } = publication.pending[1]!;
    disk.corrupt(file, flip(200));
    await publication.salvage(2);
    expect(publication.entries.map(({ seq }) => seq)).toEqual([1]);
    expect(publication.gaps).toEqual([{ from: entry.tfdt, to: entry.tfdt + entry.duration, cause: 'damaged' }]);
    expect(await disk.stat(file)).toBeUndefined();
    expect(await disk.stat(`${file}.damaged`)).toBeDefined();
    await bench[Symbol.asyncDispose]();
  });

  it('is found when the server starts, too', async () => {
    const { disk, bench, publication } = await twoSegments();
    const { file } = publication.pending[0]!;
    const { fragments } = await scanSegment(disk, file);
    await bench[Symbol.asyncDispose]();
    disk.corrupt(file, flip(fragments[2]!.offset + 300));
    const spool = await recover('/spool', disk);
    const [again] = spool.publications;
    expect(again?.gaps.map(({ cause }) => cause)).toEqual(['damaged']);
    expect(again?.entries.map(({ recovered }) => recovered)).toEqual([true, false]);
    await spool[Symbol.asyncDispose]();
  });

  it('a closed file that is gone is declared', async () => {
    const { disk, bench, publication } = await twoSegments();
    const { file, entry } = publication.pending[0]!;
    await bench[Symbol.asyncDispose]();
    await disk.unlink(file);
    const spool = await recover('/spool', disk);
    expect(spool.publications[0]?.gaps).toEqual([{ from: 0, to: entry.duration, cause: 'damaged' }]);
    expect(spool.publications[0]?.entries.map(({ seq }) => seq)).toEqual([2]);
    await spool[Symbol.asyncDispose]();
  });
});

/** A disk that gives back nothing of some bytes of a file. */
class WornDisk extends MemoryDisk {
  worn: { path: string; readonly at: number; readonly code: string } | undefined;
  override async rename(from: string, to: string) {
    await super.rename(from, to);
    if (this.worn?.path === from) this.worn.path = to;
  }
  override async openRead(path: string) {
    const reader = await super.openRead(path);
    const readAt = async (offset: number, length: number) => {
      const { worn } = this;
      if (worn?.path === path && offset <= worn.at && worn.at < offset + length) throw unreadable(worn.code);
      return reader.readAt(offset, length);
    };
    return { ...reader, bytes: reader.bytes, close: () => reader.close(), readAt };
  }
  override async sha256(path: string) {
    if (this.worn?.path === path) throw unreadable(this.worn.code);
    return super.sha256(path);
  }
}

const unreadable = (code: string) => Object.assign(new Error(`${code}: read`), { code });

describe('a closed segment of which a sector can not be read', () => {
  async function worn(code: string) {
    const { disk: run, bench, publication } = await twoSegments(media(3000));
    const { file } = publication.pending[0]!;
    const { fragments } = await scanSegment(run, file);
    await bench[Symbol.asyncDispose]();
    const disk = new WornDisk(run.image);
    disk.worn = { path: file, at: fragments[2]!.offset + 300, code };
    return { disk, file };
  }

  it('keeps every fragment that can, when the server starts', async () => {
    const { disk, file } = await worn('EIO');
    await using spool = await recover('/spool', disk);
    const [publication] = spool.publications;
    expect(publication?.gaps.map(({ cause }) => cause)).toEqual(['damaged']);
    expect(publication?.entries.map(({ recovered }) => recovered)).toEqual([true, false]);
    disk.worn = undefined;
    const kept = (await scanSegment(disk, file)).fragments.map(({ sequence }) => sequence);
    expect(kept).not.toContain(3);
    expect(kept.length).toBeGreaterThan(1);
    expect(await disk.stat(`${file}.damaged`)).toBeDefined();
  });

  it('is left alone where the reason may pass', async () => {
    const { disk, file } = await worn('EMFILE');
    await using spool = await recover('/spool', disk);
    expect(spool.publications).toEqual([]);
    expect(await disk.stat(`${file}.damaged`)).toBeUndefined();
    disk.worn = undefined;
    await expect.poll(() => spool.publications[0]?.pending.length).toBe(2);
    expect(spool.publications[0]?.gaps).toEqual([]);
  });
});

describe('salvage that is itself cut short', () => {
  it('declares each gap once, and nothing that it then keeps', async () => {
    const { disk: run, bench, publication } = await twoSegments();
    const [first, second] = publication.pending.map(({ file }) => file);
    const { fragments } = await scanSegment(run, first!);
    await bench[Symbol.asyncDispose]();
    run.corrupt(first!, flip(fragments[2]!.offset + 300));
    run.corrupt(second!, flip(200));
    const outcome = ({ gaps, entries }: QueuedPublication) => ({ gaps, entries });
    const whole = await recover('/spool', new MemoryDisk(run.image));
    const wanted = outcome(whole.publications[0]!);
    expect(wanted.gaps).toHaveLength(2);
    for (let seed = 0; seed < 200; seed += 1) {
      const random = seeded(seed);
      const disk = new RecordingDisk(new MemoryDisk(run.image), run.image);
      await (await recover('/spool', disk))[Symbol.asyncDispose]();
      const image = disk.image(Math.floor(random() * (disk.moments + 1)), random);
      const again = await recover('/spool', new MemoryDisk(image));
      expect(outcome(again.publications[0]!)).toEqual(wanted);
      await again[Symbol.asyncDispose]();
    }
    await whole[Symbol.asyncDispose]();
  });
});

describe('a flipped bit in what a killed process left open', () => {
  it('in a fragment: that fragment goes, all others stay', async () => {
    const { image, part } = await killed();
    const disk = new MemoryDisk(image);
    const { fragments } = await scanSegment(disk, part);
    disk.corrupt(part, flip(fragments[3]!.offset + 300));
    const spool = await recover('/spool', disk);
    const [publication] = spool.publications;
    const kept = (await scanSegment(disk, publication!.pending[0]!.file)).fragments.map(({ sequence }) => sequence);
    expect(kept).toEqual(fragments.map(({ sequence }) => sequence).filter((sequence) => sequence !== 4));
    expect(publication?.gaps.map(({ cause }) => cause)).toEqual(['damaged', 'crash']);
    await spool[Symbol.asyncDispose]();
  });

  it.each(['fmp4', 'flv'] as const)('in the header of %s: set aside, declared, never in the queue', async (format) => {
    const { image, part } = await killed(format);
    const disk = new MemoryDisk(image);
    disk.corrupt(part, flip(120));
    const spool = await recover('/spool', disk);
    const [publication] = spool.publications;
    expect(publication?.entries).toEqual([]);
    expect(publication?.gaps).toEqual([{ from: 0, cause: 'damaged' }]);
    expect(await disk.stat(`${part}.damaged`)).toBeDefined();
    await spool[Symbol.asyncDispose]();
  });

  it('in the first line of the journal: the segments speak for the publication', async () => {
    const { image, part } = await killed();
    const disk = new MemoryDisk(image);
    const journal = `${part.slice(0, part.lastIndexOf('/'))}/journal`;
    disk.corrupt(journal, flip(30));
    const spool = await recover('/spool', disk);
    const [publication] = spool.publications;
    expect(publication?.header).toMatchObject({ path: 'live/test', format: 'fmp4', timeline: 'recording' });
    expect(publication?.entries).toHaveLength(1);
    expect(publication?.sourceDtsOffset).toBe(0);
    await spool[Symbol.asyncDispose]();
  });

  it('a power loss while its journal is made anew takes no line of it', async () => {
    const { disk, bench, publication } = await twoSegments();
    await publication.markStored(1, 'other.mp4');
    const folder = publication.pending[0]!.file.replace(/\/[^/]+$/, '');
    await bench[Symbol.asyncDispose]();
    disk.corrupt(`${folder}/journal`, flip(30));
    const { image } = disk;
    const recorded = new RecordingDisk(new MemoryDisk(image), image);
    await (await recover('/spool', recorded))[Symbol.asyncDispose]();
    for (let moment = 0; moment <= recorded.moments; moment += 1) {
      for (let seed = 0; seed < 10; seed += 1) {
        const again = new MemoryDisk(recorded.image(moment, seeded(seed)));
        const spool = await recover('/spool', again);
        expect(spool.publications[0]?.entries.map(({ key }) => key)).toEqual([
          'other.mp4',
          expect.stringContaining('000002'),
        ]);
        expect(spool.publications[0]?.storedThrough).toBe(1);
        await spool[Symbol.asyncDispose]();
      }
    }
  });

  it('a disk too full to make it anew costs no line of it', async () => {
    const { disk, bench, publication } = await twoSegments();
    await publication.markStored(1, 'other.mp4');
    const folder = publication.pending[0]!.file.replace(/\/[^/]+$/, '');
    await bench[Symbol.asyncDispose]();
    disk.corrupt(`${folder}/journal`, flip(30));
    disk.onChange = (operation, path) => {
      if (operation === 'append' && path.startsWith(folder)) throw Object.assign(new Error('full'), { code: 'ENOSPC' });
    };
    await (await recover('/spool', disk))[Symbol.asyncDispose]();
    disk.onChange = () => {};
    const spool = await recover('/spool', disk);
    expect(spool.publications[0]?.entries.map(({ key }) => key)).toContain('other.mp4');
    await spool[Symbol.asyncDispose]();
  });
});
