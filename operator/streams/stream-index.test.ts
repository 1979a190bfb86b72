import { beforeEach, describe, expect, it } from 'vitest';
import { storedStream } from '../../test/support/operator-fixtures.ts';
import { StreamIndex } from './stream-index.ts';

const made = (name: string, minute: number, uid = `uid-${name}`) =>
  storedStream({}, { name, uid, creationTimestamp: `2026-11-01T10:0${minute}:00Z` });

/** Secrets that nobody names any more, as they were told. */
const unused: string[] = [];
beforeEach(() => unused.splice(0));

function indexOf(...streams: ReturnType<typeof made>[]): StreamIndex {
  const index = new StreamIndex((secret) => unused.push(secret));
  for (const stream of streams) index.note(`team-a/${stream.metadata.name}`, stream, undefined);
  return index;
}

describe('StreamIndex', () => {
  it('finds a stream by its uid, until it is gone or another', () => {
    const index = indexOf(made('a', 1));
    expect(index.keyOf('uid-a')).toBe('team-a/a');
    index.note('team-a/a', made('a', 2, 'uid-new'), made('a', 1));
    expect([index.keyOf('uid-a'), index.keyOf('uid-new')]).toEqual([undefined, 'team-a/a']);
    index.note('team-a/a', undefined, made('a', 2, 'uid-new'));
    expect([index.keyOf('uid-new'), index.inNamespace('team-a')]).toEqual([undefined, []]);
  });

  it.each([
    { name: 'a', want: 0 },
    { name: 'b', want: 1 },
    { name: 'c', want: 2 },
  ])('counts those that are older than $name; of two made in one second the name decides', ({ name, want }) => {
    const streams = [made('c', 2), made('b', 2), made('a', 1)];
    expect(indexOf(...streams).olderThan(streams.find(({ metadata }) => metadata.name === name)!)).toBe(want);
  });

  it('knows who names what, as it is now', () => {
    const index = indexOf(made('a', 1), made('b', 2));
    index.noteUses('team-a/a', { policy: 'team-a/archive', secrets: ['team-a/mine', 'team-a/archive'] });
    index.noteUses('team-a/b', { policy: 'team-a/archive', secrets: [] });
    expect(index.usersOfPolicy('team-a/archive')).toEqual(['team-a/a', 'team-a/b']);
    expect(index.usersOfSecret('team-a/archive')).toEqual(['team-a/a']);
    index.noteUses('team-a/a', { policy: undefined, secrets: ['team-a/mine'] });
    expect(index.usersOfPolicy('team-a/archive')).toEqual(['team-a/b']);
    index.note('team-a/a', undefined, made('a', 1));
    expect(index.usersOfSecret('team-a/mine')).toEqual([]);
  });

  it('tells of a Secret when the last that named it does so no more, or is gone', () => {
    const index = indexOf(made('a', 1), made('b', 2));
    index.noteUses('team-a/a', { policy: undefined, secrets: ['team-a/shared', 'team-a/mine'] });
    index.noteUses('team-a/b', { policy: undefined, secrets: ['team-a/shared'] });
    index.noteUses('team-a/a', { policy: undefined, secrets: [] });
    expect(unused).toEqual(['team-a/mine']);
    index.note('team-a/b', undefined, made('b', 2));
    expect(unused).toEqual(['team-a/mine', 'team-a/shared']);
  });
});
