import { dirname, parse } from 'node:path';
import { MARK_BYTES, MARK_PATTERN, MARK_PATTERN_AT, parseMark } from '../protocol/flv/file-mark.ts';
import { FRAGMENT_UUID } from '../protocol/fmp4/integrity-box.ts';
import { findBytes, type SegmentScan } from '../protocol/fmp4/segment-scan.ts';
import { type Disk, type DiskFile, removeFile } from './disk.ts';
import { flvPatches } from './flv-patch.ts';
import { PART_SUFFIX } from './part-file.ts';
import { restoreSegment, SALVAGE_SUFFIX, salvageSegment } from './salvage.ts';
import { allFromOf, entryOfScan, holesOf, scanSegment, throughOf } from './scanned-entry.ts';
import type { RecordingGap } from './segment-entry.ts';
import type { NameSource } from './segment-names.ts';
import { readSettled, SETTLED_SUFFIX } from './settled-file.ts';
import {
  DAMAGED_SUFFIX,
  JOURNAL_NAME,
  PROBE_NAME,
  type SpooledPublication,
  type SpoolHost,
} from './spooled-publication.ts';
import { PatchyReader, sha256IfReadable } from './unreadable.ts';

/** What recovery did, for the log. */
export interface RecoveryReport {
  /** Segments closed out of what a crash left. */
  readonly recovered: number;
  /** Files in which nothing was acknowledged. */
  readonly removed: number;
  /** Closed segments that no longer had their checksum, or were gone. */
  readonly damaged: number;
}

interface Leftover {
  readonly name: string;
  readonly scan: SegmentScan;
}

/**
 * Brings a publication that an earlier process left in the spool into order: verifies its closed segments, closes the open ones
 * with every whole fragment in them, and ends it. Killed anywhere and run again, it gives the same. @throws the disk's errors
 */
export async function recoverPublication(
  host: SpoolHost,
  publication: SpooledPublication,
  names: NameSource,
): Promise<RecoveryReport> {
  const { disk } = host;
  const { folder } = publication;
  await restoreSettled(host, publication);
  const found = await disk.readdir(folder);
  for (const name of found) if (isScrap(name)) await removeFile(disk, `${folder}/${name}`);
  const damaged = await verifyClosed(host, publication);

  const known = publication.localFiles();
  const leftovers: Leftover[] = [];
  let removed = 0;
  for (const name of found) {
    if (isNoSegment(name) || known.has(name)) continue;
    const scan = await scanSegment(disk, `${folder}/${name}`);
    if (scan.description !== undefined && scan.fragments.length > 0) leftovers.push({ name, scan });
    else if (await removeUnusable(host, publication, name)) removed += 1;
  }
  leftovers.sort(inOrder);
  let recovered = 0;
  for (const leftover of leftovers) if (await adopt(host, publication, names, leftover)) recovered += 1;
  if (publication.ended === undefined) await endCrashed(publication);
  return { recovered, removed, damaged };
}

/** By seq; of two files of one segment the one with its final name first: the other is what it was salvaged from. */
function inOrder(a: Leftover, b: Leftover): number {
  const bySeq = (a.scan.description?.seq ?? 0) - (b.scan.description?.seq ?? 0);
  return bySeq || Number(a.name.endsWith(PART_SUFFIX)) - Number(b.name.endsWith(PART_SUFFIX));
}

/** What an operation that was cut short left behind. */
function isScrap(name: string): boolean {
  return name === PROBE_NAME || name.endsWith(SALVAGE_SUFFIX);
}

function isNoSegment(name: string): boolean {
  return (
    name.startsWith(JOURNAL_NAME) ||
    isScrap(name) ||
    [DAMAGED_SUFFIX, SETTLED_SUFFIX].some((suffix) => name.endsWith(suffix))
  );
}

