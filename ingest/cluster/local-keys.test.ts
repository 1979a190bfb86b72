import { beforeEach, describe, expect, it } from 'vitest';
import { type LocalKeys, nextKeys, type WantedKeys } from './local-keys.ts';

const NOW = Date.parse('2026-03-01T12:00:00Z');
const generated: WantedKeys = { own: undefined, generation: 0, overlapMs: 60_000, revokePrevious: false };
const own = (rtmpKey: string, srtPassphrase = ''): WantedKeys => ({ ...generated, own: { rtmpKey, srtPassphrase } });

describe('keys of a stream', () => {
  let made: number;
  beforeEach(() => {
    made = 0;
  });
  const next = (before: LocalKeys | undefined, wanted: WantedKeys, now = NOW) =>
    nextKeys(before, wanted, now, () => `key-${++made}`);

  it('are made once, and stay as they are', () => {
    const first = next(undefined, generated);
    expect(first.credentials).toEqual({
      ...{ rtmpKey: 'key-1', srtPassphrase: 'key-2' },
      ...{ revision: 1, previous: null, revokedBelow: 0 },
    });
    expect(next(first, generated)).toEqual(first);
  });

  it('turn with the generation; the ones before are good for the overlap', () => {
    const first = next(undefined, generated);
    const second = next(first, { ...generated, generation: 1 });
    const previous = { rtmpKey: 'key-1', srtPassphrase: 'key-2', revision: 1, expiresAt: '2026-03-01T12:01:00.000Z' };
    expect(second.credentials).toEqual({
      ...{ rtmpKey: 'key-3', srtPassphrase: 'key-4', revision: 2, previous, revokedBelow: 0 },
    });
    expect(next(second, { ...generated, generation: 1 }, NOW + 59_999).credentials.previous).toEqual(previous);
    expect(next(second, { ...generated, generation: 1 }, NOW + 60_000).credentials.previous).toBeNull();
  });

  it('turn when the user writes others, and not when one is added for a protocol that had none', () => {
    const first = next(undefined, own('one'));
    expect(first).toMatchObject({ generation: null, credentials: { rtmpKey: 'one', revision: 1 } });
    const more = next(first, own('one', 'passphrase'));
    expect(more.credentials).toMatchObject({ srtPassphrase: 'passphrase', revision: 1, previous: null });
    const other = next(more, own('two', 'passphrase'));
    expect(other.credentials).toMatchObject({ rtmpKey: 'two', revision: 2, previous: { rtmpKey: 'one', revision: 1 } });
  });

  it.each([
    { name: 'in the same step', step: [{ ...generated, generation: 1, revokePrevious: true }] },
    {
      name: 'later',
      step: [
        { ...generated, generation: 1 },
        { ...generated, generation: 1, revokePrevious: true },
      ],
    },
  ])('revoke the ones before $name: who came with them goes', ({ step }) => {
    let keys = next(undefined, generated);
    for (const wanted of step) keys = next(keys, wanted);
    expect(keys.credentials).toMatchObject({ rtmpKey: 'key-3', revision: 2, previous: null, revokedBelow: 2 });
  });

  it('go over from the user’s to generated ones by a rotation', () => {
    const keys = next(next(undefined, own('one', 'passphrase')), generated);
    expect(keys.credentials).toMatchObject({ rtmpKey: 'key-1', revision: 2, previous: { rtmpKey: 'one' } });
  });
});
