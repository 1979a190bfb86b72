import { dirname } from 'node:path';
import type { Disk, DiskFile } from '../../ingest/spool/disk.ts';
import type { DiskImage } from './memory-disk.ts';

/** A change of a file's content, or of a folder's names. Volatile from when it began; durable from when a sync that began after it had ended, ends. */
type Change =
  | { readonly kind: 'write'; readonly inode: number; readonly offset: number; readonly bytes: Buffer }
  | { readonly kind: 'truncate'; readonly inode: number; readonly length: number }
  | { readonly kind: 'create'; readonly path: string; readonly inode: number }
  | { readonly kind: 'mkdir' | 'unlink' | 'rmdir'; readonly path: string }
  | { readonly kind: 'rename'; readonly path: string; readonly to: string };

interface Recorded {
  readonly change: Change;
  readonly beganAt: number;
  endedAt: number;
  durableAt: number;
}

/** What becomes of a volatile change at a power loss. */
export type Fate = 'kept' | 'missing' | 'cut' | 'zeroed';

/** Numbers from 0 up to 1, the same ones for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * Passes everything on to another disk and notes each write, sync and rename with its order, so that the state after a power
 * loss at any moment can be built: everything synced is there; of what was not, each write may be missing, cut or zeroed, each
 * change of a name undone.
 */
export class RecordingDisk implements Disk {
  readonly #inner: Disk;
  readonly #changes: Recorded[] = [];
  readonly #notes: { readonly at: number; readonly value: unknown }[] = [];
  readonly #inodes = new Map<string, number>();
  readonly #start: DiskImage;
  #clock = 0;
  #lastInode = 0;
  /** Called after each operation; what it returns is noted. */
  onStep: () => unknown = () => undefined;

  /** `start`: what the disk holds at first. */
  constructor(inner: Disk, start: DiskImage = new Map()) {
    this.#inner = inner;
    this.#start = start;
    for (const [path, content] of start) if (content !== 'folder') this.#inodes.set(path, this.#newInode());
  }

  /** Moments there have been: images can be built for 0 to this. */
  get moments(): number {
    return this.#clock;
  }

  /** The last value noted before a moment. */
  noteAt(moment: number): unknown {
    return this.#notes.findLast(({ at }) => at <= moment)?.value;
  }

