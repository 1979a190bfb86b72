import { describe, expect, it } from 'vitest';
import type { StreamConfig } from '../../crds/stream-config.ts';
import { StreamSrtPolicies } from './stream-srt-policies.ts';

const CONFIG = {
  uid: 'u1',
  path: 'team-a/cam-1',
  state: 'active',
  credentials: {
    revision: 3,
    revokedBelow: 0,
    rtmpKey: 'key',
    srtPassphrase: 'the present one',
    previous: { revision: 2, rtmpKey: 'old', srtPassphrase: 'the one before', expiresAt: '2026-11-28T12:00:00Z' },
  },
  srt: { latencyMs: 200, encryption: 'Required', keyLength: 32, dedicatedPort: null },
} as unknown as StreamConfig;
const EXPIRY = Date.parse('2026-11-28T12:00:00Z');

function passphrases(config: StreamConfig, now: number): string[] {
  const policy = new StreamSrtPolicies(
    (path) => (path === config.path ? config : undefined),
    () => now,
  ).of(config.path);
  return policy?.passphrases.map(({ passphrase, revision }) => `${passphrase} (${revision})`) ?? [];
}

describe('StreamSrtPolicies', () => {
  it('opens a path with the present passphrase and, until it expires, with the one before', () => {
    expect(passphrases(CONFIG, EXPIRY - 1)).toEqual(['the present one (3)', 'the one before (2)']);
    expect(passphrases(CONFIG, EXPIRY)).toEqual(['the present one (3)']);
  });

  it('does not take a revoked one', () => {
    const revoked = { ...CONFIG, credentials: { ...CONFIG.credentials, revokedBelow: 3 } };
    expect(passphrases(revoked, EXPIRY - 1)).toEqual(['the present one (3)']);
  });

  it('does not take an empty one: SRT was not offered then', () => {
    const { previous, ...credentials } = CONFIG.credentials;
    const offeredSince = { ...CONFIG, credentials: { ...credentials, previous: { ...previous!, srtPassphrase: '' } } };
    expect(passphrases(offeredSince, EXPIRY - 1)).toEqual(['the present one (3)']);
    const notOffered = { ...CONFIG, credentials: { ...credentials, previous: null, srtPassphrase: '' } };
    expect(passphrases(notOffered, EXPIRY - 1)).toEqual([]);
  });

  it('knows only streams that are configured and not being deleted', () => {
    const policies = new StreamSrtPolicies((path) => (path === CONFIG.path ? CONFIG : undefined));
    expect(policies.of('team-a/other')).toBeUndefined();
    expect(policies.of(CONFIG.path)).toMatchObject({ encryption: 'Required', keyLength: 32, latencyMs: 200 });
    const deleting = new StreamSrtPolicies(() => ({ ...CONFIG, state: 'deleting' }));
    expect(deleting.of(CONFIG.path)).toBeUndefined();
  });
});
