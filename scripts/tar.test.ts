import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { parentFolders, type TarEntry, tar } from './tar.ts';

const LONG = `${'folder/'.repeat(18)}${'f'.repeat(90)}`;
const entries: TarEntry[] = [
  { path: 'b/file', mode: 0o644, content: Buffer.from('hello') },
  { path: 'a', mode: 0o755, content: Buffer.alloc(1025, 'x') },
  { path: 'link', mode: 0o777, linkTo: 'b/file' },
  { path: 'data/', mode: 0o1777, owner: 10_001 },
  { path: LONG, mode: 0o600, content: Buffer.alloc(512) },
];

const run = (args: readonly string[], archive: Buffer): string =>
  execFileSync('tar', args, { input: archive, encoding: 'utf8', env: { TZ: 'UTC', PATH: process.env.PATH } });

describe('tar', () => {
  it('is read by the tar of the system', () => {
    const listing = run(['tvf', '-', '--numeric-owner'], tar(entries)).trim().split('\n');
    expect(
      listing.map((line) =>
        line
          .split(/\s+/)
          .filter((_, i) => ![3, 4].includes(i))
          .join(' '),
      ),
    ).toEqual([
      '-rwxr-xr-x 0/0 1025 a',
      '-rw-r--r-- 0/0 5 b/file',
      'drwxrwxrwt 10001/10001 0 data/',
      `-rw------- 0/0 512 ${LONG}`,
      'lrwxrwxrwx 0/0 0 link -> b/file',
    ]);
    expect(run(['xOf', '-', 'b/file'], tar(entries))).toBe('hello');
  });

  it('is the same for the same entries in any order', () => {
    expect(tar([...entries].reverse())).toEqual(tar(entries));
  });

  it('adds the folders that are not named, before what is in them', () => {
    const folders = parentFolders(entries).map(({ path }) => path);
    expect(folders).toContain('b/');
    expect(folders).not.toContain('data/');
    expect(folders).toContain('folder/folder/');
    const order = run(['tf', '-'], tar([...parentFolders(entries), ...entries]))
      .trim()
      .split('\n');
    expect(order.indexOf('b/')).toBeLessThan(order.indexOf('b/file'));
  });

  it('refuses what the format cannot hold', () => {
    expect(() => tar([{ path: 'x'.repeat(101), mode: 0 }])).toThrow(/too long for a tar archive/);
  });
});
