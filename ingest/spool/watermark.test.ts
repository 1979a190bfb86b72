import { describe, expect, it } from 'vitest';
import { decideLevel, Watermark } from './watermark.ts';

const MARKS = { warnAt: 0.8, fullAt: 0.95 };

describe('watermark', () => {
  it.each([
    { fraction: 0.79, before: 'ok', want: 'ok' },
    { fraction: 0.8, before: 'ok', want: 'warn' },
    { fraction: 0.94, before: 'warn', want: 'warn' },
    { fraction: 0.95, before: 'ok', want: 'full' },
    { fraction: 0.88, before: 'full', want: 'full' },
    { fraction: 0.87, before: 'full', want: 'warn' },
    { fraction: 0.1, before: 'full', want: 'ok' },
  ] as const)('$fraction of the limit after $before is $want', ({ fraction, before, want }) => {
    expect(decideLevel(fraction, before, MARKS)).toBe(want);
  });

  it('the limit is what is set, or what the disk has room for beside what the spool holds', () => {
    expect(new Watermark({ ...MARKS, maxBytes: 1000 }).update(500, 10_000, 0)).toMatchObject({
      limitBytes: 1000,
      level: 'ok',
    });
    expect(new Watermark({ ...MARKS, maxBytes: 1000 }).update(500, 10, 0)).toMatchObject({
      limitBytes: 510,
      level: 'full',
    });
    expect(new Watermark({ ...MARKS, maxBytes: null }).update(0, 10, 0)).toMatchObject({ limitBytes: 10, level: 'ok' });
  });

  it('tells how long the room lasts', () => {
    const watermark = new Watermark({ ...MARKS, maxBytes: 1000 });
    expect(watermark.update(100, 1e9, 0).secondsToFull).toBe(Number.POSITIVE_INFINITY);
    expect(watermark.update(200, 1e9, 10_000).secondsToFull).toBeCloseTo(80);
    expect(watermark.update(150, 1e9, 11_000).secondsToFull).toBeGreaterThan(100);
    // Growth of long ago says nothing of now.
    expect(watermark.update(150, 1e9, 60_000).secondsToFull).toBe(Number.POSITIVE_INFINITY);
  });
});
