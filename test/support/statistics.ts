/** The `share` quantile (0…1) of values, by nearest rank; NaN where there are none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

/** The middle value; of two, the mean. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const [low, high] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]];
  return low === undefined || high === undefined ? Number.NaN : (low + high) / 2;
}

/** What a Prometheus histogram counted between two scrapes: the `share` quantile, interpolated in its bucket; and how many. */
export function histogramQuantile(
  name: string,
  before: string,
  after: string,
  share: number,
): { readonly value: number; readonly count: number } {
  const earlier = new Map(buckets(name, before));
  const grown = buckets(name, after).map(([le, count]) => [le, count - (earlier.get(le) ?? 0)] as const);
  const count = grown.at(-1)?.[1] ?? 0;
  let [floor, below] = [0, 0];
  for (const [le, upTo] of grown) {
    if (upTo >= share * count && count > 0) {
      const part = upTo === below ? 1 : (share * count - below) / (upTo - below);
      return { value: le === Number.POSITIVE_INFINITY ? le : floor + (le - floor) * part, count };
    }
    [floor, below] = [le, upTo];
  }
  return { value: Number.NaN, count };
}

/** The value of a metric without labels; NaN where it is absent. */
export function metricValue(name: string, scrape: string): number {
  const line = scrape.split('\n').find((text) => text.startsWith(`${name} `));
  return line === undefined ? Number.NaN : Number(line.slice(name.length));
}

/** Cumulative counts by upper bound, in order. */
function buckets(name: string, scrape: string): [number, number][] {
  const form = new RegExp(`^${name}_bucket\\{le="([^"]+)"\\} (\\S+)$`, 'gm');
  return [...scrape.matchAll(form)].map(([, le, count]) => [
    le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le),
    Number(count),
  ]);
}
