import path from 'node:path';
import { ValueProblem } from './units.ts';

/** Where recordings end. */
export type StoreLocation =
  | { readonly kind: 'file'; readonly dir: string }
  /** `prefix` has no slash at either end; it may be empty. */
  | { readonly kind: 's3'; readonly bucket: string; readonly prefix: string };

const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;

/**
 * Reads `s3://bucket/prefix` or `file://DIR`. What follows `file://` is a path as the shell would take it, absolute or
 * relative, with no percent-encoding.
 * @throws ValueProblem where it is neither
 */
export function parseStoreUrl(url: string): StoreLocation {
  if (url.startsWith('file://')) {
    const dir = url.slice('file://'.length);
    if (dir === '') throw new ValueProblem('names no directory (example: file://./recordings)');
    return { kind: 'file', dir };
  }
  if (url.startsWith('s3://')) {
    const [bucket = '', ...rest] = url.slice('s3://'.length).split('/');
    if (!BUCKET.test(bucket)) throw new ValueProblem('names no valid bucket (example: s3://my-bucket/recordings)');
    const parts = rest.filter((part) => part !== '');
    if (parts.some((part) => part === '.' || part === '..')) {
      throw new ValueProblem(
        'has "." or ".." in its prefix: write the prefix out (example: s3://my-bucket/recordings)',
      );
    }
    return { kind: 's3', bucket, prefix: parts.join('/') };
  }
  throw new ValueProblem('is no store (examples: file://./recordings, s3://my-bucket/recordings)');
}

/** The same URL with the directory of a `file://` store made absolute. */
export function absoluteStoreUrl(url: string, cwd: string): string {
  const location = parseStoreUrl(url);
  return location.kind === 'file' ? `file://${path.resolve(cwd, location.dir)}` : url;
}
