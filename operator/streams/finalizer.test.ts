import { beforeEach, describe, expect, it } from 'vitest';
import { MemoryApi } from '../../test/support/kube/memory-api.ts';
import {
  PUBLISHER,
  podView,
  RECORDED,
  RECORDING,
  storedStream,
  streamRecord,
} from '../../test/support/operator-fixtures.ts';
import type { StoredStream } from '../compile/manifest.ts';
import type { PodView } from '../compile/pod-view.ts';
import type { Secret } from '../watch/world.ts';
import { Finalizer } from './finalizer.ts';
import { StreamRecords } from './stream-records.ts';

const { signal } = new AbortController();
const NAME = 'headwater.dev/recordings';
const DELETED_AT = '2026-11-01T12:00:00Z';

let api: MemoryApi;
let records: StreamRecords;
let finalizer: Finalizer;
let now: number;

beforeEach(() => {
  api = new MemoryApi();
  now = Date.parse(DELETED_AT);
  const runtimeSecrets = api.watched<Secret>('secrets');
  records = new StreamRecords(api.client, runtimeSecrets, 'runtime', 'default');
  finalizer = new Finalizer({
    ...{ client: api.client, records, runtimeSecrets, runtimeNamespace: 'runtime', pool: 'default' },
    streams: api.watched<StoredStream>('livestreams'),
    timeoutMs: 900_000,
    now: () => now,
  });
});

/** A stream as it is stored, held or not, with what its spec says of deletion. */
function stored(
  held: boolean,
  deletionPolicy = 'Retain',
  metadata: object = {},
  status?: StoredStream['status'],
): StoredStream {
  const stream = storedStream(
    { recording: { enabled: true, deletionPolicy } },
    { finalizers: ['example.com/other', ...(held ? [NAME] : [])], ...metadata },
    status,
  );
  return api.put('livestreams', stream as never) as unknown as StoredStream;
}
const current = () => api.find<StoredStream>('livestreams', 'team-a/cam-1')!;
const isHeld = () => current().metadata.finalizers?.includes(NAME);
const keep = (pods: readonly PodView[]) => finalizer.keep(current(), pods, signal);
const finish = (pods: readonly PodView[]) => finalizer.finish(current(), pods, signal);
const tombstone = () => api.find('secrets', 'runtime/d-uid-1');
const buried = () => tombstone() !== undefined;

describe('keep', () => {
  it.each<{ name: string; pods: PodView[]; policy?: string; status?: StoredStream['status']; want: boolean }>([
    { name: 'a publication is live', pods: [podView({ publisher: PUBLISHER })], want: true },
    {
      name: 'something waits for the store',
      pods: [podView({ recording: { ...RECORDING, current: null } })],
      want: true,
    },
    { name: 'nothing was ever recorded', pods: [podView()], policy: 'Delete', want: false },
    {
      name: 'recordings are to go with it',
      pods: [podView()],
      policy: 'Delete',
      status: { recording: { segmentsTotal: 1 } },
      want: true,
    },
    { name: 'recordings are to stay', pods: [podView()], status: { recording: { segmentsTotal: 1 } }, want: false },
  ])('when $name: $want', async ({ pods, policy, status, want }) => {
    stored(false, policy, {}, status);
    await keep(pods);
    expect(isHeld()).toBe(want);
    expect(current().metadata.finalizers).toContain('example.com/other');
    const { length } = api.writes;
    await keep(pods);
    expect(api.writes).toHaveLength(length);
  });

  it('takes it off after half a minute of quiet, so that a publisher that comes and goes costs no writes', async () => {
    stored(true);
    expect(await keep([podView()])).toBe(30_000);
    now += 20_000;
    await keep([podView({ publisher: PUBLISHER })]);
    now += 15_000;
    expect(await keep([podView()])).toBe(30_000);
    now += 30_000;
    await keep([podView()]);
    expect(isHeld()).toBe(false);
  });

  it('does not take it off while no pod can say that nothing is left', async () => {
    stored(true);
    now += 3_600_000;
    expect(await keep([podView(undefined, { hasReported: false })])).toBeUndefined();
    expect(await keep([])).toBeUndefined();
    expect(isHeld()).toBe(true);
  });
});

