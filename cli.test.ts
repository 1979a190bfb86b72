import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import packageJson from './package.json' with { type: 'json' };

const cwd = mkdtempSync(path.join(tmpdir(), 'headwater-cli-'));
afterAll(() => rmSync(cwd, { recursive: true }));

function start(...argv: string[]) {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('HEADWATER_')));
  const child = spawn(process.execPath, [path.join(import.meta.dirname, 'cli.ts'), ...argv], {
    cwd,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said = { stdout: '', stderr: '' };
  child.stdout.on('data', (piece) => {
    said.stdout += piece;
  });
  child.stderr.on('data', (piece) => {
    said.stderr += piece;
  });
  const ended = once(child, 'close').then(([status, signal]) => ({ status, signal, ...said }));
  const heard = async (words: string) => {
    while (!said.stdout.includes(words)) {
      if (child.exitCode !== null) throw new Error(`ended without saying ${words}: ${said.stdout}${said.stderr}`);
      await delay(20);
    }
  };
  return { child, ended, heard };
}

const run = (...argv: string[]) => start(...argv).ended;

/** Any free ports; nothing recorded, nothing left behind. */
const OFF = ['--srt-listen', '--http-listen', '--metrics-addr'].flatMap((flag) => [flag, '']);
const QUIET = ['--listen', '127.0.0.1:0', ...OFF, '--record-all=false'];

describe('headwater', () => {
  it.each([[[]], [['help']], [['--help']], [['-h']]])('lists the commands: %j', async (argv) => {
    const { status, stdout, stderr } = await run(...argv);
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/usage: headwater COMMAND.*^ {2}serve /ms);
  });

  it.each([[['--version']], [['serve', '-version']]])('tells its version: %j', async (argv) => {
    expect(await run(...argv)).toMatchObject({ status: 0, stdout: `${packageJson.version}\n` });
  });

  it('lists the flags of serve', async () => {
    const { status, stdout } = await run('serve', '--help');
    expect(status).toBe(0);
    expect(stdout).toMatch(/^ {2}--segment-pattern TEXT/m);
    expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(120);
  });

  it.each([
    [
      ['sevre'],
      'headwater: there is no command "sevre": the nearest is serve; headwater --help lists all\n(ERR_CLI_COMMAND',
    ],
    [
      ['--listen', ':1'],
      'headwater: there is no command "--listen": flags come after a command: headwater serve --listen :1\n',
    ],
    [['serve', '--lissten', ':1'], 'headwater: unknown flag --lissten; the nearest is --listen\n(ERR_CONFIG_INVALID'],
    [
      ['serve', '--config', 'missing.yaml'],
      `headwater: the configuration file ${cwd}/missing.yaml does not exist: check --config\n`,
    ],
  ])('says what is wrong with %j, and ends with 2', async (argv, message) => {
    const { status, stdout, stderr } = await run(...argv);
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toContain(message);
  });
});

describe('headwater serve', () => {
  it('says in a sentence that the port is in use, and ends with 1', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as { port: number };
    const { status, stderr } = await run('serve', ...QUIET, '--listen', `127.0.0.1:${port}`);
    other.close();
    expect(status).toBe(1);
    expect(stderr).toMatch(/^headwater: cannot listen .* the port is in use.*\n\(ERR_LISTEN; docs\/errors.md\)\n$/);
  });

  it.each(['SIGTERM', 'SIGINT'] as const)('ends in good order on %s', async (signal) => {
    const { child, ended, heard } = start('serve', ...QUIET, '--log-format', 'json');
    await heard('server started');
    child.kill(signal);
    const { status, stdout, stderr } = await ended;
    expect([status, stderr]).toEqual([0, '']);
    expect(JSON.parse(stdout.trim().split('\n').at(-1)!)).toMatchObject({ level: 'INFO', msg: 'server stopped' });
  });

  it('takes two signals at the same moment for one: Ctrl+C under npm', async () => {
    const { child, ended, heard } = start('serve', ...QUIET);
    await heard('server started');
    child.kill('SIGINT');
    child.kill('SIGINT');
    const { status, stdout } = await ended;
    expect(status).toBe(0);
    expect(stdout).not.toContain('stopping at once');
  });

  it('prints where to publish and to watch for people, and only lines of JSON for programs', async () => {
    for (const format of ['pretty', 'json']) {
      const { child, ended, heard } = start('serve', ...QUIET, '--log-format', format);
      await heard('server started');
      if (format === 'pretty') await heard('vlc rtmp://127.0.0.1:');
      child.kill('SIGTERM');
      const { stdout } = await ended;
      if (format === 'json') for (const line of stdout.trim().split('\n')) expect(() => JSON.parse(line)).not.toThrow();
    }
  });
});
