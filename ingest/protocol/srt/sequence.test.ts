import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isSequenceBefore, SEQUENCE_MASK, sequenceAfter, sequenceDistance } from './sequence.ts';

describe('sequence numbers', () => {
  it.each([
    { name: 'the next one', from: 5, count: 1, to: 6 },
    { name: 'across the wrap', from: 0x7fff_ffff, count: 1, to: 0 },
    { name: 'back across the wrap', from: 2, count: -5, to: 0x7fff_fffd },
    { name: 'as far as serial arithmetic sees', from: 0x7fff_fff0, count: 0x3fff_ffff, to: 0x3fff_ffef },
    { name: 'the same', from: 0x4000_0000, count: 0, to: 0x4000_0000 },
  ])('$name', ({ from, count, to }) => {
    expect(sequenceAfter(from, count)).toBe(to);
    expect(sequenceDistance(from, to)).toBe(count);
    expect(isSequenceBefore(from, to)).toBe(count > 0);
  });

  it('distance undoes every step, wherever it begins', () => {
    const sequence = fc.integer({ min: 0, max: SEQUENCE_MASK });
    const step = fc.integer({ min: -0x4000_0000, max: 0x3fff_ffff });
    fc.assert(
      fc.property(sequence, step, (from, count) => {
        const to = sequenceAfter(from, count);
        expect(to).toBeGreaterThanOrEqual(0);
        expect(to).toBeLessThanOrEqual(SEQUENCE_MASK);
        expect(sequenceDistance(from, to)).toBe(count);
      }),
    );
  });
});
