import { describe, expect, it } from 'vitest';
import { WallClock } from './wall-clock.ts';

const START = Date.UTC(2026, 3, 19, 13, 0, 0);

/** A clock whose wall time is `START` when the monotonic one is 0. */
function clockAt(elapsedMs: () => number): WallClock {
  return new WallClock(() => START + elapsedMs(), elapsedMs);
}

describe('wall clock', () => {
  it('follows the media, not the jitter of its arrival', () => {
    let elapsed = 50;
    const clock = clockAt(() => elapsed);
    expect(clock.at(900_000, 40).getTime()).toBe(START + 40);
    elapsed = 30_300;
    expect(clock.at(900_000 + 30 * 90_000, 30_290).getTime()).toBe(START + 40 + 30_000);
  });

  it('is anchored anew where media and wall clock have parted', () => {
    let elapsed = 0;
    const clock = clockAt(() => elapsed);
    clock.at(0, 0);
    elapsed = 20_000;
    expect(clock.at(90_000, 20_000).getTime()).toBe(START + 20_000);
    elapsed = 21_000;
    expect(clock.at(180_000, 20_900).getTime()).toBe(START + 21_000);
  });
});
