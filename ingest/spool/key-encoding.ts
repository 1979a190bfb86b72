import { createHash } from 'node:crypto';

/** Letters, marks and digits of any script and `-_.+=@,` stay; everything else is percent-encoded, `%` too: so two paths never become one. */
const UNSAFE = /[^\p{L}\p{M}\p{N}\-_.+=@,]/gu;
/** Most bytes of one encoded component, and of a whole encoded path: file systems take 255 a name, S3 1,024 a key. */
export const COMPONENT_BYTES = 120;
const PATH_BYTES = 480;
const HASH_DIGITS = 16;

function percent(character: string): string {
  let out = '';
  for (const byte of Buffer.from(character, 'utf8')) out += `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  return out;
}

/** Longer than `limit` bytes: cut there and told apart by a hash behind `~`, which no encoded text holds otherwise. */
function shorten(encoded: string, original: string, limit: number): string {
  if (Buffer.byteLength(encoded) <= limit) return encoded;
  const hash = createHash('sha256').update(original).digest('hex').slice(0, HASH_DIGITS);
  let kept = '';
  let room = limit - HASH_DIGITS - 1;
  for (const piece of encoded.match(/%[0-9A-F]{2}|./gsu) ?? []) {
    room -= Buffer.byteLength(piece);
    if (room < 0) break;
    kept += piece;
  }
  return `${kept}~${hash}`;
}

/**
 * One component of a name, safe in a store's key and on a file system, at most 120 bytes: never empty, never with a leading
 * dot (so no `..`, and nothing inside `.spool`). Different texts give different names.
 */
export function encodeComponent(text: string): string {
  if (text === '') return '%';
  const encoded = text.toWellFormed().replace(UNSAFE, percent).replace(/^\./, '%2E');
  return shorten(encoded, text, COMPONENT_BYTES);
}

/** A stream's path (`live/test`) as the folder its recordings are kept in, without slashes at the ends, at most 480 bytes. */
export function encodePath(path: string): string {
  return shorten(path.split('/').map(encodeComponent).join('/'), path, PATH_BYTES);
}

/** A key as a URI reference (RFC 3986 §3.3): slashes stay, everything unsafe in a playlist is percent-encoded. */
export function encodeUri(key: string): string {
  return key.split('/').map(encodeURIComponent).join('/');
}