/** What settled files say goes into the journal. One that does not hold its lines is the segment's file again, damaged or not. */
async function restoreSettled({ disk }: SpoolHost, publication: SpooledPublication): Promise<void> {
  const { folder } = publication;
  for (const name of await disk.readdir(folder)) {
    if (!name.endsWith(SETTLED_SUFFIX)) continue;
    const settled = `${folder}/${name}`;
    const file = name.slice(0, -SETTLED_SUFFIX.length);
    const lines = await readSettled(disk, settled);
    if (lines !== undefined) {
      await publication.restore(file, (await disk.stat(settled))?.bytes ?? 0, lines);
      continue;
    }
    await disk.rename(settled, `${folder}/${file}`);
    await disk.syncFolder(folder);
  }
  await publication.flush();
}

/** Every closed segment that waits is there and has its checksum, or is salvaged; what the journal gave up is gone. */
async function verifyClosed({ disk, log }: SpoolHost, publication: SpooledPublication): Promise<number> {
  let damaged = 0;
  for (const path of publication.settledFiles())
    for (const suffix of ['', SETTLED_SUFFIX]) await removeFile(disk, path + suffix);
  for (const { entry, file } of [...publication.pending]) {
    const isSetAside = (await disk.stat(file + DAMAGED_SUFFIX)) !== undefined;
    const bytes = (await disk.stat(file))?.bytes;
    if (!isSetAside && bytes === entry.bytes && (await sha256IfReadable(disk, file)) === entry.sha256) continue;
    damaged += 1;
    log.error({ stream_key: publication.header.path, seq: entry.seq, file }, 'closed segment damaged');
    await salvageSegment(disk, publication, entry.seq);
  }
  return damaged;
}

/** Removes a file without a whole fragment. One that holds marks of fragments, or that can't be read, was acknowledged once: it is set aside and declared. */
async function removeUnusable(
  { disk, log, account }: SpoolHost,
  publication: SpooledPublication,
  name: string,
): Promise<boolean> {
  const path = `${publication.folder}/${name}`;
  if (!(await mayHoldMark(disk, path))) {
    account(-((await disk.stat(path))?.bytes ?? 0));
    await removeFile(disk, path);
    return true;
  }
  log.error({ stream_key: publication.header.path, file: path }, 'open segment damaged');
  await publication.gap({ from: publication.closedThrough, cause: 'damaged' });
  await disk.rename(path, path + DAMAGED_SUFFIX);
  await disk.syncFolder(publication.folder);
  return false;
}

async function mayHoldMark(disk: Disk, path: string): Promise<boolean> {
  const reader = await PatchyReader.open(disk, path);
  try {
    const readAt = (offset: number, length: number) => reader.readAt(offset, length);
    return (
      (await findBytes(readAt, FRAGMENT_UUID, 0, reader.bytes)) !== undefined ||
      (await holdsFlvMark(readAt, reader.bytes)) ||
      reader.hasHoles
    );
  } finally {
    await reader.close();
  }
}

/** Whether there is a mark of FLV besides that of the header, which has sequence 0. */
async function holdsFlvMark(
  readAt: (offset: number, length: number) => Promise<Buffer>,
  size: number,
): Promise<boolean> {
  const next = (from: number) => findBytes(readAt, MARK_PATTERN, from, size);
  for (let at = await next(0); at !== undefined; at = await next(at + MARK_PATTERN.length)) {
    const mark = at < MARK_PATTERN_AT ? undefined : parseMark(await readAt(at - MARK_PATTERN_AT, MARK_BYTES));
    if (mark?.sequence !== 0) return true;
  }
  return false;
}

