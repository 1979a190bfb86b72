import type { Bytes, Milliseconds } from './defaults.ts';

/** Why a value was not accepted, as the end of a sentence that starts with the value's name: "must be …". */
export class ValueProblem extends Error {}

const DURATION_UNITS = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 } as const;
const DURATION = /^(?:\d+(?:\.\d+)?(?:ms|h|m|s))+$/;
const DURATION_PART = /(\d+(?:\.\d+)?)(ms|h|m|s)/g;

/**
 * `6s`, `500ms`, `1m`, `1h30m`, `0` as milliseconds, rounded.
 * @throws ValueProblem where it is no duration
 */
export function parseDuration(text: string): Milliseconds {
  if (text === '0') return 0;
  if (!DURATION.test(text)) {
    const hint = /^\d+(\.\d+)?$/.test(text) ? `has no unit: write ${text}s or ${text}ms` : 'is no duration';
    throw new ValueProblem(`${hint} (examples: 6s, 500ms, 1m, 1h30m, 0)`);
  }
  let total = 0;
  for (const [, amount, unit] of text.matchAll(DURATION_PART)) {
    total += Number(amount) * DURATION_UNITS[unit as keyof typeof DURATION_UNITS];
  }
  return Math.round(total);
}

const SIZE = /^(\d+(?:\.\d+)?)\s*([kKMGT]?)(i?)B?$/;
const POWERS = ['', 'k', 'M', 'G', 'T'];

/**
 * `16MiB`, `20M` (20,000,000), `8388608` as bytes, rounded.
 * @throws ValueProblem where it is no size
 */
export function parseSize(text: string): Bytes {
  const [, amount, prefix = '', binary] = SIZE.exec(text) ?? [];
  if (amount === undefined || (prefix === '' && binary !== '')) {
    throw new ValueProblem('is no size (examples: 16MiB, 20M, 8388608)');
  }
  const power = POWERS.indexOf(prefix === 'K' ? 'k' : prefix);
  return Math.round(Number(amount) * (binary === '' ? 1000 : 1024) ** power);
}

/** Milliseconds in the shortest exact form that `parseDuration` reads: `6s`, `1h30m`, `250ms`, `0`. */
export function formatDuration(ms: Milliseconds): string {
  if (ms === 0) return '0';
  let rest = ms;
  let text = '';
  for (const [unit, size] of Object.entries(DURATION_UNITS)) {
    const count = Math.floor(rest / size);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * size;
  }
  return text;
}

/** Bytes in the shortest exact form that `parseSize` reads: `16MiB`, `16777215`. */
export function formatSize(bytes: Bytes): string {
  for (const [suffix, size] of [
    ['GiB', 1024 ** 3],
    ['MiB', 1024 ** 2],
    ['KiB', 1024],
  ] as const) {
    if (bytes >= size && bytes % size === 0) return `${bytes / size}${suffix}`;
  }
  return String(bytes);
}
