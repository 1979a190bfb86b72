import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, symlinkSync, utimesSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { TempDir } from '../support/temp-dir.ts';

const ROOT = join(import.meta.dirname, '../..');

/** What a clone has, in a folder of its own, with the dependencies already there: so nothing is written into this checkout. */
export function checkout(): TempDir {
  const dir = new TempDir('readme');
  const files = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: ROOT });
  for (const file of files.toString().split('\0').filter(Boolean)) {
    mkdirSync(join(dir.path, dirname(file)), { recursive: true });
    cpSync(join(ROOT, file), join(dir.path, file));
  }
  // Older than any node_modules: a newer one would be installed by, through the link, into the folder of this checkout.
  utimesSync(join(dir.path, 'package-lock.json'), 0, 0);
  symlinkSync(join(ROOT, 'node_modules'), join(dir.path, 'node_modules'));
  return dir;
}
