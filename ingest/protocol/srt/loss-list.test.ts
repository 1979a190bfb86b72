import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LossList } from './loss-list.ts';

function listed(losses: LossList): string {
  const ranges: string[] = [];
  for (let i = 0; i < losses.ranges; i += 1) ranges.push(`${losses.firstOf(i)}-${losses.lastOf(i)}`);
  return ranges.join(' ');
}

function lossesOf(...ranges: [number, number][]): LossList {
  const losses = new LossList();
  for (const [first, last] of ranges) losses.add(first, last);
  return losses;
}

describe('LossList', () => {
  it.each([
    { name: 'the first of a range', remove: 10, want: '11-14 20-20' },
    { name: 'the last of a range', remove: 14, want: '10-13 20-20' },
    { name: 'one in the middle', remove: 12, want: '10-11 13-14 20-20' },
    { name: 'a whole range', remove: 20, want: '10-14' },
  ])('finds $name', ({ remove, want }) => {
    const losses = lossesOf([10, 14], [20, 20]);
    expect(losses.remove(remove)).toBe(true);
    expect(losses.remove(remove)).toBe(false);
    expect(listed(losses)).toBe(want);
    expect(losses.count).toBe(5);
  });

  it('joins ranges that touch, and forgets what is too old', () => {
    const losses = lossesOf([1, 2], [3, 5], [8, 9], [12, 12]);
    expect(listed(losses)).toBe('1-5 8-9 12-12');
    losses.removeBefore(9);
    expect([listed(losses), losses.count]).toEqual(['9-9 12-12', 2]);
  });

  it('holds what a set of numbers would, whatever is done to it', () => {
    const step = fc.oneof(
      fc.record({
        kind: fc.constant('add' as const),
        a: fc.integer({ min: 0, max: 4 }),
        b: fc.integer({ min: 0, max: 5 }),
      }),
      fc.record({ kind: fc.constant('remove' as const), a: fc.integer({ min: 0, max: 99 }), b: fc.constant(0) }),
      fc.record({ kind: fc.constant('before' as const), a: fc.integer({ min: 0, max: 99 }), b: fc.constant(0) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const losses = new LossList();
        const model = new Set<number>();
        let end = 0;
        for (const { kind, a, b } of steps) {
          if (kind === 'add') {
            losses.add(end + a, end + a + b);
            for (let i = end + a; i <= end + a + b; i += 1) model.add(i);
            end += a + b + 1;
          } else if (kind === 'remove') {
            expect(losses.remove(a)).toBe(model.delete(a));
          } else {
            losses.removeBefore(a);
            for (const i of model) if (i < a) model.delete(i);
          }
          const held: number[] = [];
          for (let i = 0; i < losses.ranges; i += 1) {
            for (let at = losses.firstOf(i); at <= losses.lastOf(i); at += 1) held.push(at);
          }
          expect(held).toEqual([...model].sort((x, y) => x - y));
          expect(losses.count).toBe(model.size);
        }
      }),
    );
  });
});
