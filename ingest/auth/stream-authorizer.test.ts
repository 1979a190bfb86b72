import { describe, expect, it } from 'vitest';
import type { StreamConfig } from '../../crds/stream-config.ts';
import { streamConfig } from '../../test/support/stream-config.ts';
import { isRevoked, StreamAuthorizer } from './stream-authorizer.ts';

const NOW = Date.parse('2026-03-01T12:00:00Z');
const previous = { revision: 3, rtmpKey: 'old-key-old-key', srtPassphrase: '', expiresAt: '2026-03-01T12:00:01Z' };
const keys = { revision: 4, rtmpKey: 'new-key-new-key', srtPassphrase: '', previous, revokedBelow: 0 };
const base = streamConfig({ path: 'team/cam', uid: 'u1', credentials: keys, protocols: ['RTMP'] });

function publish(config: StreamConfig | undefined, key: string | undefined, protocol: 'rtmp' | 'rtmps' = 'rtmp') {
  const authorizer = new StreamAuthorizer(
    (path) => (path === config?.path ? config : undefined),
    () => NOW,
  );
  const verdict = authorizer.publish({ path: 'team/cam', protocol, key });
  return verdict.isAllowed ? verdict.grant : verdict.code;
}

describe('who may publish', () => {
  it.each([
    { name: 'the key in force', config: base, key: 'new-key-new-key', want: { owner: 'u1', credentialRevision: 4 } },
    { name: 'the one before', config: base, key: 'old-key-old-key', want: { owner: 'u1', credentialRevision: 3 } },
    { name: 'a wrong one', config: base, key: 'new-key-new-kez', want: 'ERR_AUTH_KEY' },
    { name: 'none', config: base, key: undefined, want: 'ERR_AUTH_KEY' },
    {
      name: 'the one before when its time is over',
      config: { ...base, credentials: { ...keys, previous: { ...previous, expiresAt: '2026-03-01T12:00:00Z' } } },
      key: 'old-key-old-key',
      want: 'ERR_AUTH_KEY',
    },
    {
      name: 'the one before when it was revoked',
      config: { ...base, credentials: { ...keys, revokedBelow: 4 } },
      key: 'old-key-old-key',
      want: 'ERR_AUTH_KEY',
    },
    {
      name: 'an empty key where RTMP is not offered',
      config: { ...base, credentials: { ...keys, rtmpKey: '' } },
      key: '',
      want: 'ERR_AUTH_KEY',
    },
    { name: 'an unknown path', config: undefined, key: 'new-key-new-key', want: 'ERR_AUTH_UNKNOWN_PATH' },
    {
      name: 'a stream that is deleted',
      config: { ...base, state: 'deleting' as const },
      key: 'new-key-new-key',
      want: 'ERR_AUTH_UNKNOWN_PATH',
    },
    {
      name: 'a suspended stream',
      config: { ...base, state: 'suspended' as const },
      key: 'new-key-new-key',
      want: 'ERR_AUTH_SUSPENDED',
    },
    {
      name: 'a suspended stream, to who has no key',
      config: { ...base, state: 'suspended' as const },
      key: 'x',
      want: 'ERR_AUTH_KEY',
    },
  ])('$name', ({ config, key, want }) => expect(publish(config, key)).toEqual(want));

  it('a passphrase that was revoked after the handshake had found out which it was', () => {
    const config = { ...base, protocols: ['SRT' as const], credentials: { ...keys, revokedBelow: 4 } };
    const bySrt = (revision: number | undefined) =>
      new StreamAuthorizer(() => config).publish({ path: 'team/cam', protocol: 'srt', revision });
    expect(bySrt(3)).toMatchObject({ isAllowed: false, code: 'ERR_AUTH_KEY' });
    expect(bySrt(4)).toMatchObject({ isAllowed: true });
    expect(bySrt(undefined)).toMatchObject({ isAllowed: true });
  });

  it('a protocol that is not the stream’s', () => {
    expect(publish(base, 'new-key-new-key', 'rtmps')).toBe('ERR_AUTH_PROTOCOL');
  });
});

describe('who may watch', () => {
  const play = (config: StreamConfig, protocol: 'rtmp' | 'http-flv') => {
    const verdict = new StreamAuthorizer(() => config).play({ path: 'team/cam', protocol });
    return verdict.isAllowed ? 'allowed' : verdict.code;
  };
  it.each([
    { config: { ...base, playback: { protocols: ['RTMP' as const] } }, want: ['allowed', 'ERR_AUTH_PROTOCOL'] },
    { config: { ...base, playback: { protocols: ['HTTPFLV' as const] } }, want: ['ERR_AUTH_PROTOCOL', 'allowed'] },
    { config: { ...base, state: 'suspended' as const }, want: ['ERR_AUTH_SUSPENDED', 'ERR_AUTH_SUSPENDED'] },
    { config: { ...base, state: 'deleting' as const }, want: ['ERR_AUTH_UNKNOWN_PATH', 'ERR_AUTH_UNKNOWN_PATH'] },
  ])('RTMP and HTTP-FLV: $want', ({ config, want }) => {
    expect([play(config, 'rtmp'), play(config, 'http-flv')]).toEqual(want);
  });
});

describe('who has to go', () => {
  const grant = { owner: 'u1', credentialRevision: 3 };
  it.each([
    { name: 'nobody whose key only grew old', config: base, want: false },
    { name: 'who came with a revoked key', config: { ...base, credentials: { ...keys, revokedBelow: 4 } }, want: true },
    { name: 'everybody when suspended', config: { ...base, state: 'suspended' as const }, want: true },
    { name: 'everybody when it is gone', config: undefined, want: true },
    { name: 'who came when the path was another LiveStream', config: { ...base, uid: 'u2' }, want: true },
  ])('$name', ({ config, want }) => expect(isRevoked(grant, config)).toBe(want));
});
