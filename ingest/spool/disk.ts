import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import * as fs from 'node:fs/promises';
import { dirname } from 'node:path';
import { hashFile } from './hash-file.ts';

/** A file open for writing. Its operations are called one after the other. */
export interface DiskFile {
  readonly path: string;
  /** Appends all parts, in order, in as few writes as the system allows; on an error some of them may be in the file. */
  append(parts: readonly Buffer[]): Promise<void>;
  /** `append` and `datasync` in one. */
  appendDurably(parts: readonly Buffer[]): Promise<void>;
  /** Overwrites bytes that were appended before. */
  patch(offset: number, bytes: Buffer): Promise<void>;
  /** Cuts the file; the next append goes there. */
  truncate(length: number): Promise<void>;
  /** `fdatasync`: data and length are on the disk. */
  datasync(): Promise<void>;
  /** `fsync`. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** What `stat` says. */
export interface FileFacts {
  readonly bytes: number;
  readonly isFolder: boolean;
  readonly modifiedMs: number;
  /** Names it has: more than one where a `file://` store on the same file system has it too. */
  readonly links: number;
}

/** A file open for reading. */
export interface DiskReader {
  readonly bytes: number;
  /** Fewer bytes than wanted only at the end of the file. */
  readAt(offset: number, length: number): Promise<Buffer>;
  close(): Promise<void>;
}

/**
 * The file system as the spool uses it: the one way to it, so that a test can record what a real run does, build what a
 * power loss would have left of it, and make any operation fail. All functions throw the system's errors (`code` ENOSPC …).
 */
export interface Disk {
  /** Makes a new file. @throws EEXIST where the name exists: nothing is ever overwritten. */
  create(path: string): Promise<DiskFile>;
  /** Opens a file that exists; appends go to its end. */
  open(path: string): Promise<DiskFile>;
  openRead(path: string): Promise<DiskReader>;
  readAll(path: string): Promise<Buffer>;
  /** SHA-256 of a file, hex, off the event loop. */
  sha256(path: string): Promise<string>;
  /** The caller knows that `to` is free: a file there would be replaced. */
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  /** Makes one folder. @throws EEXIST */
  mkdir(path: string): Promise<void>;
  /** Removes an empty folder. @throws ENOTEMPTY */
  rmdir(path: string): Promise<void>;
  /** Names in a folder, sorted. */
  readdir(path: string): Promise<readonly string[]>;
  /** Makes the names in a folder durable. */
  syncFolder(path: string): Promise<void>;
  /** Undefined where there is nothing. */
  stat(path: string): Promise<FileFacts | undefined>;
  /** Bytes that may still be written to the file system of `path`. */
  freeBytes(path: string): Promise<number>;
}

/** More buffers than the kernel takes in one `writev` (IOV_MAX 1024): libuv splits them, we keep each call one write. */
const MAX_PARTS = 1024;

/** The `code` of a system error; 'EUNKNOWN' where there is none. */
export function errorCode(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : 'EUNKNOWN';
}

/** Makes a folder and those above it that are missing, each durable in the one above it. */
export async function makeFolders(disk: Disk, path: string): Promise<void> {
  const facts = await disk.stat(path);
  if (facts?.isFolder) return;
  const parent = dirname(path);
  if (parent !== path) await makeFolders(disk, parent);
  try {
    await disk.mkdir(path);
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
  }
  await disk.syncFolder(parent);
}

/** Like unlink, but a file that is gone already is no error. */
export async function removeFile(disk: Disk, path: string): Promise<void> {
  try {
    await disk.unlink(path);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
}

/**
 * On Linux each write is durable when it returns, as if `fdatasync` had followed, without a second way through the thread pool.
 * Elsewhere O_DSYNC says less than `fdatasync`, or nothing.
 */
const SYNCED = process.platform === 'linux' ? constants.O_DSYNC : 0;

/** The machine's own file system. */
export const NODE_DISK: Disk = {
  create: async (path) => {
    const { O_WRONLY, O_CREAT, O_EXCL } = constants;
    return new NodeFile(path, await fs.open(path, O_WRONLY | O_CREAT | O_EXCL | SYNCED, 0o644), 0);
  },
  open: async (path) => {
    const handle = await fs.open(path, constants.O_RDWR | SYNCED);
    return new NodeFile(path, handle, await sizeOf(handle));
  },
  openRead: async (path) => {
    const handle = await fs.open(path, 'r');
    return {
      bytes: await sizeOf(handle),
      readAt: (offset, length) => readAt(handle, offset, length),
      close: () => handle.close(),
    };
  },
  readAll: (path) => fs.readFile(path),
  sha256: hashFile,
  rename: (from, to) => fs.rename(from, to),
  unlink: (path) => fs.unlink(path),
  mkdir: (path) => fs.mkdir(path, 0o755),
  rmdir: (path) => fs.rmdir(path),
  readdir: async (path) => (await fs.readdir(path)).sort(),
  syncFolder: async (path) => {
    const handle = await fs.open(path, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
  stat: async (path) => {
    try {
      const facts = await fs.stat(path);
      return { bytes: facts.size, isFolder: facts.isDirectory(), modifiedMs: facts.mtimeMs, links: facts.nlink };
    } catch (error) {
      if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return undefined;
      throw error;
    }
  },
  freeBytes: async (path) => {
    const { bavail, bsize } = await fs.statfs(path);
    return bavail * bsize;
  },
};

/** Closes what it cannot tell the size of: nobody else would. */
async function sizeOf(handle: FileHandle): Promise<number> {
  try {
    return (await handle.stat()).size;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

class NodeFile implements DiskFile {
  readonly path: string;
  readonly #handle: FileHandle;
  #length: number;

  constructor(path: string, handle: FileHandle, length: number) {
    this.path = path;
    this.#handle = handle;
    this.#length = length;
  }

  async append(parts: readonly Buffer[]): Promise<void> {
    for (let from = 0; from < parts.length; from += MAX_PARTS)
      await this.#writeAll(parts.slice(from, from + MAX_PARTS));
  }

  async appendDurably(parts: readonly Buffer[]): Promise<void> {
    await this.append(parts);
    if (SYNCED === 0) await this.datasync();
  }

  async #writeAll(parts: Buffer[]): Promise<void> {
    let rest = parts;
    let left = parts.reduce((sum, part) => sum + part.length, 0);
    while (left > 0) {
      const { bytesWritten } = await this.#handle.writev(rest, this.#length);
      this.#length += bytesWritten;
      left -= bytesWritten;
      if (left > 0) rest = withoutFirst(rest, bytesWritten);
    }
  }

  async patch(offset: number, bytes: Buffer): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      done += (await this.#handle.write(bytes, done, bytes.length - done, offset + done)).bytesWritten;
    }
  }

  async truncate(length: number): Promise<void> {
    await this.#handle.truncate(length);
    this.#length = length;
  }

  datasync(): Promise<void> {
    return this.#handle.datasync();
  }

  sync(): Promise<void> {
    return this.#handle.sync();
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

/** What is left of `parts` when their first `count` bytes are gone (a short write: the disk is nearly full). */
function withoutFirst(parts: readonly Buffer[], count: number): Buffer[] {
  let skip = count;
  for (const [index, part] of parts.entries()) {
    if (skip < part.length) return [part.subarray(skip), ...parts.slice(index + 1)];
    skip -= part.length;
  }
  return [];
}

async function readAt(handle: FileHandle, offset: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await handle.read(bytes, done, length - done, offset + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return bytes.subarray(0, done);
}
