import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** The repository's root. */
export const ROOT = path.join(import.meta.dirname, '..');

/** Our own TypeScript by its path from the root, in a stable order. */
export function readSourceFiles(): ReadonlyMap<string, string> {
  const files = globSync(['*.ts', '{crds,ingest,kube,operator,scripts,test}/**/*.ts'], { cwd: ROOT }).sort();
  return new Map(files.map((file) => [file, readFileSync(path.join(ROOT, file), 'utf8')]));
}
