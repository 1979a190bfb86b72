import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatDuration, formatSize, parseDuration, parseSize, ValueProblem } from './units.ts';

describe('durations', () => {
  it.each([
    ['6s', 6000],
    ['500ms', 500],
    ['1m', 60_000],
    ['1h30m', 5_400_000],
    ['1.5s', 1500],
    ['1m0.5s', 60_500],
    ['0', 0],
    ['0s', 0],
  ])('%s is %i ms', (text, ms) => expect(parseDuration(text)).toBe(ms));

  it.each(['', '6', '-1s', 's', '6 s', '6sec', '1e3s', '1h30', 'Infinity'])('refuses %j', (text) => {
    expect(() => parseDuration(text)).toThrow(ValueProblem);
  });

  it('tells what to write where only the unit is missing', () => {
    expect(() => parseDuration('30')).toThrow('has no unit: write 30s or 30ms');
  });

  it('reads what it writes', () => {
    fc.assert(fc.property(fc.nat(1_000_000_000), (ms) => parseDuration(formatDuration(ms)) === ms));
  });
});

describe('sizes', () => {
  it.each([
    ['16MiB', 16_777_216],
    ['20M', 20_000_000],
    ['20MB', 20_000_000],
    ['8388608', 8_388_608],
    ['64KiB', 65_536],
    ['64Ki', 65_536],
    ['1k', 1000],
    ['1.5GiB', 1_610_612_736],
    ['0', 0],
  ])('%s is %i bytes', (text, bytes) => expect(parseSize(text)).toBe(bytes));

  it.each(['', 'MiB', '-1', '1iB', '1 XB', '1e6', '0x10'])('refuses %j', (text) => {
    expect(() => parseSize(text)).toThrow(ValueProblem);
  });

  it('reads what it writes', () => {
    fc.assert(fc.property(fc.nat(Number.MAX_SAFE_INTEGER), (bytes) => parseSize(formatSize(bytes)) === bytes));
  });
});
