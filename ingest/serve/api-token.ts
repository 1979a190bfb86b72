import { readFileSync } from 'node:fs';
import { Fault } from '../runtime/fault.ts';
import type { Log } from '../runtime/log.ts';

/**
 * Gives the API's token: null where there is none by intent, '' (nobody is let in) while `file` cannot be read. It is read at each
 * request, so that another token takes effect without a restart.
 * @throws Fault ERR_API_TOKEN_FILE when there is none at the start
 */
export function apiToken(file: string | null, log: Log): () => string | null {
  if (file === null) return () => null;
  try {
    readToken(file);
  } catch (cause) {
    throw new Fault('ERR_API_TOKEN_FILE', `no token for the API: ${(cause as Error).message}`, { cause });
  }
  let isLogged = false;
  return () => {
    try {
      const token = readToken(file);
      isLogged = false;
      return token;
    } catch (error) {
      if (!isLogged) log.warn({ code: 'ERR_API_TOKEN_FILE', reason: (error as Error).message }, 'API closed: no token');
      isLogged = true;
      return '';
    }
  };
}

function readToken(file: string): string {
  const token = readFileSync(file, 'utf8').trim();
  if (token === '') throw new Error(`${file} is empty`);
  return token;
}
