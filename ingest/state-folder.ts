import path from 'node:path';
import type { Config } from './config/schema.ts';

/** Folder in the spool, where no publication looks, for what must outlive the process and is no media. */
export function stateFolder({ spool }: Config): string {
  return path.join(spool.dir, '.streams');
}
