import { expect } from 'vitest';
import { DEFAULTS } from '../../ingest/config/defaults.ts';
import type { ScannedFragment } from '../../ingest/protocol/fmp4/segment-scan.ts';
import { NO_METER } from '../../ingest/runtime/meter.ts';
import type { Disk } from '../../ingest/spool/disk.ts';
import { Layout } from '../../ingest/spool/layout.ts';
import { scanSegment, throughOf } from '../../ingest/spool/scanned-entry.ts';
import type { DurableMark } from '../../ingest/spool/segment-entry.ts';
import { SegmentNames } from '../../ingest/spool/segment-names.ts';
import { Spool } from '../../ingest/spool/spool.ts';
import type { QueuedPublication } from '../../ingest/spool/spool-queue.ts';
import { type DiskImage, MemoryDisk } from './memory-disk.ts';
import { recordSettings } from './recorded-run.ts';
import { keptLog } from './spooled-segments.ts';

/** The fragments that a run wrote, as the undisturbed files hold them: by `pub/seq`, with their source DTS. */
export type Written = ReadonlyMap<string, readonly (ScannedFragment & { readonly sourceStart: number })[]>;

/** Reads what the files on a disk hold, for later comparison; files of a run that a store took away must be kept by the test. */
export async function fragmentsOf(disk: Disk, files: Iterable<string>): Promise<Written> {
  const written = new Map<string, (ScannedFragment & { readonly sourceStart: number })[]>();
  for (const file of files) {
    const { description, fragments, damage } = await scanSegment(disk, file);
    if (description === undefined || damage.length > 0) throw new Error(`the run left ${file} damaged`);
    const { pub, seq, sourceDtsOffset } = description;
    written.set(
      `${pub}/${seq}`,
      fragments.map((fragment) => ({ ...fragment, sourceStart: fragment.start + sourceDtsOffset })),
    );
  }
  return written;
}

/** Opens a spool on what a power loss left, and waits for recovery. The lock of the lost process is as if of another boot. */
export async function recover(dir: string, disk: Disk): Promise<Spool> {
  await disk.unlink(`${dir}/.lock`).catch(() => {});
  const names = new SegmentNames(new Layout(recordSettings()));
  const settings = { ...DEFAULTS.spool, dir };
  const spool = await Spool.open({ settings, names, log: keptLog(), meter: NO_METER, disk });
  await spool.recovered;
  return spool;
}

/**
 * Proves of a recovered spool: every segment in the queue is whole and has its checksum, numbers have no holes, times do not
 * overlap, the end is declared, nothing is left open, and everything acknowledged is there, in the spool or stored before.
 */
export async function expectNothingLost(
  spool: Spool,
  disk: Disk,
  acknowledged: ReadonlyMap<string, DurableMark>,
  written: Written,
): Promise<void> {
  for (const publication of spool.publications) await expectInOrder(publication, disk);
  for (const [path, mark] of acknowledged) {
    const publication = spool.publications.find(({ header }) => header.pub === mark.pub);
    expect(publication, `the publication of ${path}`).toBeDefined();
    for (const [key, fragments] of written) {
      const [pub, seq] = [key.split('/')[0], Number(key.split('/')[1])];
      const due = fragments.filter(({ sourceStart }) => sourceStart < mark.dts);
      if (pub !== mark.pub || seq > mark.seq || due.length === 0 || publication!.isStored(seq)) continue;
      const file = publication!.pending.find(({ entry }) => entry.seq === seq)?.file;
      expect(file, `segment ${seq} of ${path}, acknowledged to ${mark.seq} ${mark.dts}`).toBeDefined();
      const found = (await scanSegment(disk, file!)).fragments;
      expect(found.slice(0, due.length)).toMatchObject(
        due.map(({ sequence, start, end, bytes }) => ({ sequence, start, end, bytes })),
      );
    }
  }
}

async function expectInOrder(publication: QueuedPublication, disk: Disk): Promise<void> {
  const { entries, header, pending } = publication;
  expect(entries.map(({ seq }) => seq)).toEqual(entries.map((_, i) => i + 1));
  let end = 0;
  for (const entry of entries) {
    expect(entry.tfdt).toBeGreaterThanOrEqual(end - LAST_FRAME_TICKS);
    end = entry.tfdt + entry.duration;
  }
  expect(publication.ended).toBeDefined();
  if (publication.ended?.cause === 'crash' && entries.length > 0) {
    const open = publication.gaps.filter(({ to }) => to === undefined);
    expect(open).toEqual([{ from: expect.any(Number), cause: 'crash' }]);
    const [from, through] = [open[0]!.from, await throughOfLast(publication, disk)];
    if (through === undefined) expect(Math.abs(from - end)).toBeLessThan(LAST_FRAME_TICKS);
    else expect(from).toBe(through);
  }
  for (const { entry, file } of pending) {
    const scan = await scanSegment(disk, file);
    expect(scan.damage).toEqual([]);
    expect(scan.fragments.length).toBeGreaterThan(0);
    expect(scan.fragments[0]?.key).toBe(true);
    expect(scan.description).toMatchObject({ seq: entry.seq, pub: header.pub });
    expect(await disk.sha256(file)).toBe(entry.sha256);
    expect((await disk.stat(file))?.bytes).toBe(entry.bytes);
  }
}

/** Where something may be missing behind the last segment, as its last mark says; undefined where it was closed in order, or is stored. */
async function throughOfLast({ entries, pending }: QueuedPublication, disk: Disk): Promise<number | undefined> {
  const last = pending.find(({ entry }) => entry === entries.at(-1));
  return last?.entry.recovered ? throughOf(await scanSegment(disk, last.file)) : undefined;
}

/** Sound that began before a cut may end after it. */
const LAST_FRAME_TICKS = 2700;

/** Recovers an image and proves it. Returns the disk as it is then. */
export async function recoverImage(
  dir: string,
  image: DiskImage,
  acknowledged: ReadonlyMap<string, DurableMark>,
  written: Written,
): Promise<MemoryDisk> {
  const disk = new MemoryDisk(image);
  const spool = await recover(dir, disk);
  try {
    await expectNothingLost(spool, disk, acknowledged, written);
    const left = [...disk.image.keys()].filter((path) => /\.(part|salvage|settled|probe)$/.test(path));
    expect(left).toEqual([]);
  } finally {
    await spool[Symbol.asyncDispose]();
  }
  return disk;
}
