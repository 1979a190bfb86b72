/** A file, folder or symbolic link of an archive. */
export interface TarEntry {
  /** Without a slash at its beginning; folders end with one. */
  readonly path: string;
  readonly mode: number;
  readonly content?: Buffer;
  /** Target of a symbolic link. */
  readonly linkTo?: string;
  /** Numeric owner and group; root unless given. */
  readonly owner?: number;
}

const BLOCK = 512;
const NAME_BYTES = 100;
const PREFIX_BYTES = 155;
const TYPES = { file: '0', link: '2', folder: '5' } as const;

/**
 * A tar archive (POSIX.1-1988 ustar) that is the same for the same entries: sorted by path, without times, with each folder
 * before what is in it.
 * @throws RangeError where a path is too long for the format
 */
export function tar(entries: readonly TarEntry[]): Buffer {
  const pieces: Buffer[] = [];
  for (const entry of [...entries].sort((a, b) => (a.path < b.path ? -1 : 1))) {
    const content = entry.content ?? Buffer.alloc(0);
    pieces.push(header(entry, content.length), content, Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK));
  }
  pieces.push(Buffer.alloc(2 * BLOCK));
  return Buffer.concat(pieces);
}

/** The folders that lead to these entries and are not among them. */
export function parentFolders(entries: readonly TarEntry[]): TarEntry[] {
  const known = new Set(entries.map(({ path }) => path));
  for (const { path } of entries) {
    const parts = path.split('/').slice(0, path.endsWith('/') ? -2 : -1);
    for (let depth = 1; depth <= parts.length; depth++) known.add(`${parts.slice(0, depth).join('/')}/`);
  }
  const own = new Set(entries.map(({ path }) => path));
  return [...known].filter((path) => !own.has(path)).map((path) => ({ path, mode: 0o755 }));
}

function header({ path, mode, linkTo = '', owner = 0 }: TarEntry, size: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  const [prefix, name] = splitName(path);
  const octal = (value: number, width: number): string => `${value.toString(8).padStart(width - 1, '0')}\0`;
  const type = linkTo !== '' ? TYPES.link : path.endsWith('/') ? TYPES.folder : TYPES.file;
  block.write(name, 0, NAME_BYTES);
  block.write(octal(mode, 8), 100);
  block.write(octal(owner, 8), 108);
  block.write(octal(owner, 8), 116);
  block.write(octal(size, 12), 124);
  block.write(octal(0, 12), 136);
  block.write(' '.repeat(8), 148);
  block.write(type, 156);
  if (Buffer.byteLength(linkTo) > NAME_BYTES) throw new RangeError(`the link ${linkTo} is too long for a tar archive`);
  block.write(linkTo, 157);
  block.write('ustar\x0000', 257);
  block.write(octal(0, 8), 329);
  block.write(octal(0, 8), 337);
  block.write(prefix, 345, PREFIX_BYTES);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

function splitName(path: string): [string, string] {
  if (Buffer.byteLength(path) <= NAME_BYTES) return ['', path];
  for (let slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1)) {
    const [prefix, name] = [path.slice(0, slash), path.slice(slash + 1)];
    if (name !== '' && Buffer.byteLength(name) <= NAME_BYTES && Buffer.byteLength(prefix) <= PREFIX_BYTES)
      return [prefix, name];
  }
  throw new RangeError(`${path} is too long for a tar archive`);
}
