import { expect, it } from 'vitest';
import { BufferPool } from './buffer-pool.ts';

it('gives a buffer again that is large enough, and keeps no more than it may', () => {
  const pool = new BufferPool(2);
  const small = pool.take(10);
  const large = pool.take(small.length + 1);
  expect(large.length).toBe(2 * small.length);
  pool.give(small);
  pool.give(large);
  expect(pool.take(small.length + 1)).toBe(large);
  expect(pool.take(1)).toBe(small);
  expect(pool.take(1)).not.toBe(small);
  for (const buffer of [small, large, pool.take(1)]) pool.give(buffer);
  expect(pool.take(1)).toBe(large);
});
