import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Tombstone } from '../../crds/tombstone.ts';
import { keptLog, type Logged } from '../../test/support/spooled-segments.ts';
import { streamConfig } from '../../test/support/stream-config.ts';
import { TempDir } from '../../test/support/temp-dir.ts';
import { Snapshot } from './snapshot.ts';
import { StoreBook } from './store-book.ts';
import { StreamSet } from './stream-set.ts';
import { TombstoneSet } from './tombstone-set.ts';

const store = { url: 's3://b', endpoint: null, region: null, forcePathStyle: null };
const credentials = { accessKeyId: 'id', secretAccessKey: 'secret' };
const tombstone: Tombstone = {
  version: 1,
  uid: 'u9',
  path: 'team/gone',
  stores: [],
  requestedAt: '2026-01-01T00:00:00Z',
};

describe('what a pod knew last', () => {
  let dir: TempDir;
  let lines: Logged[];
  beforeEach(() => {
    dir = new TempDir('snapshot');
    lines = [];
  });
  afterEach(() => dir[Symbol.dispose]());

  const parts = () => ({ set: new StreamSet(() => undefined), book: new StoreBook(), tombstones: new TombstoneSet() });

  it('is there after a restart, for this user alone', async () => {
    const before = parts();
    {
      await using snapshot = new Snapshot(dir.join('state'), before, keptLog(lines));
      snapshot.relayKey = 'relay';
      before.set.apply(streamConfig({ path: 'team/cam', uid: 'u1' }));
      before.set.refuse('u2', 'team/new', 'unreadable');
      before.book.learn('u1', { ...store, credentials });
      before.tombstones.add(tombstone);
      snapshot.touch();
    }
    expect(statSync(dir.join('state/snapshot.json')).mode & 0o777).toBe(0o600);
    expect(statSync(dir.join('state')).mode & 0o777).toBe(0o700);
    const after = parts();
    await using snapshot = new Snapshot(dir.join('state'), after, keptLog(lines));
    expect(await snapshot.restore(() => false)).toBe(true);
    expect([...after.set.streams].map(({ uid }) => uid)).toEqual(['u1']);
    expect(after.set.of('team/cam')).toEqual(streamConfig({ path: 'team/cam', uid: 'u1' }));
    expect(after.book.credentialsFor('u1', store)).toEqual(credentials);
    expect(after.tombstones.pending).toEqual([tombstone]);
    expect(snapshot.relayKey).toBe('relay');
  });

  it('does not replace credentials that are newer than it', async () => {
    const before = parts();
    {
      await using snapshot = new Snapshot(dir.path, before, keptLog(lines));
      before.book.learn('u1', { ...store, credentials });
      snapshot.touch();
    }
    const after = parts();
    after.book.learn('u1', { ...store, credentials: { ...credentials, secretAccessKey: 'newer' } });
    await new Snapshot(dir.path, after, keptLog(lines)).restoreStores();
    expect(after.book.credentialsFor('u1', store)).toMatchObject({ secretAccessKey: 'newer' });
  });

  it.each([
    { name: 'none', text: undefined, words: undefined },
    { name: 'one of another version', text: '{"version":2}', words: undefined },
    { name: 'a damaged one', text: '{"version":1,"streams":[{}]}', words: 'snapshot unreadable' },
    { name: 'a torn one', text: '{"version":1,', words: 'snapshot unreadable' },
  ])('$name leaves the pod without: it does not become ready', async ({ text, words }) => {
    if (text !== undefined) writeFileSync(dir.join('snapshot.json'), text);
    const snapshot = new Snapshot(dir.path, parts(), keptLog(lines));
    expect(await snapshot.restore(() => false)).toBe(false);
    expect(lines.map(({ message }) => message)).toEqual(words === undefined ? [] : [words]);
  });

  it('is not put in force where something newer came while it was read', async () => {
    const before = parts();
    {
      await using snapshot = new Snapshot(dir.path, before, keptLog(lines));
      snapshot.relayKey = 'relay';
      before.set.apply(streamConfig({ path: 'team/cam', uid: 'u1' }));
      snapshot.touch();
    }
    const after = parts();
    const snapshot = new Snapshot(dir.path, after, keptLog(lines));
    expect(await snapshot.restore(() => true)).toBe(false);
    expect([after.set.size, snapshot.relayKey]).toEqual([0, undefined]);
  });

  it('is written in one step: what a crash leaves is whole', async () => {
    const all = parts();
    writeFileSync(dir.join('snapshot.json.tmp'), 'torn');
    {
      await using snapshot = new Snapshot(dir.path, all, keptLog(lines));
      snapshot.touch();
    }
    expect(existsSync(dir.join('snapshot.json.tmp'))).toBe(false);
    expect(JSON.parse(readFileSync(dir.join('snapshot.json'), 'utf8'))).toMatchObject({ version: 1, streams: [] });
  });
});
