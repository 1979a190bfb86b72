import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Log } from '../runtime/log.ts';
import { SrtPassphraseFile } from './srt-passphrase-file.ts';

let dir: string;
let file: string;
let said: string[];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'headwater-passphrases-'));
  file = join(dir, 'passphrases.json');
  said = [];
});
afterEach(() => rmSync(dir, { recursive: true }));

const log: Log = {
  debug() {},
  info: (fields, message) => void said.push(`${message} ${JSON.stringify(fields)}`),
  warn: (fields, message) => void said.push(`${message} ${JSON.stringify(fields)}`),
  error() {},
  child: () => log,
};

const opened = (content: unknown): SrtPassphraseFile => {
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  return new SrtPassphraseFile(file, log);
};

describe('SrtPassphraseFile', () => {
  it('reads passphrases, current and previous ones', async () => {
    const until = '2026-04-19T13:00:00Z';
    const passphrases = opened({
      'live/a': 'one passphrase',
      'live/b': { current: 'new passphrase', previous: 'old passphrase', previousExpiresAt: until },
      'live/c': { current: 'new passphrase', previous: 'old passphrase' },
      'live/d': { current: 'new passphrase', previous: null },
    });
    expect(await passphrases.load()).toBe(true);
    expect(await passphrases.load()).toBe(false);
    expect(passphrases.of('live/a')).toEqual([{ passphrase: 'one passphrase' }]);
    const [current, previous] = [{ passphrase: 'new passphrase' }, { passphrase: 'old passphrase' }];
    expect(passphrases.of('live/b')).toEqual([current, { ...previous, expiresAt: Date.parse(until) }]);
    expect(passphrases.of('live/c')).toEqual([current, previous]);
    expect(passphrases.of('live/d')).toEqual([current]);
    expect(passphrases.of('live/e')).toBeUndefined();
  });

  it.each([
    ['{"live/a": "hunter2hunter2"', /it is no JSON$|it is no JSON \(line 1\)$/],
    ['{\n"live/a": hunter2hunter2}', /it is no JSON( \(line 2\))?$/],
    [[], /it must be a JSON object: path → passphrase$/],
    [{ 'live/a': 'hunter2' }, /live\/a: the passphrase has 7 bytes: a passphrase needs 10 to 79$/],
    [{ 'live/a': { current: 7 } }, /live\/a: current must be a text$/],
    [{ 'live/a': { current: 'hunter2hunter2', prevoius: 'x' } }, /live\/a: unknown key prevoius; there are current/],
    [{ 'live/a': { current: 'hunter2hunter2', previous: 'hunter2' } }, /live\/a: previous has 7 bytes/],
    [
      { 'live/a': { current: 'hunter2hunter2', previous: 'hunter2hunter3', previousExpiresAt: 'soon' } },
      /live\/a: previousExpiresAt must be a time like 2026/,
    ],
    [{ a: 'hunter2hunter2' }, /"a" is no stream path \(example: live\/test\)$/],
    [{ 'live/a': 'hunter2\0hunter2' }, /live\/a: the passphrase holds a NUL character/],
    [{ 'live/a': null }, /live\/a: must be a passphrase or \{current, previous, previousExpiresAt\}$/],
  ])('refuses %j without a secret in the message', async (content, message) => {
    const passphrases = opened(content);
    const error: Error = await passphrases.load().then(
      () => expect.fail('it was taken'),
      (fault) => fault,
    );
    expect(error).toMatchObject({ code: 'ERR_SRT_PASSPHRASE_FILE', message: expect.stringMatching(message) });
    expect(error.message).not.toMatch(/hunter/);
  });

  it('says that the file is missing', async () => {
    await expect(new SrtPassphraseFile(file, log).load()).rejects.toMatchObject({ code: 'ERR_SRT_PASSPHRASE_FILE' });
  });

  it('takes what changes; a bad file is said once, and the old passphrases stay', async () => {
    const passphrases = opened({ 'live/a': 'one passphrase' });
    await passphrases.load();
    const closing = new AbortController();
    passphrases.watch(closing.signal, 5);
    writeFileSync(file, '{"live/a": "short"}');
    await expect.poll(() => said).toHaveLength(1);
    await new Promise((done) => setTimeout(done, 50));
    expect(said).toEqual([expect.stringMatching(/^SRT passphrases not reloaded .*ERR_SRT_PASSPHRASE_FILE/)]);
    expect(passphrases.of('live/a')).toEqual([{ passphrase: 'one passphrase' }]);
    writeFileSync(file, '{"live/a": "another passphrase"}');
    await expect.poll(() => passphrases.of('live/a')).toEqual([{ passphrase: 'another passphrase' }]);
    expect(said[1]).toBe('SRT passphrases reloaded {"paths":1}');
    closing.abort();
  });
});
