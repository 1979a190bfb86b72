import { beforeEach, describe, expect, it } from 'vitest';
import { MemoryApi } from '../../test/support/kube/memory-api.ts';
import { streamRecord } from '../../test/support/operator-fixtures.ts';
import { encodeData } from '../compile/manifest.ts';
import type { Secret } from '../watch/world.ts';
import { StreamRecords } from './stream-records.ts';

const { signal } = new AbortController();
const KEY = 'runtime/s-uid-1';
const withKey = (rtmpKey: string, revision = 1) =>
  streamRecord({ credentials: { revision, rtmpKey, srtPassphrase: '', previous: null, revokedBelow: 0 } });

let api: MemoryApi;
let records: StreamRecords;
const open = (seen?: Map<string, Secret>) =>
  new StreamRecords(api.client, api.watched<Secret>('secrets', seen), 'runtime', 'default');
const keyIn = (of: StreamRecords) => of.of('uid-1')?.config.credentials.rtmpKey;
const live = () => api.find('secrets', KEY)!;

beforeEach(() => {
  api = new MemoryApi();
  records = open();
});

describe('StreamRecords', () => {
  it('writes once, and not again what is there', async () => {
    expect(await records.put(withKey('a'), signal)).toBe(true);
    expect(await records.put(withKey('a'), signal)).toBe(false);
    expect(await open().put(withKey('a'), signal)).toBe(false);
    expect(api.writes).toEqual(['POST secrets/s-uid-1']);
    expect(keyIn(open())).toBe('a');
  });

  it('with a cache that is behind, never puts new keys in the place of those in force', async () => {
    await records.put(withKey('in-force'), signal);
    const late = open(new Map());
    expect(keyIn(late)).toBeUndefined();
    await expect(late.put(withKey('new'), signal)).rejects.toMatchObject({ code: 'ERR_KUBE_CONFLICT' });
    expect(keyIn(late)).toBe('in-force');
    expect(live().data).toEqual(api.find('secrets', KEY)?.data);
  });

  it('replaces only the version that it saw', async () => {
    await records.put(withKey('a'), signal);
    const seen = new Map([[KEY, live() as Secret]]);
    const late = open(seen);
    await records.put(withKey('b', 2), signal);
    await expect(late.put(withKey('c', 2), signal)).rejects.toMatchObject({ code: 'ERR_KUBE_CONFLICT' });
    expect(keyIn(open())).toBe('b');
  });

  it.each([
    { name: 'edits it', edit: () => api.put('secrets', { ...live(), data: encodeData({ 'config.json': '{}' }) }) },
    {
      name: 'puts other keys there',
      edit: () =>
        api.put('secrets', {
          ...live(),
          data: encodeData({ 'config.json': JSON.stringify(withKey('theirs').config) }),
        }),
    },
    { name: 'deletes it', edit: () => api.drop('secrets', KEY) },
  ])('puts back what was in force when another $name', async ({ edit }) => {
    await records.put(withKey('a'), signal);
    const { data } = live();
    edit();
    expect(keyIn(records)).toBe('a');
    expect(await records.put(records.of('uid-1')!, signal)).toBe(true);
    expect(live().data).toEqual(data);
  });

  it('believes nothing that another has edited while it was away', async () => {
    await records.put(withKey('a'), signal);
    api.put('secrets', { ...live(), data: encodeData({ 'config.json': JSON.stringify(withKey('theirs').config) }) });
    expect(keyIn(open())).toBeUndefined();
  });

  it("leaves other managers' labels, annotations and data", async () => {
    await records.put(withKey('a'), signal);
    const { metadata, data } = live();
    api.put('secrets', {
      ...live(),
      metadata: {
        ...metadata,
        labels: { ...metadata.labels, team: 'a' },
        annotations: { ...metadata.annotations, note: 'x' },
      },
      data: { ...data, extra: 'eA==' },
    });
    await records.put(withKey('b', 2), signal);
    expect(live()).toMatchObject({
      metadata: { labels: { team: 'a' }, annotations: { note: 'x' } },
      data: { extra: 'eA==' },
    });
    expect(keyIn(open())).toBe('b');
  });

  it('takes the place of a Secret of another type: nothing else has business under this name', async () => {
    api.put('secrets', {
      apiVersion: 'v1',
      kind: 'Secret',
      type: 'Opaque',
      metadata: { namespace: 'runtime', name: 's-uid-1' },
    });
    await records.put(withKey('a'), signal);
    expect(api.writes).toEqual(['DELETE secrets/s-uid-1', 'POST secrets/s-uid-1']);
    expect(live().type).toBe('headwater.dev/stream-config');
  });

  it('knows nothing of what it removed', async () => {
    await records.put(withKey('a'), signal);
    await records.remove('uid-1', signal);
    expect(records.of('uid-1')).toBeUndefined();
    expect(live()).toBeUndefined();
  });
});
