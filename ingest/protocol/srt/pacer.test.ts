import { describe, expect, it } from 'vitest';
import { Pacer } from './pacer.ts';

describe('Pacer', () => {
  it('lets a burst pass, then what the rate allows', () => {
    const pacer = new Pacer(1_000_000, 0);
    let sent = 0;
    for (let now = 0; now <= 1_000_000; now += 10_000) {
      pacer.fill(now);
      for (; pacer.isOpen; sent += 1) pacer.spend(1332);
    }
    expect(sent * 1360).toBeGreaterThan(1_000_000 + 128 * 1024 - 1360);
    expect(sent * 1360).toBeLessThan(1_000_000 + 128 * 1024 + 1360);
  });

  it('saves nothing beyond a burst during a pause', () => {
    const pacer = new Pacer(100_000_000, 0);
    pacer.fill(60_000_000);
    let sent = 0;
    for (; pacer.isOpen; sent += 1) pacer.spend(972);
    expect(sent).toBe(2000); // 20 ms of it
  });
});
