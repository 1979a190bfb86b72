import { beforeEach, describe, expect, it } from 'vitest';
import { errorOfStatus } from '../../kube/kube-error.ts';
import type { Lease } from '../../kube/lease.ts';
import { MemoryApi } from '../../test/support/kube/memory-api.ts';
import { NO_LOG } from '../../test/support/kube/test-log.ts';
import { RECORDED, storedStream, streamRecord } from '../../test/support/operator-fixtures.ts';
import type { StoredStream } from '../compile/manifest.ts';
import type { Secret } from '../watch/world.ts';
import { Cleanup } from './cleanup.ts';
import { Finalizer } from './finalizer.ts';
import { StreamIndex } from './stream-index.ts';
import { StreamRecords } from './stream-records.ts';

const { signal } = new AbortController();

let api: MemoryApi;
let index: StreamIndex;
let records: StreamRecords;
let cleanup: Cleanup;

beforeEach(() => {
  api = new MemoryApi();
  index = new StreamIndex(() => {});
  const { client } = api;
  const runtimeSecrets = api.watched<Secret>('secrets');
  const common = { client, runtimeSecrets, runtimeNamespace: 'runtime', pool: 'default' };
  records = new StreamRecords(client, runtimeSecrets, 'runtime', 'default');
  const streams = api.watched<StoredStream>('livestreams');
  const finalizer = new Finalizer({ ...common, records, streams, timeoutMs: 0, now: () => 0 });
  cleanup = new Cleanup({ ...common, index, records, finalizer, leases: api.watched<Lease>('leases'), log: NO_LOG });
});

const has = (name: string) => api.find('secrets', `runtime/${name}`) !== undefined;
const claim = () =>
  api.put('leases', { apiVersion: 'v1', kind: 'Lease', metadata: { namespace: 'runtime', name: 'c-uid-1' } });

describe('clean', () => {
  it('removes what pods obey, and the claim', async () => {
    await records.put(streamRecord(RECORDED), signal);
    claim();
    await cleanup.clean('uid-1', signal);
    expect([has('s-uid-1'), has('d-uid-1'), api.find('leases', 'runtime/c-uid-1')]).toEqual([false, false, undefined]);
  });

  it('sets the tombstone first, where recordings were to go with it, though nobody held the LiveStream', async () => {
    await records.put(streamRecord(RECORDED, { deletionPolicy: 'Delete' }), signal);
    await cleanup.clean('uid-1', signal);
    expect([has('s-uid-1'), has('d-uid-1')]).toEqual([false, true]);
    expect(api.writes.slice(-2)).toEqual(['POST secrets/d-uid-1', 'DELETE secrets/s-uid-1']);
  });

  it.each([
    { name: 'it is there, only not seen', put: () => api.put('livestreams', storedStream() as never) },
    {
      name: 'its kind is not there at the moment',
      put: () => {
        api.fault = (what) => {
          if (what.startsWith('GET livestreams'))
            throw errorOfStatus(404, { message: 'the server could not find the requested resource' }, '');
        };
      },
    },
    {
      name: 'its namespace may not be looked into',
      put: () => {
        api.fault = (what) => {
          if (what.startsWith('GET livestreams')) throw errorOfStatus(403, {}, '');
        };
      },
    },
  ])('touches nothing when $name', async ({ put }) => {
    await records.put(streamRecord(RECORDED, { deletionPolicy: 'Delete' }), signal);
    put();
    await cleanup.clean('uid-1', signal);
    expect([has('s-uid-1'), has('d-uid-1')]).toEqual([true, false]);
  });

  it('one made again under the same name does not keep what was of the one before', async () => {
    await records.put(streamRecord(RECORDED), signal);
    api.put('livestreams', storedStream({}, { uid: 'uid-2' }) as never);
    await cleanup.clean('uid-1', signal);
    expect(has('s-uid-1')).toBe(false);
  });

  it('touches nothing of a LiveStream that is there', async () => {
    await records.put(streamRecord(), signal);
    index.note('team-a/cam-1', storedStream(), undefined);
    await cleanup.clean('uid-1', signal);
    expect(has('s-uid-1')).toBe(true);
  });
});

describe('sweep', () => {
  it('names what two sweeps in a row saw without a LiveStream', async () => {
    await records.put(streamRecord(), signal);
    expect(cleanup.sweep()).toEqual([]);
    expect(cleanup.sweep()).toEqual(['uid-1']);
    index.note('team-a/cam-1', storedStream(), undefined);
    expect(cleanup.sweep()).toEqual([]);
    index.note('team-a/cam-1', undefined, storedStream());
    expect(cleanup.sweep()).toEqual([]);
  });

  it('sees claims too, and neither tombstones nor what is of another pool', async () => {
    claim();
    const labels = { 'headwater.dev/pool': 'other', 'headwater.dev/uid': 'uid-3' };
    const secret = (type: string, name: string, of: Record<string, string>) =>
      api.put('secrets', {
        apiVersion: 'v1',
        kind: 'Secret',
        type,
        metadata: { namespace: 'runtime', name, labels: of },
      });
    secret('headwater.dev/stream-config', 's-uid-3', labels);
    secret('headwater.dev/tombstone', 'd-uid-4', { 'headwater.dev/pool': 'default', 'headwater.dev/uid': 'uid-4' });
    cleanup.sweep();
    expect(cleanup.sweep()).toEqual(['uid-1']);
  });
});

describe('unbury', () => {
  it('removes a tombstone, and nothing else that has its name', async () => {
    await records.put(streamRecord(RECORDED, { deletionPolicy: 'Delete' }), signal);
    await cleanup.clean('uid-1', signal);
    await cleanup.unbury('uid-1', signal);
    expect(has('d-uid-1')).toBe(false);
    api.put('secrets', {
      apiVersion: 'v1',
      kind: 'Secret',
      type: 'Opaque',
      metadata: { namespace: 'runtime', name: 'd-uid-1' },
    });
    await cleanup.unbury('uid-1', signal);
    expect(has('d-uid-1')).toBe(true);
  });
});
