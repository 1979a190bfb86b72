import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type LinkEnd, numberedPayload, SimulatedLink, type Weather } from '../../../test/support/srt-link.ts';
import { isControl, sequenceOf } from './packet.ts';

const SECOND = 1_000_000;
/** 5 Mbit/s in packets of 1316 bytes. */
const PACKETS_PER_SECOND = 475;

/** The first of an end's payloads that does not stand behind as many payloads and declared losses as its number says, -1 if all do. */
function misplaced({ events }: LinkEnd): number {
  let place = 0;
  for (const event of events) {
    if (event >= 0 && event !== place) return event;
    place += event >= 0 ? 1 : -event;
  }
  return -1;
}

function way(delayMs: number, lossRate: number): Weather {
  return { delayUs: delayMs * 1000, jitterUs: 5000, lossRate, duplicateRate: 0.01 };
}

describe('a lossy link', () => {
  it.each([
    { name: 'round trip 80 ms', delayMs: 40, latencyMs: 640, seed: 1 },
    { name: 'round trip 80 ms, other luck', delayMs: 40, latencyMs: 640, seed: 2 },
    { name: 'round trip 600 ms', delayMs: 300, latencyMs: 4800, seed: 3 },
    { name: 'round trip 4 ms', delayMs: 2, latencyMs: 120, seed: 4 },
  ])('loses nothing at 5 % each way and eight times its round trip: $name', ({ delayMs, latencyMs, seed }) => {
    const weather = way(delayMs, 0.05);
    const link = new SimulatedLink({ seed, there: weather, back: weather, latencyMs });
    const sent = link.stream(60 * SECOND, PACKETS_PER_SECOND);
    link.run(2 * SECOND + latencyMs * 1000);
    expect(link.b.dropped).toBe(0);
    expect(link.b.events.length).toBe(sent);
    expect(misplaced(link.b)).toBe(-1);
    const { pktRcvLoss, pktRcvDrop } = link.b.connection.statistics(link.now);
    expect(pktRcvLoss).toBeGreaterThan(sent * 0.04);
    expect(pktRcvDrop).toBe(0);
  });

  it('delivers or declares everything at 20 %, each in its place, and stays alive', () => {
    const weather = way(40, 0.2);
    const link = new SimulatedLink({ seed: 5, there: weather, back: weather, latencyMs: 320 });
    const sent = link.stream(60 * SECOND, PACKETS_PER_SECOND);
    link.run(2 * SECOND);
    expect(link.b.payloads.length + link.b.dropped).toBe(sent);
    expect(misplaced(link.b)).toBe(-1);
    expect(link.b.connection.statistics(link.now).pktRcvDrop).toBe(link.b.dropped);
    expect(link.b.dropped).toBeGreaterThan(0);
    expect(link.b.dropped).toBeLessThan(sent * 0.01);
    expect([link.a.closed, link.b.closed]).toEqual([undefined, undefined]);
  });

  it('knows the round trip', () => {
    const weather = { delayUs: 40_000 };
    const link = new SimulatedLink({ there: weather, back: weather, latencyMs: 320 });
    link.stream(5 * SECOND, PACKETS_PER_SECOND);
    for (const { connection } of [link.a, link.b]) {
      expect(Math.abs(connection.statistics(link.now).msRTT - 80)).toBeLessThan(2);
    }
  });

  it('keeps its order and its account in any weather', () => {
    const weather = fc.record({
      delayUs: fc.integer({ min: 0, max: 200_000 }),
      jitterUs: fc.integer({ min: 0, max: 60_000 }),
      lossRate: fc.double({ min: 0, max: 0.5, noNaN: true }),
      duplicateRate: fc.double({ min: 0, max: 0.3, noNaN: true }),
    });
    const latencyMs = fc.integer({ min: 20, max: 2000 });
    const receivePackets = fc.constantFrom(32, 100, 8192);
    fc.assert(
      fc.property(weather, weather, latencyMs, receivePackets, fc.integer(), (there, back, latency, packets, seed) => {
        const settings = { receivePackets: packets };
        const link = new SimulatedLink({ seed, there, back, latencyMs: latency, settings });
        const sent = link.stream(4 * SECOND, 300);
        link.there = { delayUs: 1000 };
        link.back = { delayUs: 1000 };
        link.run(4 * SECOND);
        expect(misplaced(link.b)).toBe(-1);
        const account = link.b.payloads.length + link.b.dropped;
        expect(account).toBeLessThanOrEqual(sent);
        expect(account + link.a.sendDrops.reduce((sum, n) => sum + n, 0)).toBeGreaterThanOrEqual(sent);
        expect([link.a.closed, link.b.closed]).toEqual([undefined, undefined]);
      }),
      { numRuns: 60 },
    );
  });
});

