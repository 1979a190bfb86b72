import { dirname } from 'node:path';
import { type Disk, errorCode, removeFile } from './disk.ts';
import { Journal, parseJournal } from './journal.ts';
import { PublicationState } from './publication-state.ts';
import { scanSegment } from './scanned-entry.ts';
import type { JournalLine, PublicationHeader } from './segment-entry.ts';
import type { NameSource } from './segment-names.ts';
import { JOURNAL_NAME, SpooledPublication, type SpoolHost } from './spooled-publication.ts';

/** What is assumed of a publication whose journal is lost and whose segments must speak for it. */
const ASSUMED_SEGMENT_DURATION_MS = 6000;

/**
 * Reads the journals an earlier process left, oldest epoch first, and tells `names` the keys of what waits in them. Cheap: no
 * media is read, but where a journal itself is damaged. @throws the disk's errors
 */
export async function findLeftovers(host: SpoolHost, dir: string, names: NameSource): Promise<SpooledPublication[]> {
  const found: SpooledPublication[] = [];
  for (const folder of await publicationFolders(host.disk, dir)) {
    const publication = await readPublication(host, folder).catch((error: unknown) => {
      host.log.error({ folder, code: errorCode(error), err: error }, 'publication left alone: unreadable');
    });
    if (!publication) continue;
    for (const { entry } of publication.pending) {
      names.note({ ...publication.header, seq: entry.seq, start: new Date(entry.start) }, entry.key);
    }
    found.push(publication);
  }
  return found.sort((a, b) => a.header.epoch - b.header.epoch);
}

/** Folders at the third level: path, recording, publication. */
async function publicationFolders(disk: Disk, dir: string): Promise<string[]> {
  let level = [dir];
  for (let depth = 0; depth < 3; depth += 1) {
    const next: string[] = [];
    for (const folder of level) {
      for (const name of await disk.readdir(folder)) {
        const path = `${folder}/${name}`;
        if (!name.startsWith('.') && (await disk.stat(path))?.isFolder) next.push(path);
      }
    }
    level = next;
  }
  return level;
}

async function readPublication(host: SpoolHost, folder: string): Promise<SpooledPublication | undefined> {
  const { disk, log, account } = host;
  const files = await disk.readdir(folder);
  for (const name of files) account((await disk.stat(`${folder}/${name}`))?.bytes ?? 0);
  const path = `${folder}/${JOURNAL_NAME}`;
  const bytes = files.includes(JOURNAL_NAME) ? await disk.readAll(path) : Buffer.alloc(0);
  const { lines, wholeBytes, damagedLines } = parseJournal(bytes);
  if (damagedLines > 0) log.error({ file: path, lines: damagedLines }, 'journal damaged');
  if (lines[0]?.t === 'open') {
    return new SpooledPublication(
      host,
      folder,
      Journal.resume(disk, path, wholeBytes),
      PublicationState.replay(lines),
      files,
    );
  }
  const header = await headerFromSegments(disk, folder, files);
  if (header === undefined) {
    // The crash came before the journal's first line was durable: nothing was recorded.
    if (files.every((name) => name === JOURNAL_NAME)) {
      account(-bytes.length);
      await removeFile(disk, path);
      await disk.rmdir(folder);
    } else log.error({ folder }, 'publication without journal or readable segment left alone');
    return undefined;
  }
  log.error({ stream_key: header.path, folder }, 'journal rebuilt from segments');
  const rebuilt: JournalLine[] = [{ t: 'open', ...header }, ...lines.filter((line) => line.t !== 'open')];
  if (bytes.length > 0) await keepDamaged(disk, path, bytes, files);
  const journal = await replaceJournal(disk, path, rebuilt);
  account(journal.bytes);
  return new SpooledPublication(host, folder, journal, PublicationState.replay(rebuilt), files);
}

/** Copies a journal under a name that says that it is damaged. */
async function keepDamaged(disk: Disk, path: string, bytes: Buffer, taken: readonly string[]): Promise<void> {
  let name = `${JOURNAL_NAME}.damaged`;
  for (let n = 2; taken.includes(name); n += 1) name = `${JOURNAL_NAME}.damaged-${n}`;
  const copy = await disk.create(`${dirname(path)}/${name}`);
  await copy.appendDurably([bytes]).finally(() => copy.close());
}

/** Killed at any moment, it leaves the journal as it was or the whole new one. */
async function replaceJournal(disk: Disk, path: string, lines: readonly JournalLine[]): Promise<Journal> {
  const fresh = `${path}.rebuilt`;
  await removeFile(disk, fresh);
  const journal = await Journal.create(disk, fresh, lines);
  await journal.close();
  await disk.rename(fresh, path);
  await disk.syncFolder(dirname(path));
  return Journal.resume(disk, path, journal.bytes);
}

/** A publication's header out of what one of its segments says of itself. */
async function headerFromSegments(
  disk: Disk,
  folder: string,
  files: readonly string[],
): Promise<PublicationHeader | undefined> {
  for (const name of files) {
    const isFlv = /\.flv(\.|$)/.test(name);
    if (!isFlv && !/\.mp4(\.|$)/.test(name)) continue;
    const { description } = await scanSegment(disk, `${folder}/${name}`);
    if (description === undefined) continue;
    const { path, owner, recording, epoch, pub, start, timelineOffset } = description;
    const shared = { version: 1, path, owner, recording, epoch, pub, startedAt: start } as const;
    const timeline = timelineOffset === 0 ? 'recording' : 'file';
    return { ...shared, format: isFlv ? 'flv' : 'fmp4', segmentDuration: ASSUMED_SEGMENT_DURATION_MS, timeline };
  }
  return undefined;
}
