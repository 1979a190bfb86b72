import { describe, expect, it } from 'vitest';
import { AddressRate } from './address-rate.ts';

/** How many of `tries` at one moment are let through. */
const taken = (rate: AddressRate, address: string, now: number, tries: number): number =>
  Array.from({ length: tries }, () => rate.take(address, now)).filter(Boolean).length;

describe('AddressRate', () => {
  it('lets twice the rate through at once, then the rate, each address by itself', () => {
    const rate = new AddressRate(10);
    expect(taken(rate, 'a', 0, 30)).toBe(20);
    expect(taken(rate, 'a', 0, 5)).toBe(0);
    expect(taken(rate, 'b', 0, 5)).toBe(5);
    expect(taken(rate, 'a', 500, 30)).toBe(5);
    expect(taken(rate, 'a', 100_000, 30)).toBe(20);
  });

  it('has no limit at 0', () => {
    expect(taken(new AddressRate(0), 'a', 0, 1_000)).toBe(1_000);
  });

  it('remembers a bounded number of addresses', () => {
    const rate = new AddressRate(1);
    for (let i = 0; i < 30_000; i++) rate.take(`a${i}`, 0);
    expect(taken(rate, 'a29999', 0, 5), 'the newest is remembered').toBe(1);
    expect(taken(rate, 'a0', 0, 5), 'the oldest is forgotten').toBe(2);
  });
});
