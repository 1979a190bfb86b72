import { describe, expect, it } from 'vitest';
import { RoundTrip } from './round-trip.ts';

describe('RoundTrip', () => {
  it('starts with 100 ms, takes the first sample as it is, and smooths further ones', () => {
    const roundTrip = new RoundTrip();
    expect([roundTrip.rttUs, roundTrip.varianceUs]).toEqual([100_000, 50_000]);
    roundTrip.sample(80_000);
    expect([roundTrip.rttUs, roundTrip.varianceUs]).toEqual([80_000, 40_000]);
    roundTrip.sample(96_000);
    expect([roundTrip.rttUs, roundTrip.varianceUs, roundTrip.timeoutUs]).toEqual([82_000, 34_000, 218_000]);
  });

  it('believes the peer as long as nothing was measured here, and within reason', () => {
    const roundTrip = new RoundTrip(30_000);
    expect([roundTrip.rttUs, roundTrip.varianceUs]).toEqual([30_000, 15_000]);
    roundTrip.adopt(600_000, 4_294_967_295);
    expect([roundTrip.rttUs, roundTrip.varianceUs]).toEqual([600_000, 10_000_000]);
    roundTrip.sample(0);
    roundTrip.adopt(600_000, 1);
    expect(roundTrip.rttUs).toBe(1);
  });
});