/** Closes an open segment (or one whose journal line is missing) with its whole fragments. */
async function adopt(
  host: SpoolHost,
  publication: SpooledPublication,
  names: NameSource,
  { name, scan }: Leftover,
): Promise<boolean> {
  const { disk, log } = host;
  const { folder, header } = publication;
  const source = `${folder}/${name}`;
  const { description } = scan;
  if (description === undefined) return false;
  if (publication.fileOf(description.seq) !== undefined) {
    log.error({ stream_key: header.path, seq: description.seq, file: source }, 'second file of a segment set aside');
    await disk.rename(source, source + DAMAGED_SUFFIX);
    return false;
  }
  const path = finalPath(source, scan);
  await close(host, source, path, scan);
  const place = { ...header, seq: description.seq, start: new Date(description.start) };
  const facts = { key: await names.take(place), sha256: await disk.sha256(path) };
  const isFlv = header.format === 'flv';
  const before = publication.lastClosed;
  const gaps = missingBefore(publication, scan);
  const entry = entryOfScan(scan, { ...facts, isFlv, segmentDurationMs: header.segmentDuration }, before);
  if (entry === undefined) return false;
  await publication.base(description.sourceDtsOffset - description.timelineOffset);
  await publication.closed(path, entry, { through: throughOf(scan), gaps });
  log.warn(
    { stream_key: header.path, seq: entry.seq, seconds: entry.duration / 90_000, file: path },
    'segment recovered',
  );
  return true;
}

function finalPath(source: string, scan: SegmentScan): string {
  if (source.endsWith(PART_SUFFIX)) return source.slice(0, -PART_SUFFIX.length);
  if (!isDamagedInside(scan)) return source;
  const { dir, name, ext } = parse(source);
  return `${dir}/${name}~salvaged${ext}`;
}

function isDamagedInside(scan: SegmentScan): boolean {
  const last = scan.fragments.at(-1);
  return last !== undefined && scan.validBytes !== last.offset + last.bytes;
}

/** A torn tail is cut off; a file damaged in the middle is written anew without what is damaged. */
async function close({ disk, account }: SpoolHost, source: string, path: string, scan: SegmentScan): Promise<void> {
  if (isDamagedInside(scan)) {
    await restoreSegment(disk, source, path, scan);
    return;
  }
  const file = await disk.open(source);
  try {
    account(scan.validBytes - ((await disk.stat(source))?.bytes ?? scan.validBytes));
    await file.truncate(scan.validBytes);
    if (path.endsWith('.flv')) await patchFlv(file, scan);
    await file.sync();
  } finally {
    await file.close();
  }
  if (source !== path) await disk.rename(source, path);
  await disk.syncFolder(dirname(path));
}

async function patchFlv(file: DiskFile, scan: SegmentScan): Promise<void> {
  const start = scan.fragments[0]?.start ?? 0;
  const end = scan.fragments.reduce((latest, fragment) => Math.max(latest, fragment.end), start);
  for (const { offset, bytes } of flvPatches(end - start, scan.validBytes)) await file.patch(offset, bytes);
}

/** What is missing within the fragments that are left, and between them and the segment before: that one may have been open, too. */
function missingBefore(publication: SpooledPublication, scan: SegmentScan): RecordingGap[] {
  const gaps = holesOf(scan);
  const [first] = scan.fragments;
  if (first === undefined) return gaps;
  const from = publication.closedThrough;
  const start = first.start + (scan.description?.timelineOffset ?? 0);
  const seq = scan.description?.seq;
  const isNext = seq === (publication.lastClosed?.seq ?? 0) + 1;
  if (first.sequence > 1) gaps.unshift({ from, to: Math.max(from, allFromOf(scan)), cause: 'damaged' });
  else if (isNext && from < start && !isDeclared(publication, from, start)) {
    gaps.unshift({ from, to: start, cause: 'crash' });
  }
  return gaps;
}

/** Why recording paused there may be known: then the journal has said it. */
function isDeclared({ gaps }: SpooledPublication, from: number, to: number): boolean {
  return gaps.some((gap) => gap.from <= from && (gap.to ?? Number.POSITIVE_INFINITY) >= to);
}

/** What followed the last whole fragment is lost, and nobody knows how much it was. */
async function endCrashed(publication: SpooledPublication): Promise<void> {
  const last = publication.lastClosed;
  if (last !== undefined) await publication.gap({ from: publication.closedThrough, cause: 'crash' });
  const at = last ? Date.parse(last.start) + last.duration / 90 : Date.parse(publication.header.startedAt);
  await publication.end('crash', new Date(at));
}
