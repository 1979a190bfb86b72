import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { durationMs, formatDuration } from './duration.ts';

describe('durations', () => {
  it.each([
    ['10s', 10_000],
    ['500ms', 500],
    ['1h30m', 5_400_000],
    ['24h', 86_400_000],
    ['0s', 0],
    ['1s1s', 2000],
    ['1m500ms', 60_500],
  ])('reads %s', (text, ms) => {
    expect(durationMs(text)).toBe(ms);
  });

  it.each(['', '10', '1.5s', '-1s', '10 s', '1d', 's', '1000000s', '1h ', '10S'])('refuses %j', (text) => {
    expect(durationMs(text)).toBeUndefined();
  });

  it('reads what it writes', () => {
    fc.assert(
      fc.property(fc.nat({ max: 999_999 * 3_600_000 }), (ms) => {
        expect(durationMs(formatDuration(ms))).toBe(ms);
      }),
    );
  });
});
