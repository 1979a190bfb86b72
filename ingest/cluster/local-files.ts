import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { type LocalFile, type LocalObject, readLocalFile } from './local-objects.ts';

const SUFFIXES = ['.yaml', '.yml', '.json'];
/** Nobody writes more of it by hand. */
const MAX_FILE_BYTES = 4 * 1024 * 1024;

interface Seen {
  /** Size, time and inode at the last look. */
  readonly mark: string;
  /** It was the same at the look before: whoever writes it has finished. */
  readonly isRead: boolean;
  readonly file: LocalFile;
}

/**
 * The objects in the files of a folder. A file is read when it was the same at two looks, so that none is taken half-written;
 * what can't be read of it leaves in place what was read before.
 */
export class LocalFiles {
  readonly #dir: string;
  #seen = new Map<string, Seen>();

  constructor(dir: string) {
    this.#dir = dir;
  }

  /** Problems of all files, as they are now. */
  get problems(): readonly string[] {
    return [...this.#seen.values()].flatMap(({ file }) => file.problems.map(({ message }) => message));
  }

  /** All objects by name, and a sentence for each that is in two places: the first counts. */
  objects(): { readonly byName: ReadonlyMap<string, LocalObject>; readonly problems: readonly string[] } {
    const byName = new Map<string, LocalObject>();
    const problems: string[] = [];
    for (const { file } of this.#seen.values()) {
      for (const object of file.objects) {
        const first = byName.get(object.name);
        if (first === undefined) byName.set(object.name, object);
        else problems.push(`${object.where}: ${object.name} is at ${first.where} too: remove one of them`);
      }
    }
    return { byName, problems };
  }

  /** Looks at the folder. Returns whether anything is other than before. @throws the disk's errors, where the folder can't be read */
  async look(isFirst = false): Promise<boolean> {
    const names = (await readdir(this.#dir)).filter((name) => SUFFIXES.includes(path.extname(name))).sort();
    const next = new Map<string, Seen>();
    let isOther = false;
    for (const name of names) {
      const before = this.#seen.get(name);
      const mark = await this.#markOf(name);
      if (mark === undefined) continue;
      const isSettled = isFirst || before?.mark === mark;
      if (before?.isRead === true && before.mark === mark) next.set(name, before);
      else if (isSettled) {
        next.set(name, { mark, isRead: true, file: keepUnreadable(await this.#read(name), before?.file) });
        isOther = true;
      } else next.set(name, { mark, isRead: false, file: before?.file ?? { objects: [], problems: [] } });
    }
    for (const name of this.#seen.keys()) if (!next.has(name)) isOther = true;
    this.#seen = next;
    return isOther;
  }

  /** Undefined where there is no file of that name (any more). */
  async #markOf(name: string): Promise<string | undefined> {
    try {
      const { size, mtimeMs, ino } = await stat(path.join(this.#dir, name));
      return `${size} ${mtimeMs} ${ino}`;
    } catch {
      return undefined;
    }
  }

  async #read(name: string): Promise<LocalFile> {
    try {
      const bytes = await readFile(path.join(this.#dir, name));
      if (bytes.length <= MAX_FILE_BYTES) return readLocalFile(name, bytes.toString('utf8'));
      return { objects: [], problems: [{ message: `${name}: has more than ${MAX_FILE_BYTES} bytes: split it` }] };
    } catch (error) {
      return { objects: [], problems: [{ message: `${name}: cannot be read: ${(error as Error).message}` }] };
    }
  }
}

/** An object that can't be read stays as it was; where the file is no YAML, that goes for all of it. */
function keepUnreadable(now: LocalFile, before: LocalFile | undefined): LocalFile {
  if (before === undefined || now.problems.length === 0) return now;
  const names = new Set(now.objects.map(({ name }) => name));
  const isBroken = now.problems.some(({ name }) => name === undefined);
  const unreadable = new Set(now.problems.map(({ name }) => name));
  const kept = before.objects.filter(({ name }) => !names.has(name) && (isBroken || unreadable.has(name)));
  return { ...now, objects: [...now.objects, ...kept] };
}
