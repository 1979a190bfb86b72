import { createHash } from 'node:crypto';
import { dirname } from 'node:path';
import type { Disk, DiskFile, DiskReader, FileFacts } from '../../ingest/spool/disk.ts';

/** The files of a disk, by absolute path; folders have no content. */
export type DiskImage = ReadonlyMap<string, Buffer | 'folder'>;

interface Inode {
  bytes: Buffer;
}

function fail(code: string, path: string): never {
  throw Object.assign(new Error(`${code}: ${path}`), { code });
}

/** A file system in memory with the system's errors. Fast enough for thousands of recoveries; can be made to fail. */
export class MemoryDisk implements Disk {
  readonly #nodes = new Map<string, Inode | 'folder'>([['/', 'folder']]);
  /** Called before each operation that changes something; what it throws, the operation throws. */
  onChange: (operation: string, path: string) => void | Promise<void> = () => {};
  /** What `freeBytes` answers. */
  free = 2 ** 40;

  constructor(image: DiskImage = new Map()) {
    for (const [path, content] of image)
      this.#nodes.set(path, content === 'folder' ? content : { bytes: Buffer.from(content) });
  }

  /** What is on it now. */
  get image(): DiskImage {
    return new Map([...this.#nodes].map(([path, node]) => [path, node === 'folder' ? node : Buffer.from(node.bytes)]));
  }

  /** Changes bytes behind everyone's back. */
  corrupt(path: string, change: (bytes: Buffer) => void): void {
    change(this.#file(path).bytes);
  }

  async create(path: string): Promise<DiskFile> {
    await this.onChange('create', path);
    if (this.#nodes.has(path)) fail('EEXIST', path);
    this.#needFolder(dirname(path));
    const node: Inode = { bytes: Buffer.alloc(0) };
    this.#nodes.set(path, node);
    return this.#handle(path, node);
  }

  async open(path: string): Promise<DiskFile> {
    return this.#handle(path, this.#file(path));
  }

  async openRead(path: string): Promise<DiskReader> {
    const { bytes } = this.#file(path);
    return {
      bytes: bytes.length,
      readAt: async (offset, length) => bytes.subarray(offset, offset + length),
      close: async () => {},
    };
  }

  async readAll(path: string): Promise<Buffer> {
    return Buffer.from(this.#file(path).bytes);
  }

  async sha256(path: string): Promise<string> {
    return createHash('sha256').update(this.#file(path).bytes).digest('hex');
  }

  async rename(from: string, to: string): Promise<void> {
    await this.onChange('rename', from);
    this.#nodes.set(to, this.#file(from));
    this.#nodes.delete(from);
  }

  async unlink(path: string): Promise<void> {
    await this.onChange('unlink', path);
    this.#file(path);
    this.#nodes.delete(path);
  }

  async mkdir(path: string): Promise<void> {
    await this.onChange('mkdir', path);
    if (this.#nodes.has(path)) fail('EEXIST', path);
    this.#needFolder(dirname(path));
    this.#nodes.set(path, 'folder');
  }

  async rmdir(path: string): Promise<void> {
    await this.onChange('rmdir', path);
    this.#needFolder(path);
    if (this.#namesIn(path).length > 0) fail('ENOTEMPTY', path);
    this.#nodes.delete(path);
  }

  async readdir(path: string): Promise<readonly string[]> {
    this.#needFolder(path);
    return this.#namesIn(path).sort();
  }

  async syncFolder(path: string): Promise<void> {
    await this.onChange('syncFolder', path);
    this.#needFolder(path);
  }

  async stat(path: string): Promise<FileFacts | undefined> {
    const node = this.#nodes.get(path);
    if (node === undefined) return undefined;
    return { bytes: node === 'folder' ? 0 : node.bytes.length, isFolder: node === 'folder', modifiedMs: 0, links: 1 };
  }

  async freeBytes(): Promise<number> {
    return this.free;
  }

  #handle(path: string, node: Inode): DiskFile {
    return {
      path,
      append: async (parts) => {
        await this.onChange('append', path);
        node.bytes = Buffer.concat([node.bytes, ...parts]);
      },
      appendDurably: async (parts) => {
        await this.onChange('append', path);
        node.bytes = Buffer.concat([node.bytes, ...parts]);
        await this.onChange('datasync', path);
      },
      patch: async (offset, bytes) => {
        await this.onChange('patch', path);
        const copy = Buffer.from(node.bytes);
        bytes.copy(copy, offset);
        node.bytes = copy;
      },
      truncate: async (length) => {
        await this.onChange('truncate', path);
        const kept = Buffer.alloc(length);
        node.bytes.copy(kept);
        node.bytes = kept;
      },
      datasync: async () => this.onChange('datasync', path),
      sync: async () => this.onChange('sync', path),
      close: async () => {},
    };
  }

  #file(path: string): Inode {
    const node = this.#nodes.get(path);
    if (node === undefined) return fail('ENOENT', path);
    return node === 'folder' ? fail('EISDIR', path) : node;
  }

  #needFolder(path: string): void {
    const node = this.#nodes.get(path);
    if (node === undefined) fail('ENOENT', path);
    if (node !== 'folder') fail('ENOTDIR', path);
  }

  #namesIn(path: string): string[] {
    const prefix = path === '/' ? '/' : `${path}/`;
    const names: string[] = [];
    for (const each of this.#nodes.keys()) {
      if (each.startsWith(prefix) && each !== prefix && !each.slice(prefix.length).includes('/'))
        names.push(each.slice(prefix.length));
    }
    return names;
  }
}
