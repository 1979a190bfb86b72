import { readFile } from 'node:fs/promises';
import { Fault } from '../runtime/fault.ts';

/** Keys of an S3 account. Never logged. */
export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

const MAX_FILE = 64 * 1024;

/**
 * Reads keys from `name = value` or `name: value` lines: the AWS credentials file (its first section), or plain
 * `accessKeyId: …`, `secretAccessKey: …`, `sessionToken: …`; `aws_` in front and underscores make no difference.
 * @throws Fault ERR_STORE_ACCESS where a key is missing; the message has nothing of the text in it
 */
export function parseCredentials(text: string): S3Credentials {
  const values = new Map<string, string>();
  for (const line of text.slice(0, MAX_FILE).split(/\r?\n/)) {
    if (/^\s*\[/.test(line) && values.size > 0) break;
    const found = /^\s*([A-Za-z_]+)\s*[=:]\s*(.*?)\s*$/.exec(line);
    if (!found) continue;
    const name = found[1]!.toLowerCase().replaceAll('_', '').replace(/^aws/, '');
    values.set(name, found[2]!.replace(/^(["'])(.*)\1$/, '$2'));
  }
  const accessKeyId = values.get('accesskeyid');
  const secretAccessKey = values.get('secretaccesskey');
  const sessionToken = values.get('sessiontoken');
  if (!accessKeyId || !secretAccessKey) {
    throw new Fault('ERR_STORE_ACCESS', 'credentials file: it needs accessKeyId and secretAccessKey, one a line');
  }
  return { accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) };
}

/** Reads a credentials file. @throws Fault ERR_STORE_ACCESS */
export async function readCredentials(file: string): Promise<S3Credentials> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new Fault('ERR_STORE_ACCESS', `credentials file: ${(error as Error).message}`, { cause: error });
  }
  return parseCredentials(text);
}
