import { describe, expect, it } from 'vitest';
import { AckHistory } from './ack-history.ts';

describe('AckHistory', () => {
  it('measures from an acknowledgement to its confirmation, once', () => {
    const acks = new AckHistory();
    expect([acks.record(5, 1000), acks.record(9, 2000)]).toEqual([1, 2]);
    expect([acks.confirm(1, 51_000), acks.confirm(1, 52_000), acks.confirm(2, 53_000)]).toEqual([50_000, -1, 51_000]);
  });

  it.each([0, 3, 2 ** 31, 2 ** 32 - 1])('knows nothing of number %i', (number) => {
    const acks = new AckHistory();
    acks.record(5, 1000);
    acks.record(9, 2000);
    expect(acks.confirm(number, 3000)).toBe(-1);
  });

  it('forgets after 1024', () => {
    const acks = new AckHistory();
    for (let i = 1; i <= 1025; i += 1) acks.record(i, i);
    expect([acks.confirm(1, 2000), acks.confirm(2, 2000)]).toEqual([-1, 1998]);
  });

  it('wants a repetition only while a confirmation is overdue', () => {
    const acks = new AckHistory();
    expect(acks.isRepetitionDue(1e9, 100)).toBe(false);
    const number = acks.record(5, 1000);
    expect([acks.isRepetitionDue(1100, 100), acks.isRepetitionDue(1101, 100)]).toEqual([false, true]);
    acks.confirm(number, 1102);
    expect(acks.isRepetitionDue(1e9, 100)).toBe(false);
  });
});
