import { createHash, randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { copyFile, link, lstat, open, readdir, readFile, rename, rmdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Fault } from '../runtime/fault.ts';
import { errorCode, makeFolders, NODE_DISK, removeFile } from '../spool/disk.ts';
import { hashFile } from '../spool/hash-file.ts';
import type { ExistingNames } from '../spool/segment-names.ts';
import { sourceFault } from './file-digest.ts';
import {
  type ListedObject,
  MAX_SMALL_OBJECT,
  type ObjectStore,
  REMOVE_BATCH,
  type SegmentSource,
  type StoredSegment,
  type StoreFaultCode,
  type VersionedBytes,
} from './object-store.ts';

const BY_CODE: Readonly<Record<string, StoreFaultCode>> = {
  EACCES: 'ERR_STORE_ACCESS',
  EPERM: 'ERR_STORE_ACCESS',
  EROFS: 'ERR_STORE_ACCESS',
  ENOSPC: 'ERR_STORE_FULL',
  EDQUOT: 'ERR_STORE_FULL',
  ENAMETOOLONG: 'ERR_STORE_REFUSED',
  EINVAL: 'ERR_STORE_REFUSED',
  // A file has the name of a folder, or the other way round: it can only concern this object.
  ENOTDIR: 'ERR_STORE_REFUSED',
  EISDIR: 'ERR_STORE_REFUSED',
};

/** What `link` answers between file systems, and on those that have no links. */
const NO_LINK = new Set(['EXDEV', 'EPERM', 'EMLINK', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EINVAL']);

/** This process, in the names of its copies. */
const OWN_COPIES = randomBytes(6).toString('hex');
const COPY_NAME = /^\..*\.([\da-f]{12})-\d+\.copy$/;
let copies = 0;

function storeFault(error: unknown): unknown {
  if (error instanceof Fault || (error as Error | null)?.name === 'AbortError') return error;
  const code = BY_CODE[errorCode(error)] ?? 'ERR_STORE_UNAVAILABLE';
  return new Fault(code, error instanceof Error ? error.message : String(error), { cause: error });
}

function versionOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** What exists in a `file://` store, for choosing names while recording. */
export function namesInFolder(root: string): ExistingNames {
  return {
    list: (folder) => readdir(join(root, folder)),
    has: (key) =>
      lstat(join(root, key)).then(
        () => true,
        () => false,
      ),
  };
}

/**
 * A folder as a store. Where it is on the spool's file system, storing a segment is a link and an `fsync` of the folder: no
 * second copy is made. A name that exists is never replaced. `swap` is safe among the writers of one process.
 */
export class FileStore implements ObjectStore {
  readonly url: string;
  readonly #root: string;
  readonly #writing = new Map<string, Promise<unknown>>();
  /** Folders that hold no copies of an earlier process any more. */
  readonly #swept = new Set<string>();

  /** @param root absolute path of the folder; made when the first object is stored */
  constructor(root: string) {
    this.#root = root;
    this.url = `file://${root}`;
  }

  async putSegment(key: string, source: SegmentSource, signal: AbortSignal): Promise<StoredSegment> {
    const target = join(this.#root, key);
    await this.#checkSource(source);
    signal.throwIfAborted();
    try {
      await makeFolders(NODE_DISK, dirname(target));
      const isNew = (await linkFree(source, target)) ?? (await this.#copyFree(source, target));
      if (!isNew) return await this.#present(key, source);
      await NODE_DISK.syncFolder(dirname(target));
      return { wasPresent: false };
    } catch (error) {
      throw storeFault(error);
    }
  }

  /** Copies the file, where it can't be linked; false where something has that name. */
  async #copyFree({ file, sha256 }: SegmentSource, target: string): Promise<boolean> {
    if (await lstat(target).catch(() => undefined)) return false;
    await this.#sweep(dirname(target));
    copies += 1;
    const copy = join(dirname(target), `.${basename(target).slice(0, 200)}.${OWN_COPIES}-${copies}.copy`);
    try {
      await copyFile(file, copy, constants.COPYFILE_EXCL);
      await syncFile(copy);
      if ((await hashFile(copy)) !== sha256)
        throw new Fault('ERR_STORE_CHECKSUM', `the copy of ${file} differs from it`);
      return await nameFree(copy, target);
    } finally {
      await removeFile(NODE_DISK, copy).catch(() => {});
    }
  }

  /** Removes what processes that were killed left of copies; one that lives and uses the folder, too, has to copy again. */
  async #sweep(folder: string): Promise<void> {
    if (this.#swept.has(folder)) return;
    this.#swept.add(folder);
    for (const name of await readdir(folder)) {
      const owner = COPY_NAME.exec(name)?.[1];
      if (owner !== undefined && owner !== OWN_COPIES) await removeFile(NODE_DISK, join(folder, name)).catch(() => {});
    }
  }

  /** The file as it lies on the disk now: what was hashed while it was written may have been damaged since. */
  async #checkSource(source: SegmentSource): Promise<void> {
    let sha256: string;
    try {
      sha256 = await hashFile(source.file);
    } catch (error) {
      throw sourceFault(error);
    }
    if (sha256 !== source.sha256) {
      throw new Fault('ERR_STORE_CHECKSUM', `${source.file} does not have its checksum`);
    }
  }

  /** @throws Fault ERR_STORE_CONFLICT */
  async #present(key: string, source: SegmentSource): Promise<StoredSegment> {
    const target = join(this.#root, key);
    const facts = await lstat(target);
    if (!facts.isFile() || facts.size !== source.bytes || (await hashFile(target)) !== source.sha256) {
      throw new Fault('ERR_STORE_CONFLICT', `another file is called ${key}`);
    }
    // It may have been linked just before a crash, its name not yet on the disk.
    await NODE_DISK.syncFolder(dirname(target));
    return { wasPresent: true };
  }

  async findSegment(key: string, source: SegmentSource, signal: AbortSignal): Promise<StoredSegment | undefined> {
    signal.throwIfAborted();
    try {
      return await this.#present(key, source);
    } catch (error) {
      if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ERR_STORE_CONFLICT') return undefined;
      throw storeFault(error);
    }
  }

  async read(key: string, signal: AbortSignal): Promise<VersionedBytes | undefined> {
    signal.throwIfAborted();
    const path = join(this.#root, key);
    try {
      const { size } = await stat(path);
      if (size > MAX_SMALL_OBJECT) {
        throw new Fault('ERR_STORE_REFUSED', `${key} has ${size} bytes, more than ${MAX_SMALL_OBJECT}`);
      }
      const bytes = await readFile(path);
      return { bytes, version: versionOf(bytes) };
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return undefined;
      throw storeFault(error);
    }
  }

  async swap(
    key: string,
    bytes: Buffer,
    _contentType: string,
    expected: string | undefined,
    signal: AbortSignal,
  ): Promise<string> {
    const before = this.#writing.get(key);
    const write = (async () => {
      await before?.catch(() => {});
      const present = await this.read(key, signal);
      if (present?.version !== expected) throw new Fault('ERR_STORE_CHANGED', `${key} has been written since`);
      await this.#replace(key, bytes);
      return versionOf(bytes);
    })();
    this.#writing.set(key, write);
    try {
      return await write;
    } finally {
      if (this.#writing.get(key) === write) this.#writing.delete(key);
    }
  }

  async #replace(key: string, bytes: Buffer): Promise<void> {
    const target = join(this.#root, key);
    const temporary = temporaryFor(target);
    try {
      await makeFolders(NODE_DISK, dirname(target));
      {
        await using handle = await open(temporary, 'w', 0o644);
        await handle.writeFile(bytes);
        await handle.sync();
      }
      await rename(temporary, target);
      await NODE_DISK.syncFolder(dirname(target));
    } catch (error) {
      await removeFile(NODE_DISK, temporary).catch(() => {});
      throw storeFault(error);
    }
  }

  async list(folder: string, signal: AbortSignal): Promise<readonly ListedObject[]> {
    signal.throwIfAborted();
    try {
      const entries = await readdir(join(this.#root, folder), { withFileTypes: true });
      return await Promise.all(
        entries.map(async (entry) => {
          const facts = entry.isFile() ? await NODE_DISK.stat(join(this.#root, folder, entry.name)) : undefined;
          return { name: entry.name, bytes: facts?.bytes };
        }),
      );
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return [];
      throw storeFault(error);
    }
  }

  async *keysBelow(folder: string, signal: AbortSignal): AsyncIterable<readonly string[]> {
    signal.throwIfAborted();
    const entries = await readdir(join(this.#root, folder), { withFileTypes: true }).catch((error) => {
      if (errorCode(error) === 'ENOENT') return [];
      throw storeFault(error);
    });
    const keys = entries.filter((entry) => !entry.isDirectory()).map(({ name }) => folder + name);
    for (let at = 0; at < keys.length; at += REMOVE_BATCH) yield keys.slice(at, at + REMOVE_BATCH);
    for (const entry of entries) if (entry.isDirectory()) yield* this.keysBelow(`${folder}${entry.name}/`, signal);
  }

  /** Folders that become empty go too, as a bucket has none. */
  async remove(keys: readonly string[], signal: AbortSignal): Promise<void> {
    const folders = new Set<string>();
    try {
      for (const key of keys) {
        signal.throwIfAborted();
        const target = join(this.#root, key);
        await removeFile(NODE_DISK, target);
        folders.add(dirname(target));
      }
    } catch (error) {
      throw storeFault(error);
    }
    for (const folder of folders) {
      for (let path = folder; path.startsWith(`${this.#root}/`); path = dirname(path)) {
        if (
          !(await rmdir(path).then(
            () => true,
            () => false,
          ))
        )
          break;
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#writing.values());
  }
}

/** Hidden, and the same for each attempt: what a crash leaves is overwritten by the next one. */
function temporaryFor(target: string): string {
  return join(dirname(target), `.${basename(target).slice(0, 200)}.tmp`);
}

/** Gives the file a second name; false where something has that name, undefined between file systems and where there are no links. */
async function linkFree({ file }: SegmentSource, target: string): Promise<boolean | undefined> {
  try {
    await link(file, target);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    if (errorCode(error) === 'ENOENT') throw (await NODE_DISK.stat(file)) ? error : sourceFault(error);
    if (!NO_LINK.has(errorCode(error))) throw error;
    return undefined;
  }
}

async function syncFile(path: string): Promise<void> {
  await using handle = await open(path, 'r+');
  await handle.sync();
}

async function nameFree(temporary: string, target: string): Promise<boolean> {
  try {
    await link(temporary, target);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    if (!NO_LINK.has(errorCode(error))) throw error;
  }
  // A file system without links, such as exFAT: the name is looked for, then taken.
  if (await lstat(target).catch(() => undefined)) return false;
  await rename(temporary, target);
  return true;
}
