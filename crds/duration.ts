/** Durations as the CRDs take them: whole numbers with a unit, largest first or not. Go's `time.ParseDuration` reads each of them. */
export const DURATION_PATTERN = '^([0-9]{1,6}(ms|s|m|h))+$';

const UNIT_MS = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 } as const;
const DURATION = new RegExp(DURATION_PATTERN);
const PART = /(\d+)(ms|h|m|s)/g;

/** `10s`, `500ms`, `1h30m` in milliseconds; undefined where it is none. */
export function durationMs(text: string): number | undefined {
  if (!DURATION.test(text)) return undefined;
  let total = 0;
  for (const [, amount, unit] of text.matchAll(PART)) total += Number(amount) * UNIT_MS[unit as keyof typeof UNIT_MS];
  return total;
}

/** Milliseconds in the shortest form that `durationMs` reads: `10s`, `1h30m`, `0s`. */
export function formatDuration(ms: number): string {
  let rest = ms;
  let text = '';
  for (const [unit, size] of Object.entries(UNIT_MS)) {
    const count = Math.floor(rest / size);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * size;
  }
  return text === '' ? '0s' : text;
}
