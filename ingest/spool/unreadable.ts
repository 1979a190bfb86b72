import { setTimeout as delay } from 'node:timers/promises';
import { type Disk, type DiskReader, errorCode } from './disk.ts';

/**
 * What a disk answers where it can't give back what was written: again and again, it is damage like a wrong checksum. What may
 * pass (no descriptors left, no rights, a mount that is away) is not among it.
 */
const DAMAGE_CODES = new Set(['EIO', 'EBADMSG', 'ENODATA', 'EUCLEAN']);

/** How often what can't be read is tried before it counts as damaged. */
export const READ_TRIES = 3;
const RETRY_MS = 100;
/** Around what can't be read, everything else is read in pieces of a sector's size. */
const PIECE_BYTES = 4096;

/** Whether a system error says that data on the disk is lost. */
export function isUnreadable(error: unknown): boolean {
  return DAMAGE_CODES.has(errorCode(error));
}

/** SHA-256 (hex) of a file; undefined where it can't be read for good. @throws the disk's other errors */
export function sha256IfReadable(disk: Disk, path: string): Promise<string | undefined> {
  return tryToRead(() => disk.sha256(path));
}

/** Opens a file of which parts may be unreadable: they are read as zeros, which no CRC takes for media. */
export class PatchyReader implements DiskReader {
  readonly bytes: number;
  readonly #inner: DiskReader | undefined;
  #hasHoles = false;

  private constructor(inner: DiskReader | undefined, bytes: number) {
    this.#inner = inner;
    this.bytes = bytes;
    this.#hasHoles = inner === undefined;
  }

  /** A file that can't even be opened is one hole. @throws the disk's other errors */
  static async open(disk: Disk, path: string): Promise<PatchyReader> {
    const inner = await tryToRead(() => disk.openRead(path));
    return new PatchyReader(inner, inner?.bytes ?? (await disk.stat(path))?.bytes ?? 0);
  }

  /** Whether anything was unreadable so far. */
  get hasHoles(): boolean {
    return this.#hasHoles;
  }

  async readAt(offset: number, length: number): Promise<Buffer> {
    const wanted = Math.min(length, this.bytes - offset);
    const whole = await this.#read(offset, length);
    if (whole !== undefined || wanted <= 0) return whole ?? Buffer.alloc(0);
    this.#hasHoles = true;
    const bytes = Buffer.alloc(wanted);
    for (let at = 0; at < wanted && this.#inner; at += PIECE_BYTES) {
      const piece = await this.#read(offset + at, Math.min(PIECE_BYTES, wanted - at), 1);
      piece?.copy(bytes, at);
    }
    return bytes;
  }

  async close(): Promise<void> {
    await this.#inner?.close();
  }

  async #read(offset: number, length: number, tries = READ_TRIES): Promise<Buffer | undefined> {
    const inner = this.#inner;
    return inner && (await tryToRead(() => inner.readAt(offset, length), tries));
  }
}

async function tryToRead<T>(read: () => Promise<T>, tries = READ_TRIES): Promise<T | undefined> {
  for (let left = tries; left > 0; left -= 1) {
    try {
      return await read();
    } catch (error) {
      if (!isUnreadable(error)) throw error;
    }
    if (left > 1) await delay(RETRY_MS);
  }
  return undefined;
}
