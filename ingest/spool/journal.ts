import { crc32 } from 'node:zlib';
import { type Disk, type DiskFile, removeFile } from './disk.ts';
import type { JournalLine } from './segment-entry.ts';

const CRC_DIGITS = 8;
const NEWLINE = 0x0a;

/** One line of a journal: `<crc32 hex> <json>\n`. */
export function encodeLine(line: JournalLine): Buffer {
  const json = Buffer.from(JSON.stringify(line));
  return Buffer.from(`${crc32(json).toString(16).padStart(CRC_DIGITS, '0')} ${json}\n`);
}

/** What a journal's bytes hold. */
export interface JournalContents {
  readonly lines: readonly JournalLine[];
  /** Up to the end of the last whole line: what follows was torn by a crash, and is cut before the next line is written. */
  readonly wholeBytes: number;
  /** Lines before that whose CRC is wrong. */
  readonly damagedLines: number;
}

/** Reads a journal. Each line stands for itself: one that is damaged takes no other with it. */
export function parseJournal(bytes: Buffer): JournalContents {
  const lines: JournalLine[] = [];
  let wholeBytes = 0;
  let damagedLines = 0;
  let suspects = 0;
  for (let from = 0; from < bytes.length; ) {
    const newline = bytes.indexOf(NEWLINE, from);
    if (newline < 0) break;
    const line = parseLine(bytes.subarray(from, newline));
    from = newline + 1;
    if (line === undefined) {
      suspects += 1;
      continue;
    }
    lines.push(line);
    wholeBytes = from;
    damagedLines += suspects;
    suspects = 0;
  }
  return { lines, wholeBytes, damagedLines };
}

function parseLine(bytes: Buffer): JournalLine | undefined {
  const json = bytes.subarray(CRC_DIGITS + 1);
  const expected = crc32(json).toString(16).padStart(CRC_DIGITS, '0');
  if (bytes.toString('latin1', 0, CRC_DIGITS + 1) !== `${expected} ` || json.length === 0) return undefined;
  return JSON.parse(json.toString('utf8')) as JournalLine;
}

/** The append-only file that says what happened to a publication in the spool. Lines are durable, in order, when `append` returns. */
export class Journal {
  readonly path: string;
  readonly #disk: Disk;
  #file: DiskFile | undefined;
  /** Up to the end of the last line that is known to be durable. */
  #wholeBytes: number;
  #isTorn = false;
  #turn: Promise<void> = Promise.resolve();
  #isClosed = false;

  private constructor(disk: Disk, path: string, wholeBytes: number, file?: DiskFile) {
    this.#disk = disk;
    this.path = path;
    this.#wholeBytes = wholeBytes;
    this.#file = file;
  }

  /** Makes the journal with its first lines, or leaves none. The name is durable when its folder is synced, which is the caller's. */
  static async create(disk: Disk, path: string, lines: readonly JournalLine[]): Promise<Journal> {
    const journal = new Journal(disk, path, 0, await disk.create(path));
    try {
      await journal.append(lines);
    } catch (error) {
      await journal.close();
      await removeFile(disk, path).catch(() => {});
      throw error;
    }
    return journal;
  }

  /** Goes on with a journal that was read: the first append cuts what was torn behind `wholeBytes`. */
  static resume(disk: Disk, path: string, wholeBytes: number): Journal {
    const journal = new Journal(disk, path, wholeBytes);
    journal.#isTorn = true;
    return journal;
  }

  get bytes(): number {
    return this.#wholeBytes;
  }

  /** Appends and syncs; after a failure the journal is as before, and a later append may succeed. @throws the disk's errors */
  append(lines: readonly JournalLine[]): Promise<void> {
    const done = this.#turn.then(() => this.#write(lines));
    this.#turn = done.catch(() => {});
    return done;
  }

  /** Waits for what was appended, then closes the file. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#turn;
    await this.#release();
  }

  async #write(lines: readonly JournalLine[]): Promise<void> {
    const parts = lines.map(encodeLine);
    const wasClosed = this.#isClosed;
    this.#file ??= await this.#disk.open(this.path);
    try {
      if (this.#isTorn) await this.#file.truncate(this.#wholeBytes);
      this.#isTorn = true;
      await this.#file.appendDurably(parts);
      this.#isTorn = false;
      this.#wholeBytes += parts.reduce((sum, part) => sum + part.length, 0);
    } finally {
      // A failed fsync may drop what it could not write: the next try starts with a fresh descriptor.
      if (this.#isTorn || wasClosed) await this.#release();
    }
  }

  async #release(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close().catch(() => {});
  }
}
