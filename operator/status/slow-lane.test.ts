import { describe, expect, it } from 'vitest';
import { SlowLane } from './slow-lane.ts';

function lane(perSecond: number, intervalMs: number) {
  let now = 1_000_000;
  const slow = new SlowLane(perSecond, intervalMs, () => now);
  return {
    slow,
    pass: (ms: number) => {
      now += ms;
    },
  };
}

describe('SlowLane', () => {
  it('lets one key through, and the others one after the other', () => {
    const { slow, pass } = lane(2, 60_000);
    expect(['a', 'b', 'c'].map((key) => slow.wait(key))).toEqual([0, 500, 1000]);
    pass(400);
    expect(slow.wait('b')).toBe(100);
    pass(100);
    expect(slow.wait('b')).toBe(0);
    expect(slow.wait('c')).toBe(500);
  });

  it('lets a key rest for its interval, without taking a turn from others', () => {
    const { slow, pass } = lane(2, 60_000);
    expect(slow.wait('a')).toBe(0);
    slow.wrote('a');
    pass(1_000);
    expect(slow.wait('a')).toBe(59_000);
    expect(slow.wait('b')).toBe(0);
    pass(59_000);
    expect(slow.wait('a')).toBe(0);
  });

  it('a key that was written in the other lane gives up its turn', () => {
    const { slow } = lane(2, 60_000);
    slow.wait('a');
    expect(slow.wait('b')).toBe(500);
    slow.wrote('b');
    expect(slow.wait('b')).toBe(60_000);
  });

  it('spends no more than its rate on a thousand keys that always have something to say', () => {
    const { slow, pass } = lane(2, 60_000);
    const keys = Array.from({ length: 1000 }, (_, i) => `k${i}`);
    let writes = 0;
    for (let second = 0; second < 300; second += 1) {
      for (const key of keys) {
        if (slow.wait(key) > 0) continue;
        slow.wrote(key);
        writes += 1;
      }
      pass(1000);
    }
    expect(writes).toBeGreaterThan(550);
    expect(writes).toBeLessThanOrEqual(601);
  });

  it('forgets', () => {
    const { slow } = lane(2, 60_000);
    slow.wait('a');
    slow.wrote('a');
    slow.forget('a');
    expect(slow.wait('a')).toBe(500);
  });
});
