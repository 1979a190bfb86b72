import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ROOT } from './source-files.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'headwater-install-'));
  mkdirSync(path.join(dir, 'scripts'));
  mkdirSync(path.join(dir, 'fake'));
  cpSync(path.join(ROOT, 'scripts/install.sh'), path.join(dir, 'scripts/install.sh'));
  writeFileSync(path.join(dir, 'package-lock.json'), '{}');
  program('npm', 'echo "$*" >> npm-calls\nmkdir -p node_modules\necho {} > node_modules/.package-lock.json');
  program('node', 'echo v24.1.0');
});
afterEach(() => rmSync(dir, { recursive: true }));

/** A program that stands for the real one. */
function program(name: string, script: string): void {
  const file = path.join(dir, 'fake', name);
  writeFileSync(file, `#!/bin/sh\n${script}\n`);
  chmodSync(file, 0o755);
}

function install() {
  const env = { PATH: `${path.join(dir, 'fake')}:/usr/bin:/bin` };
  const { status, stderr } = spawnSync('sh', [path.join(dir, 'scripts/install.sh')], { env, cwd: tmpdir() });
  return { status, stderr: String(stderr) };
}

const calls = (): string[] => readFileSync(path.join(dir, 'npm-calls'), 'utf8').trim().split('\n');

/** The lock file gets a date in seconds relative to the installed packages. */
function lockFileChanged(seconds: number): void {
  const at = Date.now() / 1000 + seconds;
  utimesSync(path.join(dir, 'package-lock.json'), at, at);
}

describe('scripts/install.sh', () => {
  it('installs by the lock file in a fresh clone, and says so in one line', () => {
    const { status, stderr } = install();
    expect(status).toBe(0);
    expect(stderr).toBe('headwater: installing dependencies by package-lock.json (once; takes a minute)\n');
    expect(calls()).toEqual([expect.stringMatching(/^ci /)]);
  });

  it('does nothing, without a word, where all is there', () => {
    install();
    lockFileChanged(-60);
    expect(install()).toEqual({ status: 0, stderr: '' });
    expect(calls()).toHaveLength(1);
  });

  it('installs again when the lock file is newer', () => {
    install();
    lockFileChanged(60);
    expect(install().status).toBe(0);
    expect(calls()).toHaveLength(2);
  });

  it('shows what npm said when it fails, without the warnings about engines', () => {
    program('npm', 'echo "npm warn EBADENGINE unsupported"\necho "npm error network"\nexit 1');
    const { status, stderr } = install();
    expect(status).toBe(1);
    expect(stderr).toContain('npm error network');
    expect(stderr).not.toContain('EBADENGINE');
    expect(stderr).toMatch(/headwater: npm ci failed.*\n$/);
  });

  it.each(['echo v20.20.2', 'echo v9.1', 'exit 127', 'echo nonsense'])('says which Node is needed: %s', (script) => {
    program('node', script);
    const { status, stderr } = install();
    expect(status).toBe(1);
    expect(stderr).toContain('Node 24 or newer is needed');
  });

  it('prefers the Node that npm brought along', () => {
    program('node', 'echo v20.20.2');
    program(
      'npm',
      'mkdir -p node_modules/.bin\necho {} > node_modules/.package-lock.json\nprintf "#!/bin/sh\\necho v24.21.0\\n" > node_modules/.bin/node\nchmod +x node_modules/.bin/node',
    );
    expect(install().status).toBe(0);
  });

  it('is POSIX', () => {
    expect(() => execFileSync('sh', ['-n', path.join(ROOT, 'scripts/install.sh')])).not.toThrow();
  });
});
