import { dirname } from 'node:path';
import { type Disk, errorCode } from './disk.ts';
import { encodeLine, parseJournal } from './journal.ts';
import type { JournalLine } from './segment-entry.ts';

/** The file of a stored or dropped segment that gave its room, and holds the journal lines that say so instead of media. */
export const SETTLED_SUFFIX = '.settled';

/** The lines about one segment are never longer. */
const MAX_LINES_BYTES = 16 * 1024 * 1024;

/**
 * Puts the lines that the journal could not take in the place of a segment's content, under a name that says so. Killed at any
 * moment, it leaves the segment or the lines. They go over the content before it is cut: on a full disk there may be no room for
 * them anywhere else. Never where a `file://` store holds the same file by a link: its content is the recording, and would make
 * no room. @throws the disk's errors
 */
export async function replaceByLines(disk: Disk, path: string, lines: readonly JournalLine[]): Promise<void> {
  const settled = path + SETTLED_SUFFIX;
  if ((await disk.stat(path))?.links === 1) {
    await disk.rename(path, settled);
    await disk.syncFolder(dirname(path));
  }
  // Again: an upload may have linked it meanwhile.
  if ((await disk.stat(settled))?.links !== 1) return;
  const text = Buffer.concat(lines.map(encodeLine));
  const file = await disk.open(settled);
  try {
    await file.patch(0, text);
    await file.datasync();
    await file.truncate(text.length);
  } catch (error) {
    if (errorCode(error) !== 'ENOSPC') throw error;
    // A file system that copies on write has room only when the content is gone.
    await file.truncate(0);
    await file.appendDurably([text]);
  } finally {
    await file.close();
  }
}

/** The lines in such a file, the last of which says what became of the segment; undefined where it does not hold them whole. */
export async function readSettled(disk: Disk, settled: string): Promise<readonly JournalLine[] | undefined> {
  const reader = await disk.openRead(settled);
  try {
    const { lines } = parseJournal(await reader.readAt(0, Math.min(reader.bytes, MAX_LINES_BYTES)));
    const last = lines.at(-1);
    return last?.t === 'stored' || last?.t === 'dropped' ? lines : undefined;
  } finally {
    await reader.close();
  }
}
