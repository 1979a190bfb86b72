import { scanFlv } from '../protocol/flv/file-scan.ts';
import { scanMp4 } from '../protocol/fmp4/scan.ts';
import type { ScannedFragment, SegmentScan } from '../protocol/fmp4/segment-scan.ts';
import type { Disk } from './disk.ts';
import type { RecordingGap, SegmentEntry } from './segment-entry.ts';
import { PatchyReader } from './unreadable.ts';

const TICKS_PER_MS = 90;
/** TARGETDURATION where `segmentDuration` is 0, in ms. */
const OPEN_ENDED_TARGET_MS = 12_000;

/** Scans a segment file for whole fragments, past damage and what can't be read. @throws the disk's other errors */
export async function scanSegment(disk: Disk, path: string): Promise<SegmentScan> {
  const reader = await PatchyReader.open(disk, path);
  try {
    const scan = /\.flv(\.[a-z]+)?$/.test(path) ? scanFlv : scanMp4;
    return await scan((offset, length) => reader.readAt(offset, length), reader.bytes, { salvage: true });
  } finally {
    await reader.close();
  }
}

/** The longest segment that a playlist lists whole: 2 × `segmentDuration`, up to the next second; in 90 kHz ticks. */
function listedWholeTicks(segmentDurationMs: number): number {
  const targetMs = segmentDurationMs === 0 ? OPEN_ENDED_TARGET_MS : Math.ceil((2 * segmentDurationMs) / 1000) * 1000;
  return targetMs * TICKS_PER_MS;
}

/** A fragment for `SegmentEntry.fragments`. */
export type ListedFragment = readonly [offset: number, tfdt: number, duration: number];

/** The fragments as an entry has them: only where the segment is too long to be listed whole. */
export function listFragments(
  fragments: readonly ListedFragment[],
  duration: number,
  segmentDurationMs: number,
): { readonly fragments?: readonly ListedFragment[] } {
  return duration > listedWholeTicks(segmentDurationMs) ? { fragments } : {};
}

/**
 * What a scan says of a segment whose kept fragments stand one after the other behind the header; undefined where nothing is left.
 * `before`: a segment of the same publication, from which the wall clock is told where the first fragment is missing.
 */
export function entryOfScan(
  scan: SegmentScan,
  file: { readonly key: string; readonly sha256: string; readonly segmentDurationMs: number; readonly isFlv: boolean },
  before: SegmentEntry | undefined,
): SegmentEntry | undefined {
  const { description, fragments } = scan;
  const [first] = fragments;
  if (description === undefined || first === undefined) return undefined;
  const start = fragments.reduce((earliest, fragment) => Math.min(earliest, fragment.start), first.start);
  const duration = endOf(fragments) - start;
  const offset = description.timelineOffset;
  let at = scan.headerBytes;
  const listed = fragments.map((fragment): ListedFragment => {
    const item = [at, fragment.start + offset, fragment.end - fragment.start] as const;
    at += fragment.bytes;
    return item;
  });
  const tfdt = start + offset;
  const isWholeAtStart = first.sequence === 1;
  return {
    seq: description.seq,
    key: file.key,
    tfdt,
    duration,
    start: isWholeAtStart || before === undefined ? description.start : wallClock(before, tfdt),
    bytes: at,
    sha256: file.sha256,
    headerBytes: file.isFlv ? 0 : scan.headerBytes,
    headerCrc: scan.headerCrc,
    ...listFragments(listed, duration, file.segmentDurationMs),
    aligned: isWholeAtStart ? description.aligned : first.key,
    recovered: true,
  };
}

/** What is missing between kept fragments, on the recording's timeline. */
export function holesOf(scan: SegmentScan): RecordingGap[] {
  const offset = scan.description?.timelineOffset ?? 0;
  const holes: RecordingGap[] = [];
  for (const [index, fragment] of scan.fragments.entries()) {
    const before = scan.fragments[index - 1];
    if (before === undefined || fragment.sequence === before.sequence + 1) continue;
    const [from, to] = [before.allThrough, Math.max(before.allThrough, fragment.allFrom)];
    holes.push({ from: from + offset, to: to + offset, cause: 'damaged' });
  }
  return holes;
}

/** Where on the recording's timeline media may be missing behind the last fragment. */
export function throughOf(scan: SegmentScan): number {
  return (scan.fragments.at(-1)?.allThrough ?? 0) + (scan.description?.timelineOffset ?? 0);
}

/** Where on the recording's timeline the first fragment has all tracks: what is missing before it stands before that. */
export function allFromOf(scan: SegmentScan): number {
  return (scan.fragments[0]?.allFrom ?? 0) + (scan.description?.timelineOffset ?? 0);
}

function wallClock(entry: SegmentEntry, tfdt: number): string {
  return new Date(Date.parse(entry.start) + (tfdt - entry.tfdt) / TICKS_PER_MS).toISOString();
}

function endOf(fragments: readonly ScannedFragment[]): number {
  return fragments.reduce((end, fragment) => Math.max(end, fragment.end), 0);
}
