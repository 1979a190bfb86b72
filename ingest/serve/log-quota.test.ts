import { expect, it } from 'vitest';
import { LogQuota } from './log-quota.ts';

it('LogQuota lets fifty lines a second through, and counts the others', () => {
  const quota = new LogQuota();
  const first = Array.from({ length: 80 }, () => quota.take(0));
  expect(first.filter((suppressed) => suppressed === 0)).toHaveLength(50);
  expect(first.slice(50).every((suppressed) => suppressed === undefined)).toBe(true);
  expect(quota.take(999)).toBeUndefined();
  expect(quota.take(1_000)).toBe(31);
  expect(quota.take(1_000)).toBe(0);
});
