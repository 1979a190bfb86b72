import { describe, expect, it } from 'vitest';
import { histogramQuantile, median, metricValue, quantile } from './statistics.ts';

const scrape = (counts: readonly number[]) =>
  ['0.1', '1', '+Inf'].map((le, i) => `x_seconds_bucket{le="${le}"} ${counts[i]}`).join('\n');

describe('statistics', () => {
  it('takes quantiles by nearest rank, and medians', () => {
    const values = Array.from({ length: 100 }, (_, i) => 100 - i);
    expect([quantile(values, 0.5), quantile(values, 0.99), quantile([], 0.5)]).toEqual([50, 99, Number.NaN]);
    expect([median([3, 1, 2]), median([4, 1, 2, 3]), median([])]).toEqual([2, 2.5, Number.NaN]);
  });

  it('interpolates what a histogram counted between two scrapes', () => {
    expect(histogramQuantile('x_seconds', scrape([100, 100, 100]), scrape([100, 200, 200]), 0.5)).toEqual({
      value: 0.55,
      count: 100,
    });
    expect(histogramQuantile('x_seconds', '', scrape([0, 0, 7]), 0.99).value).toBe(Number.POSITIVE_INFINITY);
    expect(histogramQuantile('x_seconds', '', '', 0.99)).toEqual({ value: Number.NaN, count: 0 });
  });

  it('reads a gauge', () => {
    expect(metricValue('a_b', '# HELP a_b x\na_b_c 3\na_b 0.25\n')).toBe(0.25);
    expect(metricValue('zz', 'a_b 1')).toBeNaN();
  });
});
