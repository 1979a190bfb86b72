import { dirname } from 'node:path';
import type { SegmentScan } from '../protocol/fmp4/segment-scan.ts';
import { type Disk, type DiskReader, removeFile } from './disk.ts';
import { allFromOf, entryOfScan, holesOf, scanSegment, throughOf } from './scanned-entry.ts';
import type { RecordingGap, SegmentEntry } from './segment-entry.ts';
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
  const file = await disk.create(copy);
  try {
    const reader = await disk.openRead(source);
    try {
      const append = (bytes: Buffer) => file.append([bytes]);
      await copyRange(reader, 0, scan.headerBytes, append);
      for (const fragment of scan.fragments) await copyRange(reader, fragment.offset, fragment.bytes, append);
    } finally {
      await reader.close();
    }
    await file.sync();
  } finally {
    await file.close();
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
    await publication.write({ t: 'dropped', seq, cause: 'damaged', gap });
    return;
  }
  await restoreSegment(disk, source, path, scan);
  const { segmentDuration, format } = publication.header;
  const facts = { key: entry.key, segmentDurationMs: segmentDuration, isFlv: format === 'flv' };
  const kept = entryOfScan(scan, { ...facts, sha256: await disk.sha256(path) }, entry);
  if (kept === undefined) return;
  const gaps = missingFrom(entry, scan);
  const file = path.slice(publication.folder.length + 1);
  const through = publication.lastClosed?.seq === seq ? { through: publication.closedThrough } : {};
  await publication.write({ t: 'closed', file, entry: { ...kept, seq }, ...through, gaps });
}

/** What the fragments that are left lack of `entry`: before, between and after them. */
function missingFrom(entry: SegmentEntry, scan: SegmentScan): RecordingGap[] {
  const gaps: RecordingGap[] = [...holesOf(scan)];
  const [first, last] = [scan.fragments[0], scan.fragments.at(-1)];
  if (first && first.sequence > 1) gaps.unshift({ from: entry.tfdt, to: allFromOf(scan), cause: 'damaged' });
  if (last && last.offset + last.bytes < entry.bytes) {
    const to = entry.tfdt + entry.duration;
    gaps.push({ from: Math.min(throughOf(scan), to), to, cause: 'damaged' });
  }
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
