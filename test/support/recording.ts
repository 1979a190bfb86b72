import { type Dirent, existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { waitFor } from './wait-for.ts';

/** A file in a `file://` store's default layout. */
export interface StoredSegment {
  readonly file: string;
  readonly epoch: number;
  readonly pub: string;
  readonly seq: number;
}

/** One recording of a path: `<store>/<path>/<recording>/`. */
export interface StoredRecording {
  readonly name: string;
  readonly dir: string;
  /** In the order of their epochs and numbers. */
  readonly segments: readonly StoredSegment[];
  readonly playlist: string;
}

const SEGMENT = /^seg(\d+)-([a-z2-7]{8})-(\d+)\.(mp4|flv)$/;

/** The recordings that a store holds of a path, oldest first. */
export function recordingsOf(store: string, path: string): StoredRecording[] {
  const parent = join(store, path);
  const names = entriesOf(parent).filter((each) => each.isDirectory());
  return names
    .map(({ name }) => readRecording(name, join(parent, name)))
    .filter((each) => each.segments.length > 0)
    .sort((a, b) => a.name.localeCompare(b.name));
}

/** Waits until the only recording of a path is complete: its playlist has an end, and every publication said goodbye. */
export async function completeRecording(store: string, path: string, timeoutMs = 30_000): Promise<StoredRecording> {
  return waitFor(
    `the recording of ${path} to be complete in ${store}`,
    () => {
      const [recording, ...more] = recordingsOf(store, path);
      if (more.length > 0) throw new Error(`${path} has ${more.length + 1} recordings, not one`);
      if (!recording || !existsSync(recording.playlist)) return undefined;
      return readFileSync(recording.playlist, 'utf8').includes('#EXT-X-ENDLIST') ? recording : undefined;
    },
    { timeoutMs, everyMs: 100 },
  ).catch((error: Error) => {
    throw new Error(`${error.message}; it has:\n${filesBelow(join(store, path)).join('\n')}`);
  });
}

function readRecording(name: string, dir: string): StoredRecording {
  const segments: StoredSegment[] = [];
  for (const file of readdirSync(dir)) {
    const match = SEGMENT.exec(file);
    if (match) segments.push({ file: join(dir, file), epoch: Number(match[1]), pub: match[2]!, seq: Number(match[3]) });
  }
  segments.sort((a, b) => a.epoch - b.epoch || a.pub.localeCompare(b.pub) || a.seq - b.seq);
  return { name, dir, segments, playlist: join(dir, 'index.m3u8') };
}

/** Every file below a folder, as paths relative to it, sorted. Folders may vanish meanwhile. */
export function filesBelow(dir: string): string[] {
  return [...walk(dir)].map((file) => file.slice(dir.length + 1)).sort();
}

function* walk(dir: string): Generator<string> {
  for (const entry of entriesOf(dir)) {
    if (entry.isDirectory()) yield* walk(join(dir, entry.name));
    else if (entry.isFile()) yield join(dir, entry.name);
  }
}

function entriesOf(dir: string): Dirent[] {
  try {
    return readdirSync(dir, { withFileTypes: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