  /** What a power loss at `moment` could leave; `random` chooses the fate of what was not durable. */
  image(moment: number, random: () => number): DiskImage {
    const content = new Map<number, Buffer>();
    const names = new Map<string, number | 'folder'>();
    for (const [path, bytes] of this.#start) {
      for (let above = dirname(path); above !== '/'; above = dirname(above)) names.set(above, 'folder');
      const inode = bytes === 'folder' ? bytes : (this.#startInode(path) as number);
      names.set(path, inode);
      if (bytes !== 'folder' && typeof inode === 'number') content.set(inode, bytes);
    }
    for (const { change, beganAt, durableAt } of this.#changes) {
      if (beganAt > moment) continue;
      apply(change, durableAt <= moment ? 'kept' : fateOf(change, random), content, names, random);
    }
    const image = new Map<string, Buffer | 'folder'>([['/', 'folder']]);
    for (const [path, inode] of [...names].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const isReachable = image.get(dirname(path)) === 'folder';
      if (isReachable) image.set(path, inode === 'folder' ? inode : (content.get(inode) ?? Buffer.alloc(0)));
    }
    return image;
  }

  async create(path: string): Promise<DiskFile> {
    const inode = this.#newInode();
    const file = await this.#change({ kind: 'create', path, inode }, () => this.#inner.create(path));
    this.#inodes.set(path, inode);
    return this.#file(file, inode, 0);
  }

  async open(path: string): Promise<DiskFile> {
    const file = await this.#inner.open(path);
    const length = (await this.#inner.stat(path))?.bytes ?? 0;
    return this.#file(file, this.#inodes.get(path) as number, length);
  }

  openRead: Disk['openRead'] = (path) => this.#inner.openRead(path);
  readAll: Disk['readAll'] = (path) => this.#inner.readAll(path);
  sha256: Disk['sha256'] = (path) => this.#inner.sha256(path);
  readdir: Disk['readdir'] = (path) => this.#inner.readdir(path);
  stat: Disk['stat'] = (path) => this.#inner.stat(path);
  freeBytes: Disk['freeBytes'] = (path) => this.#inner.freeBytes(path);

  async rename(from: string, to: string): Promise<void> {
    await this.#change({ kind: 'rename', path: from, to }, () => this.#inner.rename(from, to));
    const inode = this.#inodes.get(from);
    this.#inodes.delete(from);
    if (inode !== undefined) this.#inodes.set(to, inode);
  }

  async unlink(path: string): Promise<void> {
    await this.#change({ kind: 'unlink', path }, () => this.#inner.unlink(path));
    this.#inodes.delete(path);
  }

  mkdir(path: string): Promise<void> {
    return this.#change({ kind: 'mkdir', path }, () => this.#inner.mkdir(path));
  }

  rmdir(path: string): Promise<void> {
    return this.#change({ kind: 'rmdir', path }, () => this.#inner.rmdir(path));
  }

  syncFolder(path: string): Promise<void> {
    const isNameIn = (change: Change) =>
      'path' in change && (dirname(change.path) === path || (change.kind === 'rename' && dirname(change.to) === path));
    return this.#sync(isNameIn, () => this.#inner.syncFolder(path));
  }

  #file(file: DiskFile, inode: number, from: number): DiskFile {
    let length = from;
    const isMine = (change: Change) =>
      (change.kind === 'write' || change.kind === 'truncate') && change.inode === inode;
    const append = async (parts: readonly Buffer[]) => {
      const bytes = Buffer.concat(parts);
      await this.#change({ kind: 'write', inode, offset: length, bytes }, () => file.append(parts));
      length += bytes.length;
    };
    return {
      path: file.path,
      append,
      appendDurably: async (parts) => {
        await append(parts);
        await this.#sync(isMine, () => file.datasync());
      },
      patch: (offset, bytes) =>
        this.#change({ kind: 'write', inode, offset, bytes: Buffer.from(bytes) }, () => file.patch(offset, bytes)),
      truncate: async (to) => {
        await this.#change({ kind: 'truncate', inode, length: to }, () => file.truncate(to));
        length = to;
      },
      datasync: () => this.#sync(isMine, () => file.datasync()),
      sync: () => this.#sync(isMine, () => file.sync()),
      close: () => file.close(),
    };
  }

  async #change<T>(change: Change, work: () => Promise<T>): Promise<T> {
    const recorded = { change, beganAt: ++this.#clock, endedAt: Infinity, durableAt: Infinity };
    this.#changes.push(recorded);
    const result = await work();
    recorded.endedAt = ++this.#clock;
    this.#note();
    return result;
  }

  async #sync(covers: (change: Change) => boolean, work: () => Promise<void>): Promise<void> {
    const began = ++this.#clock;
    const covered = this.#changes.filter(
      ({ change, endedAt, durableAt }) => endedAt <= began && durableAt === Infinity && covers(change),
    );
    await work();
    const ended = ++this.#clock;
    for (const recorded of covered) recorded.durableAt = Math.min(recorded.durableAt, ended);
    this.#note();
  }

  /** What the program says after a step counts from the next moment on: an answer can't come before the sync it stands for. */
  #note(): void {
    const at = this.#clock;
    setImmediate(() => this.#notes.push({ at: Math.max(at, this.#clock), value: this.onStep() }));
  }

  #startInode(path: string): number | undefined {
    let inode = 0;
    for (const [each, content] of this.#start) {
      if (content !== 'folder') inode += 1;
      if (each === path) return inode;
    }
    return undefined;
  }

  #newInode(): number {
    this.#lastInode += 1;
    return this.#lastInode;
  }
}

function fateOf(change: Change, random: () => number): Fate {
  const dice = random();
  if (change.kind !== 'write') return dice < 0.5 ? 'kept' : 'missing';
  if (dice < 0.3) return 'kept';
  if (dice < 0.6) return 'missing';
  return dice < 0.8 ? 'cut' : 'zeroed';
}

function apply(
  change: Change,
  fate: Fate,
  content: Map<number, Buffer>,
  names: Map<string, number | 'folder'>,
  random: () => number,
): void {
  if (fate === 'missing') return;
  switch (change.kind) {
    case 'write': {
      const keep = fate === 'cut' ? Math.floor(random() * change.bytes.length) : change.bytes.length;
      const bytes = fate === 'zeroed' ? Buffer.alloc(keep) : change.bytes.subarray(0, keep);
      const before = content.get(change.inode) ?? Buffer.alloc(0);
      const after = Buffer.alloc(Math.max(before.length, change.offset + keep));
      before.copy(after);
      bytes.copy(after, change.offset);
      content.set(change.inode, after);
      return;
    }
    case 'truncate': {
      const after = Buffer.alloc(change.length);
      (content.get(change.inode) ?? Buffer.alloc(0)).copy(after);
      content.set(change.inode, after);
      return;
    }
    case 'create':
      names.set(change.path, change.inode);
      return;
    case 'mkdir':
      names.set(change.path, 'folder');
      return;
    case 'unlink':
    case 'rmdir':
      names.delete(change.path);
      return;
    case 'rename': {
      const inode = names.get(change.path);
      if (inode === undefined) return;
      names.delete(change.path);
      names.set(change.to, inode);
    }
  }
}
