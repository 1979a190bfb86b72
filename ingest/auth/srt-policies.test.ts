import { describe, expect, it } from 'vitest';
import { type PassphrasesOf, SettingsSrtPolicies, type SrtAccessSettings } from './srt-policies.ts';

const SETTINGS: SrtAccessSettings = {
  encryption: null,
  passphrase: null,
  keyLength: 16,
  latency: 120,
  paths: new Map(),
};
const NOBODY: PassphrasesOf = () => undefined;

function policy(changes: Partial<SrtAccessSettings>, inFile: PassphrasesOf = NOBODY, now = 1000) {
  return new SettingsSrtPolicies({ ...SETTINGS, ...changes }, inFile, () => now).of('live/test');
}

describe('SettingsSrtPolicies', () => {
  it('asks for nothing where no passphrase is set', () => {
    expect(policy({})).toEqual({ encryption: 'Disabled', keyLength: 16, latencyMs: 120, passphrases: [] });
  });

  it('asks for the passphrase where there is one, unless told otherwise', () => {
    const passphrase = 'mysecretkey';
    expect(policy({ passphrase })).toMatchObject({ encryption: 'Required', passphrases: [{ passphrase }] });
    expect(policy({ passphrase, encryption: 'Optional' }).encryption).toBe('Optional');
    const paths = new Map([['live/test', { encryption: 'Disabled', keyLength: 32, latency: 500 } as const]]);
    const own = policy({ passphrase, encryption: 'Optional', paths });
    expect(own).toMatchObject({ encryption: 'Disabled', keyLength: 32, latencyMs: 500 });
  });

  it('takes the file for the paths that it names, and the shared one for the others', () => {
    const inFile: PassphrasesOf = (path) => (path === 'live/test' ? [{ passphrase: 'of its own' }] : undefined);
    const policies = new SettingsSrtPolicies({ ...SETTINGS, passphrase: 'shared by all' }, inFile);
    expect(policies.of('live/test').passphrases).toEqual([{ passphrase: 'of its own' }]);
    expect(policies.of('live/other').passphrases).toEqual([{ passphrase: 'shared by all' }]);
  });

  it('leaves out the previous one from the moment that it expires', () => {
    const inFile: PassphrasesOf = () => [{ passphrase: 'new passphrase' }, { passphrase: 'old one', expiresAt: 1000 }];
    expect(policy({}, inFile, 999).passphrases).toHaveLength(2);
    expect(policy({}, inFile, 1000).passphrases).toEqual([{ passphrase: 'new passphrase' }]);
  });
});
