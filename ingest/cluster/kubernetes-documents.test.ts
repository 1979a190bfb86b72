import { describe, expect, it } from 'vitest';
import { streamConfig } from '../../test/support/stream-config.ts';
import { readRuntimeSecret, type Secret } from './kubernetes-documents.ts';

const config = streamConfig({ path: 'team/cam', uid: 'u1' });

function secret(type: string, data: Record<string, string>, name = 'x'): Secret {
  const encoded = Object.entries(data).map(([key, text]) => [key, Buffer.from(text).toString('base64')]);
  const metadata = { name, labels: { 'headwater.dev/uid': 'u1' }, annotations: { 'headwater.dev/stream': 'team/cam' } };
  return { apiVersion: 'v1', kind: 'Secret', type, metadata, data: Object.fromEntries(encoded) };
}

describe('Secrets of the runtime namespace', () => {
  it('are configurations, tombstones and the key of the pool', () => {
    const read = (type: string, data: Record<string, string>, name?: string) =>
      readRuntimeSecret(secret(type, data, name));
    expect(read('headwater.dev/stream-config', { 'config.json': JSON.stringify(config) })).toEqual({
      kind: 'stream',
      config,
    });
    const tombstone = { version: 1, uid: 'u1', path: 'team/cam', stores: [], requestedAt: '2026-01-01T00:00:00Z' };
    expect(read('headwater.dev/tombstone', { 'tombstone.json': JSON.stringify(tombstone) })).toEqual({
      kind: 'tombstone',
      tombstone,
    });
    expect(read('Opaque', { key: 'k' }, 'relay-key')).toEqual({ kind: 'relay-key', key: 'k' });
    expect(read('Opaque', { key: 'k' })).toBeUndefined();
  });

  it.each([
    { name: 'no JSON', text: '{"version":', want: 'it is no JSON' },
    { name: 'nothing', text: '', want: 'it is no JSON' },
    {
      name: 'another version',
      text: JSON.stringify({ ...config, version: 2 }),
      want: 'this version cannot read version',
    },
    {
      name: 'a protocol of tomorrow',
      text: JSON.stringify({ ...config, protocols: ['WHIP'] }),
      want: 'this version cannot read protocols.0',
    },
  ])('that hold $name are unreadable, and no value is told', ({ text, want }) => {
    const read = readRuntimeSecret(secret('headwater.dev/stream-config', { 'config.json': text }, 's-u1'));
    expect(read).toEqual({ kind: 'unreadable', uid: 'u1', path: 'team/cam', problem: `Secret s-u1: ${want}` });
    expect(JSON.stringify(read)).not.toContain(config.credentials.rtmpKey);
  });
});
