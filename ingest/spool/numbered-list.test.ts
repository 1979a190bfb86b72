import fc from 'fast-check';
import { expect, it } from 'vitest';
import { NumberedList } from './numbered-list.ts';

it('holds what a sorted map would hold, whatever order it comes and goes in', () => {
  const change = fc.record({ number: fc.nat(9), value: fc.option(fc.nat()) });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 50 }), (changes) => {
      const list = new NumberedList<number>();
      const model = new Map<number, number>();
      for (const { number, value } of changes) {
        if (value === null) {
          list.delete(number);
          model.delete(number);
        } else {
          list.set(number, value);
          model.set(number, value);
        }
        expect(list.get(number)).toBe(model.get(number));
        expect(list.values).toEqual([...model].sort(([a], [b]) => a - b).map(([, each]) => each));
      }
    }),
  );
});
