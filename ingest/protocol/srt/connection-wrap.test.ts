import { describe, expect, it } from 'vitest';
import { SimulatedLink } from '../../../test/support/srt-link.ts';

const SECOND = 1_000_000;
/** The clock of timestamps wraps after 71 min 35 s. */
const CLOCK_WRAP = 2 ** 32;
const weather = { delayUs: 40_000, jitterUs: 5000, lossRate: 0.05 };

describe('what wraps during a connection', () => {
  it.each([
    { name: 'the clock, while media flows', idleSeconds: 0 },
    { name: 'the clock, during a pause', idleSeconds: 60 },
    { name: 'the clock, during hours of a pause', idleSeconds: 3 * 3600 },
  ])('$name', ({ idleSeconds }) => {
    const link = new SimulatedLink({
      there: weather,
      back: weather,
      latencyMs: 640,
      clockUs: CLOCK_WRAP - 15 * SECOND,
    });
    const before = link.stream(12 * SECOND, 475);
    link.run(idleSeconds * SECOND, 10_000);
    const sent = link.stream(20 * SECOND, 475, before);
    link.run(2 * SECOND);
    expect(link.b.payloads).toEqual([...Array(sent).keys()]);
    expect(link.b.connection.statistics(link.now).pktRcvLoss).toBeGreaterThan(sent * 0.04);
  });

  it('a packet from before the wrap that comes after it, in its place and in time', () => {
    const calm = { delayUs: 40_000 };
    const wrapAt = 6 * SECOND;
    let lastTry = 0;
    const there = {
      ...calm,
      // Packet 240 is sent 200 ms before the wrap, and whatever is tried before the wrap is lost.
      isLost: (datagram: Buffer, now: number) => {
        if ((datagram.readUInt32BE(0) & 0x7fff_ffff) !== 1000 + 240) return false;
        lastTry = now;
        return now <= wrapAt;
      },
    };
    const link = new SimulatedLink({ there, back: calm, latencyMs: 640, clockUs: CLOCK_WRAP - 5 * SECOND });
    const sent = link.stream(10 * SECOND, 50);
    link.run(SECOND);
    expect(lastTry).toBeGreaterThan(wrapAt);
    expect(link.b.payloads).toEqual([...Array(sent).keys()]);
  });

  it('gives up nothing too early, and waits no longer than it must, across the wrap', () => {
    const calm = { delayUs: 40_000 };
    const there = { ...calm, isLost: (d: Buffer) => [1240, 1260].includes(d.readUInt32BE(0) & 0x7fff_ffff) };
    const link = new SimulatedLink({ there, back: calm, latencyMs: 640, clockUs: CLOCK_WRAP - 5 * SECOND });
    const began = link.now;
    link.stream(10 * SECOND, 50);
    expect(link.b.events.filter((event) => event < 0)).toEqual([-1, -1]);
    for (const packet of [240, 260]) {
      const at = link.b.times[link.b.events.indexOf(packet + 1)] as number;
      // The packet behind the hole was sent so; it is due a latency and the way later.
      const due = began + ((packet + 1) / 50) * SECOND + 40_000 + 640_000;
      expect(at - due).toBeGreaterThanOrEqual(-1000);
      expect(at - due).toBeLessThan(22_000);
    }
  });

  it.each([0x7fff_fff0, 0x7fff_ffff, 0, 1])('sequence numbers that begin at %i', (initialSequence) => {
    const link = new SimulatedLink({ there: weather, back: weather, latencyMs: 640, initialSequence });
    const sent = link.stream(10 * SECOND, 475);
    link.run(2 * SECOND);
    expect(link.b.payloads).toEqual([...Array(sent).keys()]);
  });
});
