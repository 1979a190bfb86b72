import { expect, it } from 'vitest';
import { BufferPool } from './buffer-pool.ts';

it('gives a buffer again that is large enough, and keeps no more than it may', () => {
  const pool = new BufferPool(2, 1000);
  const [small, large] = [pool.take(10), pool.take(1001)];
  expect([small.length, small.buffer.byteLength, large.buffer.byteLength]).toEqual([10, 1000, 2000]);
  pool.give(small);
  pool.give(large);
  expect(pool.take(1500).buffer).toBe(large.buffer);
  expect(pool.take(1).buffer).toBe(small.buffer);
  const another = pool.take(1);
  expect(another.buffer).not.toBe(small.buffer);
  for (const buffer of [small, large, another]) pool.give(buffer);
  expect(pool.take(1).buffer).toBe(large.buffer);
});