describe('finish', () => {
  const deleted = { deletionTimestamp: DELETED_AT };
  const ending = () => records.of('uid-1')!.config;
  const obeys = (stream: Parameters<typeof podView>[0] = {}) => podView({ revision: ending().revision, ...stream });

  it('has the pods end the stream, and waits for them, for the publisher and for the store', async () => {
    await records.put(streamRecord(RECORDED), signal);
    stored(true, 'Retain', deleted);
    expect(await finish([podView({ publisher: PUBLISHER })])).toMatchObject({ state: 'waiting' });
    expect(ending().state).toBe('deleting');
    // It has not heard yet: a publisher could still come.
    expect(await finish([podView()])).toMatchObject({ state: 'waiting' });
    expect(await finish([obeys({ publisher: PUBLISHER })])).toMatchObject({ state: 'waiting' });
    expect(await finish([obeys({ recording: { ...RECORDING, backlogBytes: 0 } })])).toMatchObject({ state: 'waiting' });
    expect(await finish([obeys({ recording: { ...RECORDING, current: null } })])).toMatchObject({ state: 'waiting' });
    expect(isHeld()).toBe(true);
    expect(await finish([obeys()])).toEqual({ state: 'done', abandonedBytes: 0 });
    expect(isHeld()).toBe(false);
    expect(buried()).toBe(false);
  });

  it.each([
    { name: 'no pod', pods: [] },
    { name: 'a pod that cannot be asked', pods: [podView(undefined, { hasReported: false })] },
  ])('does not take $name for an answer, until the time is over', async ({ pods }) => {
    await records.put(streamRecord(RECORDED), signal);
    stored(true, 'Retain', deleted);
    now += 899_999;
    expect(await finish(pods)).toEqual({ state: 'waiting', retryMs: 1 });
    now += 1;
    expect(await finish(pods)).toMatchObject({ state: 'done' });
    expect(isHeld()).toBe(false);
  });

  it('says how much was not stored when the time is over', async () => {
    await records.put(streamRecord(RECORDED), signal);
    stored(true, 'Retain', deleted);
    now += 900_000;
    expect(await finish([podView({ recording: RECORDING })])).toEqual({ state: 'done', abandonedBytes: 1000 });
  });

  it('does not wait where it is told not to', async () => {
    await records.put(streamRecord(RECORDED), signal);
    stored(true, 'Retain', { ...deleted, annotations: { 'headwater.dev/force-delete': 'true' } });
    expect(await finish([podView({ publisher: PUBLISHER })])).toMatchObject({ state: 'done' });
  });

  it('writes down that recordings are to be deleted before it lets go', async () => {
    await records.put(streamRecord(RECORDED), signal);
    stored(true, 'Delete', deleted);
    expect(await finish([podView()])).toMatchObject({ state: 'waiting' });
    expect(buried()).toBe(false);
    api.fault = (what) => {
      if (what.startsWith('PATCH livestreams')) expect(buried()).toBe(true);
    };
    expect(await finish([obeys()])).toMatchObject({ state: 'done' });
    expect(tombstone()?.type).toBe('headwater.dev/tombstone');
  });

  it('a leader that died in between changes nothing: the tombstone is there once', async () => {
    await records.put(streamRecord(RECORDED), signal);
    stored(true, 'Delete', deleted);
    await finish([podView()]);
    api.fault = (what) => {
      if (what.startsWith('PATCH livestreams')) throw new Error('killed');
    };
    await expect(finish([obeys()])).rejects.toThrow('killed');
    const before = tombstone();
    api.fault = () => {};
    expect(await finish([obeys()])).toMatchObject({ state: 'done' });
    expect(tombstone()).toEqual(before);
  });

  it('that does not hold it, ends the stream all the same', async () => {
    await records.put(streamRecord(RECORDED), signal);
    stored(false, 'Retain', deleted);
    expect(await finish([podView()])).toEqual({ state: 'done', abandonedBytes: 0 });
    expect(ending().state).toBe('deleting');
  });
});