describe('a link with one fault', () => {
  const calm = { delayUs: 40_000 };
  const isData = (datagram: Buffer, index: number) => !isControl(datagram) && sequenceOf(datagram) === 1000 + index;

  it('delivers a retransmission that comes late, but in time', () => {
    let tries = 0;
    const there = { ...calm, isLost: (d: Buffer) => isData(d, 50) && tries++ < 4 };
    const link = new SimulatedLink({ there, back: calm, latencyMs: 640 });
    const sent = link.stream(3 * SECOND, 100);
    expect(tries).toBe(5);
    link.run(SECOND);
    expect(link.b.payloads).toEqual([...Array(sent).keys()]);
  });

  it('loses neither the last packet before a pause nor the last before the end', () => {
    let tries = 0;
    const there = { ...calm, isLost: (d: Buffer) => isData(d, 99) && tries++ === 0 };
    const link = new SimulatedLink({ there, back: calm, latencyMs: 320 });
    expect(link.stream(SECOND, 100)).toBe(100);
    link.run(SECOND);
    expect(link.b.payloads.length).toBe(100);
    tries = 0;
    link.there = { ...calm, isLost: (d: Buffer) => isData(d, 100) && tries++ === 0 };
    link.a.connection.send(numberedPayload(100), link.now);
    link.a.connection.close(link.now);
    link.run(SECOND);
    expect(tries).toBe(2);
    expect(link.b.payloads.length).toBe(101);
    expect([link.a.closed?.reason, link.b.closed?.reason]).toEqual(['local', 'shutdown']);
  });

  it('goes on after two seconds without any network: what is too old is declared on both sides', () => {
    const link = new SimulatedLink({ there: calm, back: calm, latencyMs: 320 });
    const before = link.stream(SECOND, PACKETS_PER_SECOND);
    link.there = link.back = { ...calm, lossRate: 1 };
    const during = link.stream(2 * SECOND, PACKETS_PER_SECOND, before);
    link.there = link.back = calm;
    const sent = link.stream(2 * SECOND, PACKETS_PER_SECOND, during);
    link.run(SECOND);
    expect(misplaced(link.b)).toBe(-1);
    expect(link.b.payloads.length + link.b.dropped).toBe(sent);
    // What was sent during the last second is still there, and comes in time.
    expect(link.b.dropped).toBeGreaterThan(0.9 * PACKETS_PER_SECOND);
    expect(link.b.dropped).toBeLessThan(1.2 * PACKETS_PER_SECOND);
    expect(link.b.payloads.at(-1)).toBe(sent - 1);
    expect(link.a.connection.statistics(link.now).pktSndDrop).toBe(link.a.sendDrops.reduce((sum, n) => sum + n, 0));
    expect(link.a.sendDrops.length).toBeGreaterThan(0);
  });

  it('finds its place again when more was lost than its window holds', () => {
    const settings = { receivePackets: 64 };
    const link = new SimulatedLink({ there: calm, back: calm, latencyMs: 100, settings });
    link.stream(SECOND, 400);
    link.there = link.back = { ...calm, lossRate: 1 };
    link.stream(3 * SECOND, 400, 401);
    link.there = link.back = calm;
    const sent = link.stream(3 * SECOND, 400, 1000);
    link.run(SECOND);
    expect(link.b.payloads.at(-1)).toBe(sent - 1);
    expect(link.b.dropped).toBeGreaterThan(64);
    expect([link.a.closed, link.b.closed]).toEqual([undefined, undefined]);
  });

  it('goes down at both ends when the goodbye is lost', () => {
    const link = new SimulatedLink({ there: calm, back: calm, latencyMs: 120 });
    link.stream(SECOND, 100);
    link.there = { ...calm, lossRate: 1 };
    const left = link.now;
    link.a.connection.close(link.now);
    link.run(6 * SECOND);
    expect([link.a.closed?.reason, link.b.closed?.reason]).toEqual(['local', 'idle']);
    expect((link.b.closed?.at ?? 0) - left).toBeLessThan(5.2 * SECOND);
  });
});
