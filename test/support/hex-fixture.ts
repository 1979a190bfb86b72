import { readdirSync, readFileSync } from 'node:fs';

const FOLDER = new URL('../fixtures/rtmp/', import.meta.url);

/** Names of all fixtures in test/fixtures/rtmp, without `.hex`. */
export function fixtureNames(): string[] {
  return readdirSync(FOLDER)
    .filter((name) => name.endsWith('.hex'))
    .map((name) => name.slice(0, -4))
    .sort();
}

/** The bytes of test/fixtures/rtmp/`name`.hex: hexadecimal text, lines that begin with `#` are remarks. */
export function readHexFixture(name: string): Buffer {
  const text = readFileSync(new URL(`${name}.hex`, FOLDER), 'utf8');
  return Buffer.from(text.replaceAll(/^#.*$/gm, '').replaceAll(/\s/g, ''), 'hex');
}
