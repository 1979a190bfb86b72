import { describe, expect, it } from 'vitest';
import { TsbpdClock } from './tsbpd-clock.ts';

const WRAP = 2 ** 32;
const SECOND = 1_000_000;

describe('TsbpdClock', () => {
  it.each([
    { name: 'a packet as quick as the handshake', timestamp: 2 * SECOND, now: 12 * SECOND, want: 12.12 * SECOND },
    { name: 'a slower one', timestamp: 2 * SECOND, now: 12.05 * SECOND, want: 12.12 * SECOND },
    { name: 'a retransmission that is late already', timestamp: SECOND, now: 12 * SECOND, want: 11.12 * SECOND },
  ])('$name is due a latency behind its timestamp', ({ timestamp, now, want }) => {
    expect(new TsbpdClock(0, 10 * SECOND, 120_000).dueAt(timestamp, now)).toBe(want);
  });

  it('sees the wrap coming, passed and long ago, and packets of the old epoch behind it', () => {
    const began = 7 * SECOND;
    const clock = new TsbpdClock(5, began + 5, 0);
    for (let hours = 0; hours < 200; hours += 0.3) {
      const sent = hours * 3600 * SECOND;
      for (const late of [0, 20_000, 9 * SECOND]) {
        expect(clock.dueAt(sent % WRAP, began + sent + late), `${hours} h, ${late} µs late`).toBe(began + sent);
      }
    }
  });

  it('lets no timestamp hold up the stream', () => {
    const clock = new TsbpdClock(0, 0, 120_000);
    expect(clock.dueAt(30 * 60 * SECOND, 10 * SECOND)).toBe(10 * SECOND + 120_000 + SECOND);
  });

  it('follows a clock that drifts, and not the jitter of the network', () => {
    const clock = new TsbpdClock(0, 0, 100_000);
    const fast = 1 + 200e-6;
    let now = 0;
    for (let i = 0; i < 4000; i += 1) {
      now += 30_000;
      const jitter = (i % 7) * 1000 - 3000;
      clock.trace(Math.round(now * fast) % WRAP, now + jitter, 40_000);
    }
    // The peer's clock is 24 ms ahead after two minutes.
    const due = clock.dueAt(Math.round(now * fast) % WRAP, now);
    expect(Math.abs(due - (now + 100_000))).toBeLessThan(6000);
  });

  it('takes a longer way of the network for what it is, not for a drift', () => {
    const clock = new TsbpdClock(0, 0, 100_000);
    for (let i = 0; i < 600; i += 1) clock.trace(i * 1000, i * 1000, 40_000);
    for (let i = 600; i < 1200; i += 1) clock.trace(i * 1000, i * 1000 + 20_000, 80_000);
    expect(clock.dueAt(2_000_000, 2_020_000)).toBe(2_100_000);
  });
});
