import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { editDistance, nearest } from './nearest.ts';

describe('nearest', () => {
  it.each([
    ['recrod', 'record'],
    ['LISTEN', 'listen'],
    ['segement-duration', 'segment-duration'],
  ])('%s → %s', (word, want) => expect(nearest(word, ['listen', 'segment-duration', 'record', 'store'])).toBe(want));

  it('counts a swap of neighbours as one edit', () => {
    expect(editDistance('recrod', 'record')).toBe(1);
    expect(editDistance('kitten', 'sitting')).toBe(3);
  });

  it('is a distance', () => {
    const word = fc.string({ maxLength: 12 });
    fc.assert(
      fc.property(word, word, (a, b) => {
        const distance = editDistance(a, b);
        expect(distance).toBe(editDistance(b, a));
        expect(distance === 0).toBe(a === b);
        expect(distance).toBeLessThanOrEqual(Math.max(a.length, b.length));
      }),
    );
  });

  it('does not take long over long input', () => {
    expect(nearest('x'.repeat(1_000_000), ['listen', 'store'])).toBe('listen');
  });
});
