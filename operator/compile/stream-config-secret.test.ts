import { describe, expect, it } from 'vitest';
import type { RecordingStore, StreamConfig } from '../../crds/stream-config.ts';
import { streamRecord } from '../../test/support/operator-fixtures.ts';
import { decodeData, encodeData } from './manifest.ts';
import { formerStoresAfter, readStreamConfigSecret, streamConfigSecret } from './stream-config-secret.ts';
import { tombstoneSecret } from './tombstone-secret.ts';

const store = (bucket: string): RecordingStore => ({
  ...{ url: `s3://${bucket}`, endpoint: null, region: null, forcePathStyle: null },
  credentials: { accessKeyId: `id-${bucket}`, secretAccessKey: 'secret' },
});
const recordedTo = (bucket: string): Pick<StreamConfig, 'recording'> => ({
  recording: {
    store: store(bucket),
    format: 'fmp4',
    segmentDurationMs: 6000,
    segmentPattern: null,
    onFull: 'DropOldest',
  },
});
const recorded = (bucket: string, ...former: string[]) =>
  streamRecord(recordedTo(bucket), { formerStores: former.map(store), deletionPolicy: 'Delete' });
const secretOf = (record: ReturnType<typeof streamRecord>) =>
  streamConfigSecret('runtime', 'default', record) as ReturnType<typeof streamConfigSecret> & {
    data: Record<string, string>;
  };

describe('s-<uid>', () => {
  it.each([
    { name: 'a stream that records nothing', record: streamRecord() },
    { name: 'one with a store, and stores before it', record: recorded('b', 'a') },
  ])('is read as what it was made from: $name', ({ record }) => {
    expect(readStreamConfigSecret(secretOf(record))).toEqual(record);
  });

  it('is the same bytes each time, and again from what was read', () => {
    const first = JSON.stringify(secretOf(recorded('b', 'a')));
    expect(JSON.stringify(secretOf(recorded('b', 'a')))).toBe(first);
    expect(JSON.stringify(secretOf(readStreamConfigSecret(secretOf(recorded('b', 'a')))!))).toBe(first);
  });

  it('says whose it is', () => {
    expect(secretOf(streamRecord())).toMatchObject({
      type: 'headwater.dev/stream-config',
      metadata: {
        name: 's-uid-1',
        namespace: 'runtime',
        labels: { 'headwater.dev/pool': 'default', 'headwater.dev/uid': 'uid-1' },
        annotations: { 'headwater.dev/stream': 'team-a/cam-1', 'headwater.dev/deletion-policy': 'Retain' },
      },
    });
  });

  it.each([
    { name: 'no data', edit: { data: {} } },
    { name: 'no JSON', edit: { data: encodeData({ 'config.json': '{' }) } },
    { name: 'another document', edit: { data: encodeData({ 'config.json': '{"version":2}' }) } },
    { name: 'no annotation of its keys', edit: { metadata: { annotations: {} } } },
    { name: 'a broken one', edit: { metadata: { annotations: { 'headwater.dev/keys': '{"generation":"x"}' } } } },
  ])('is not read where another hand has broken it: $name', ({ edit }) => {
    expect(readStreamConfigSecret({ ...secretOf(streamRecord()), ...edit })).toBeUndefined();
  });
});

describe('stores that were recorded to', () => {
  const next = (bucket: string | null) =>
    streamRecord(bucket === null ? { recording: null } : recordedTo(bucket)).config;
  it.each([
    { name: 'the same store', before: recorded('a'), after: next('a'), want: [] },
    { name: 'another store', before: recorded('a'), after: next('b'), want: ['a'] },
    { name: 'recording turned off', before: recorded('a'), after: next(null), want: ['a'] },
    { name: 'back to a former store', before: recorded('b', 'a'), after: next('a'), want: ['b'] },
    { name: 'each only once', before: recorded('a', 'a', 'b'), after: next('c'), want: ['b', 'a'] },
    { name: 'a stream that is new', before: undefined, after: next('a'), want: [] },
  ])('$name', ({ before, after, want }) => {
    expect(formerStoresAfter(before, after).map(({ url }) => url)).toEqual(want.map((bucket) => `s3://${bucket}`));
  });

  it('keeps the newest 63', () => {
    const many = recorded('z', ...Array.from({ length: 100 }, (_, i) => `b${i}`));
    expect(formerStoresAfter(many, next('y'))).toHaveLength(63);
  });
});

describe('d-<uid>', () => {
  const tombstone = (record: ReturnType<typeof streamRecord>) =>
    tombstoneSecret('runtime', 'default', record, '2026-11-01T10:00:00Z');

  it('names every store, with what it takes to delete there', () => {
    const secret = tombstone(recorded('b', 'a'))!;
    expect(secret).toMatchObject({ type: 'headwater.dev/tombstone', metadata: { name: 'd-uid-1' } });
    expect(JSON.parse(decodeData(secret.data as Record<string, string>)['tombstone.json']!)).toEqual({
      ...{ version: 1, uid: 'uid-1', path: 'team-a/cam-1', requestedAt: '2026-11-01T10:00:00Z' },
      stores: [store('a'), store('b')],
    });
  });

  it('is not made where nothing was ever recorded', () => {
    expect(tombstone(streamRecord({ recording: null }))).toBeUndefined();
  });
});
