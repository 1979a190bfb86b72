import { beforeEach, describe, expect, it } from 'vitest';
import type { Log } from '../runtime/log.ts';
import { type Meter, NO_METER } from '../runtime/meter.ts';
import { AddressLimits } from './address-limits.ts';

describe('connections counted by address', () => {
  let lines: number;
  let refused: number;
  const say = (): void => void lines++;
  const log: Log = { debug: say, info: say, warn: say, error: say, child: () => log };
  const meter: Meter = { ...NO_METER, count: () => void refused++ };
  beforeEach(() => {
    lines = 0;
    refused = 0;
  });

  it('refuses those beyond the limit, of one address alone, and logs one line for many', () => {
    const limits = new AddressLimits({ pendingPerAddress: 2, sessionsPerAddress: 0 }, log, meter);
    const [first] = [limits.open('a'), limits.open('a')];
    for (let i = 0; i < 10; i++) expect(limits.open('a')).toBeUndefined();
    expect(limits.open('b')).toBeDefined();
    expect({ refused, lines }).toEqual({ refused: 10, lines: 1 });
    first!.close();
    first!.close();
    expect(limits.open('a')).toBeDefined();
    expect(limits.open('a')).toBeUndefined();
  });

  it('counts the addresses of one IPv6 network as one', () => {
    const limits = new AddressLimits({ pendingPerAddress: 1, sessionsPerAddress: 0 }, log, meter);
    const first = limits.open('2001:db8:0:1::1');
    expect(first).toBeDefined();
    expect(limits.open('2001:db8:0:1:ffff::2')).toBeUndefined();
    expect(limits.open('2001:db8:0:2::1')).toBeDefined();
    first!.close();
    expect(limits.open('2001:db8:0:1:ffff::2')).toBeDefined();
  });

  it('frees the place of one that is let in, not of one that only asks', () => {
    const limits = new AddressLimits({ pendingPerAddress: 1, sessionsPerAddress: 0 }, log, meter);
    const ticket = limits.open('a')!;
    expect(ticket.request()).toBe(true);
    expect(limits.open('a')).toBeUndefined();
    ticket.accept();
    ticket.accept();
    expect(limits.open('a')).toBeDefined();
    ticket.close();
    expect(limits.open('a')).toBeUndefined();
  });

  it('lets as many ask as may have a session, each once, and others when one has left', () => {
    const limits = new AddressLimits({ pendingPerAddress: 0, sessionsPerAddress: 1 }, log, meter);
    const [one, two] = [limits.open('a')!, limits.open('a')!];
    expect([one.request(), one.request(), two.request()]).toEqual([true, true, false]);
    one.close();
    expect(two.request()).toBe(true);
  });

  it('takes 0 for no limit', () => {
    const limits = new AddressLimits({ pendingPerAddress: 0, sessionsPerAddress: 0 }, log, meter);
    const tickets = Array.from({ length: 1000 }, () => limits.open('a'));
    expect(tickets.every((ticket) => ticket?.request())).toBe(true);
    expect(refused).toBe(0);
  });
});
