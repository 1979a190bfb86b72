import { randomBytes } from 'node:crypto';

const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';
const PUB_CHARACTERS = 8;

/** A name that no publication has had: 8 random characters of lower-case base32. */
export function randomPub(): string {
  let pub = '';
  for (const byte of randomBytes(PUB_CHARACTERS)) pub += BASE32[byte & 31];
  return pub;
}
