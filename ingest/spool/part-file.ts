import { dirname } from 'node:path';
import type { Disk, DiskFile } from './disk.ts';

/** Told how many bytes the spool holds more (or, negative, less). */
export type Account = (bytes: number) => void;

/** The name a segment has until it is closed. */
export const PART_SUFFIX = '.part';

/**
 * A segment being written, under `<name>.part`: appended and synced, and at its end given its name. Its operations are called
 * one after the other; all throw the disk's errors. After an error
 * only `cutToDurable` with `finish`, or `abandon`, may follow.
 */
export class PartFile {
  /** The name it gets when it is finished. */
  readonly path: string;
  readonly #disk: Disk;
  readonly #file: DiskFile;
  readonly #account: Account;
  #bytes = 0;
  #durableBytes = 0;
  #nameIsDurable = false;
  #isFinished = false;

  private constructor(disk: Disk, path: string, file: DiskFile, account: Account) {
    this.#disk = disk;
    this.path = path;
    this.#file = file;
    this.#account = account;
  }

  static async create(disk: Disk, path: string, account: Account): Promise<PartFile> {
    return new PartFile(disk, path, await disk.create(path + PART_SUFFIX), account);
  }

  /** Bytes that are on the disk for sure. */
  get durableBytes(): number {
    return this.#durableBytes;
  }

  /** Appends; when it returns, all that was appended is durable. */
  async commit(parts: readonly Buffer[]): Promise<void> {
    const bytes = parts.reduce((sum, part) => sum + part.length, 0);
    this.#account(bytes);
    this.#bytes += bytes;
    if (this.#nameIsDurable) await this.#file.appendDurably(parts);
    else await Promise.all([this.#file.appendDurably(parts), this.#disk.syncFolder(dirname(this.path))]);
    this.#nameIsDurable = true;
    this.#durableBytes = this.#bytes;
  }

  /** Overwrites bytes written before, for what is known only at the end; durable with `finish`. */
  patch(offset: number, bytes: Buffer): Promise<void> {
    return this.#file.patch(offset, bytes);
  }

  /** fsync, rename, fsync of the folder: closed for good. May be called again after it failed. */
  async finish(): Promise<void> {
    if (this.#isFinished) return;
    await this.#file.sync();
    if ((await this.#disk.stat(this.path)) === undefined) await this.#disk.rename(this.path + PART_SUFFIX, this.path);
    await this.#disk.syncFolder(dirname(this.path));
    this.#isFinished = true;
    await this.#file.close().catch(() => {});
  }

  /** After a failed commit: cuts what may not be on the disk, so that `finish` can follow. */
  async cutToDurable(): Promise<void> {
    if (this.#isFinished || this.#bytes === this.#durableBytes) return;
    await this.#file.truncate(this.#durableBytes);
    this.#account(this.#durableBytes - this.#bytes);
    this.#bytes = this.#durableBytes;
  }

  /** Removes it: nothing in it was acknowledged. */
  async abandon(): Promise<void> {
    await this.#file.close().catch(() => {});
    this.#account(-this.#bytes);
    this.#bytes = 0;
    await this.#disk.unlink(this.path + PART_SUFFIX);
  }
}
