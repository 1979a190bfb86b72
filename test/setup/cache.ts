import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where tests keep what is slow to make: tools, source clips. Safe to delete at any time. */
const CACHE_ROOT = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'headwater');

/** What one cache entry is made of. Any change of `recipe` makes another entry. */
export interface CacheEntry {
  readonly name: string;
  readonly recipe: string;
}

/** The folder an entry has, made or not. */
export function cacheDir({ name, recipe }: CacheEntry): string {
  return join(CACHE_ROOT, `${name}-${createHash('sha256').update(recipe).digest('hex').slice(0, 12)}`);
}

/** Makes the entry unless it is there: `build` fills a folder beside it, which is renamed when it is whole. Two processes may do it at once. */
export async function cached(entry: CacheEntry, build: (dir: string) => Promise<void>): Promise<string> {
  const dir = cacheDir(entry);
  if (existsSync(dir)) return dir;
  await mkdir(CACHE_ROOT, { recursive: true });
  const partial = await mkdtemp(`${dir}.partial-`);
  try {
    await build(partial);
    await rename(partial, dir);
  } catch (error) {
    // Another process may have finished the same entry first: its result is as good.
    if (!existsSync(dir)) throw error;
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
  return dir;
}
