import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import packageJson from '../package.json' with { type: 'json' };
import { IMAGE_PORTS } from './image-ports.ts';
import { ROOT } from './source-files.ts';

const read = (file: string): string => readFileSync(path.join(ROOT, file), 'utf8');

/** Instructions with their continuation lines joined and comments gone. */
const instructions = read('Dockerfile')
  .replace(/^#.*\n/gm, '')
  .replaceAll('\\\n', ' ')
  .split('\n')
  .filter((line) => line.trim() !== '')
  .map((line) => ({ name: line.split(' ', 1)[0]!, rest: line.slice(line.indexOf(' ') + 1).trim() }));
const all = (name: string): string[] => instructions.filter((one) => one.name === name).map((one) => one.rest);
const last = (name: string): string => all(name).at(-1) ?? '';

describe('Dockerfile', () => {
  it('copies only what exists and what .dockerignore lets through', () => {
    const sources = all('COPY')
      .filter((rest) => !rest.startsWith('--from'))
      .flatMap((rest) => rest.split(/\s+/).slice(0, -1));
    expect(sources).toContain('cli.ts');
    const letThrough = read('.dockerignore').split('\n');
    for (const source of sources) {
      expect(existsSync(path.join(ROOT, source)), source).toBe(true);
      expect(letThrough).toContain(`!${source}`);
    }
  });

  it('copies all that the program imports at run time', () => {
    const copied = all('COPY').flatMap((rest) => rest.split(/\s+/).slice(0, -1));
    for (const [, imported] of read('cli.ts').matchAll(/(?:from |import\()'\.\/([^']+)'/g)) {
      expect(
        copied.some((prefix) => imported === prefix || imported!.startsWith(`${prefix}/`)),
        imported,
      ).toBe(true);
    }
  });

  it('runs the command line without a shell', () => {
    expect(JSON.parse(last('ENTRYPOINT'))).toEqual(['node', `/app/${packageJson.bin.headwater}`]);
    expect(JSON.parse(last('CMD'))).toEqual(['serve', '--metrics-addr', ':9090']);
  });

  it('runs as a user without rights, after everything that needs them', () => {
    expect(all('USER')).toEqual(['10001:10001']);
    const user = instructions.findIndex(({ name }) => name === 'USER');
    expect(instructions.slice(user).some(({ name }) => name === 'RUN' || name === 'COPY')).toBe(false);
  });

  it('writes to the volume alone: the root file system may be read-only', () => {
    expect(JSON.parse(last('VOLUME'))).toEqual(['/data']);
    expect(last('WORKDIR')).toBe('/data');
  });

  it('names the ports that the image of scripts/image.ts names', () => {
    expect(last('EXPOSE').split(' ')).toEqual(IMAGE_PORTS);
  });

  it('sets nothing that would count before a configuration file', () => {
    expect(last('ENV')).toBe('NODE_ENV=production');
  });

  it('installs by the lock file, without development tools', () => {
    expect(all('RUN')[0]).toMatch(/^npm ci .*--omit=dev/);
    expect(last('FROM')).toMatch(/^node:24-/);
  });
});
