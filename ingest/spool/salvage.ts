import { dirname } from 'node:path';
import type { SegmentScan } from '../protocol/fmp4/segment-scan.ts';
import { type Disk, type DiskReader, removeFile } from './disk.ts';
import { entryOfScan, holesOf, scanSegment } from './scanned-entry.ts';
import type { JournalLine, RecordingGap, SegmentEntry } from './segment-entry.ts';
import { DAMAGED_SUFFIX, type SpooledPublication } from './spooled-publication.ts';

/** A copy of what is whole, before it gets the segment's name. */
export const SALVAGE_SUFFIX = '.salvage';

const COPY_BYTES = 1024 * 1024;

/**
 * Writes the whole fragments of a damaged file as a new file under `path`; the damaged one ends as `<path>.damaged`. Where it is
 * killed in between, one of the two is there under its own name. @throws the disk's errors
 */
export async function restoreSegment(disk: Disk, source: string, path: string, scan: SegmentScan): Promise<void> {
  const copy = path + SALVAGE_SUFFIX;
  await removeFile(disk, copy);
  const reader = await disk.openRead(source);
  const file = await disk.create(copy);
  try {
    const append = (bytes: Buffer) => file.append([bytes]);
    await copyRange(reader, 0, scan.headerBytes, append);
    for (const fragment of scan.fragments) await copyRange(reader, fragment.offset, fragment.bytes, append);
    await file.sync();
  } finally {
    await file.close();
    await reader.close();
  }
  if (source === path) await disk.rename(path, path + DAMAGED_SUFFIX);
  await disk.rename(copy, path);
  await disk.syncFolder(dirname(path));
  if (source !== path && source !== path + DAMAGED_SUFFIX) await disk.rename(source, path + DAMAGED_SUFFIX);
}

/**
 * Puts in the place of a closed segment that no longer has its checksum what is whole of it; the rest is declared missing.
 * Killed and called again, it does the same: the damaged file, once set aside, is what it reads.
 * @throws the disk's errors
 */
export async function salvageSegment(disk: Disk, publication: SpooledPublication, seq: number): Promise<void> {
  const path = publication.fileOf(seq);
  const entry = publication.entries.find((candidate) => candidate.seq === seq);
  if (path === undefined || entry === undefined || publication.isStored(seq)) return;
  const isSetAside = (await disk.stat(path + DAMAGED_SUFFIX)) !== undefined;
  const source = isSetAside ? path + DAMAGED_SUFFIX : path;
  const isThere = isSetAside || (await disk.stat(path)) !== undefined;
  const scan = isThere ? await scanSegment(disk, source) : undefined;
  if (scan?.description === undefined || scan.fragments.length === 0) {
    if (isThere && !isSetAside) {
      await disk.rename(path, path + DAMAGED_SUFFIX);
      await disk.syncFolder(publication.folder);
    }
    const gap = { from: entry.tfdt, to: entry.tfdt + entry.duration, cause: 'damaged' } as const;
    await publication.write({ t: 'gap', gap }, { t: 'dropped', seq, cause: 'damaged' });
    return;
  }
  await restoreSegment(disk, source, path, scan);
  const { segmentDuration, format } = publication.header;
  const facts = { key: entry.key, segmentDurationMs: segmentDuration, isFlv: format === 'flv' };
  const kept = entryOfScan(scan, { ...facts, sha256: await disk.sha256(path) }, entry);
  if (kept === undefined) return;
  const gaps = missingFrom(entry, kept, scan).map((gap): JournalLine => ({ t: 'gap', gap }));
  const file = path.slice(publication.folder.length + 1);
  await publication.write(...gaps, { t: 'closed', file, entry: { ...kept, seq } });
}

/** What `kept` lacks of `entry`: before, between and after the fragments that are left. */
function missingFrom(entry: SegmentEntry, kept: SegmentEntry, scan: SegmentScan): RecordingGap[] {
  const gaps: RecordingGap[] = [...holesOf(scan)];
  const end = entry.tfdt + entry.duration;
  const keptEnd = kept.tfdt + kept.duration;
  if (kept.tfdt > entry.tfdt) gaps.unshift({ from: entry.tfdt, to: kept.tfdt, cause: 'damaged' });
  if (keptEnd < end) gaps.push({ from: keptEnd, to: end, cause: 'damaged' });
  return gaps;
}

async function copyRange(
  reader: DiskReader,
  from: number,
  bytes: number,
  append: (bytes: Buffer) => Promise<void>,
): Promise<void> {
  for (let done = 0; done < bytes; ) {
    const piece = await reader.readAt(from + done, Math.min(COPY_BYTES, bytes - done));
    if (piece.length === 0) return;
    await append(piece);
    done += piece.length;
  }
}
