import { beforeEach, describe, expect, it } from 'vitest';
import { streamConfig } from '../../test/support/stream-config.ts';
import { StreamSet } from './stream-set.ts';

describe('the set of streams', () => {
  let set: StreamSet;
  let said: string[];
  beforeEach(() => {
    set = new StreamSet(({ recording }) => (recording === null ? undefined : 'no recording here'));
    said = [];
    set.onChange(({ path, config }) => said.push(`${path} ${config?.uid ?? 'none'} ${config?.revision ?? ''}`));
  });
  const a = streamConfig({ path: 'team/a', uid: 'u1' });
  const recording = {
    store: { url: 's3://bucket', endpoint: null, region: null, forcePathStyle: null, credentials: null },
    format: 'fmp4',
    segmentDurationMs: 6000,
    segmentPattern: null,
    onFull: 'DropOldest',
  } as const;

  it('tells what each path leads to, once a revision', () => {
    set.apply(a);
    set.apply({ ...a });
    set.apply({ ...a, revision: 'r2', state: 'suspended' });
    set.remove('u1');
    set.remove('u1');
    expect(said).toEqual(['team/a u1 r1', 'team/a u1 r2', 'team/a none ']);
    expect([set.of('team/a'), set.size]).toEqual([undefined, 0]);
  });

  it('keeps the configuration before one that it refuses, and says why until a good one comes', () => {
    set.apply(a);
    expect(set.apply({ ...a, revision: 'r2', recording })).toBe('no recording here');
    expect(set.of('team/a')?.revision).toBe('r1');
    expect(set.byUid('u1')?.refusal).toBe('no recording here');
    set.refuse('u1', 'team/a', 'unreadable');
    expect(set.byUid('u1')).toEqual({ uid: 'u1', path: 'team/a', config: a, refusal: 'unreadable' });
    set.apply({ ...a, revision: 'r3' });
    expect(set.byUid('u1')?.refusal).toBeUndefined();
    expect(said).toEqual(['team/a u1 r1', 'team/a u1 r3']);
  });

  it('knows a stream of which nothing was ever fit', () => {
    set.apply({ ...a, recording });
    expect(set.of('team/a')).toBeUndefined();
    expect([...set.streams]).toEqual([{ uid: 'u1', path: 'team/a', config: undefined, refusal: 'no recording here' }]);
    expect(said).toEqual([]);
  });

  it('lets no stream change its path', () => {
    set.apply(a);
    expect(set.apply({ ...a, path: 'team/b', revision: 'r2' })).toBe("its path was team/a and can't change");
    expect(set.of('team/b')).toBeUndefined();
  });

  it.each([
    { name: 'the old one first', order: ['old', 'new'] as const },
    { name: 'the new one first', order: ['new', 'old'] as const },
  ])('prefers the stream made again to the one that is being deleted: $name', ({ order }) => {
    const configs = { old: { ...a, state: 'deleting' as const }, new: { ...a, uid: 'u2' } };
    for (const which of order) set.apply(configs[which]);
    expect(set.of('team/a')?.uid).toBe('u2');
    set.remove('u2');
    expect(set.of('team/a')?.uid).toBe('u1');
    set.remove('u1');
    expect(set.of('team/a')).toBeUndefined();
  });
});
