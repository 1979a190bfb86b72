import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { numberedPayload, SimulatedLink } from '../../../test/support/srt-link.ts';
import { dataPacket, FIRST, SingleConnection } from '../../../test/support/srt-single.ts';
import { CONTROL } from './packet.ts';

const RANGE = 0x8000_0000;
const LAST_SEQUENCE = 0x7fff_ffff;

/** A connection that has sent 100 packets, of which the first 40 are acknowledged. */
function sending(): SingleConnection {
  const peer = new SingleConnection({ rttUs: 20_000 });
  peer.take(...Array(100).fill('x'));
  peer.control(CONTROL.ack, 0, FIRST + 40);
  peer.news;
  return peer;
}

describe('forged acknowledgements and loss reports', () => {
  it.each([
    { name: 'of a packet never sent', words: [FIRST + 101] },
    { name: 'far ahead', words: [FIRST + 0x3fff_0000] },
  ])('an acknowledgement $name ends the link', ({ words }) => {
    const peer = sending();
    peer.control(CONTROL.ack, 0, ...words);
    expect(peer.news).toEqual(['shutdown 0 00000000', 'closed protocol ERR_SRT_ACKNOWLEDGEMENT']);
  });

  it.each([
    { name: 'that is old', words: [FIRST + 10] },
    { name: 'far behind', words: [(FIRST - 0x3fff_0000) & LAST_SEQUENCE] },
    { name: 'with the control bit', words: [RANGE + FIRST + 50] },
    { name: 'without a word', words: [] },
  ])('an acknowledgement $name changes nothing', ({ words }) => {
    const peer = sending();
    peer.control(CONTROL.ack, 0, ...words);
    expect(peer.news).toEqual([]);
    expect(peer.connection.statistics(0).pktFlightSize).toBe(60);
  });

  it.each([
    { name: 'everything there is', words: [RANGE, LAST_SEQUENCE] },
    { name: 'all from the first on', words: [RANGE + FIRST, FIRST + 0x3fff_0000] },
    { name: 'one that was never sent', words: [FIRST + 100] },
    { name: 'a range the wrong way round', words: [RANGE + FIRST + 60, FIRST + 50] },
    { name: 'a range without an end', words: [RANGE + FIRST + 60] },
    { name: 'a range that ends with another', words: [RANGE + FIRST + 60, RANGE + FIRST + 70] },
  ])('a report of $name ends the link', ({ words }) => {
    const peer = sending();
    peer.control(CONTROL.nak, 0, ...words);
    expect(peer.news.at(-1)).toBe('closed protocol ERR_SRT_LOSS_REPORT');
  });

  it('a report of one range many times over is work for one', () => {
    const peer = sending();
    const words = Array.from({ length: 180 }, () => [RANGE + FIRST, FIRST + 99]).flat();
    peer.control(CONTROL.nak, 0, ...words);
    const news = peer.news;
    expect(news.filter((line) => line.startsWith('data')).length).toBe(60);
    expect(news.filter((line) => line.startsWith('dropRequest'))).toEqual(['dropRequest 0 000003e80000040f']);
    for (let i = 0; i < 1000; i += 1) peer.control(CONTROL.nak, 0, ...words);
    expect(peer.news.filter((line) => line.startsWith('data'))).toEqual([]);
  });

  it('a flood of acknowledgements is confirmed within bounds', () => {
    const peer = sending();
    for (let i = 1; i <= 1000; i += 1) peer.control(CONTROL.ack, i, FIRST + 40, 0, 0, 0);
    expect(peer.news.length).toBe(8);
    peer.wait(10_000);
    expect(peer.connection.isClosed).toBe(false);
  });
});

describe('forged data', () => {
  it.each([
    { name: 'the wrong way round', words: [FIRST + 9, FIRST + 2] },
    { name: 'with control bits', words: [RANGE + FIRST, RANGE + LAST_SEQUENCE] },
    { name: 'of what has come', words: [FIRST - 500, FIRST] },
    { name: 'of what is to come', words: [FIRST + 10, FIRST + 0x3fff_0000] },
    { name: 'with one word', words: [FIRST] },
  ])('a drop request $name changes nothing', ({ words }) => {
    const peer = new SingleConnection();
    for (const i of [0, 3]) peer.data(i);
    peer.news;
    peer.control(CONTROL.dropRequest, 0, ...words);
    expect(peer.news).toEqual([]);
    peer.data(1);
    peer.data(2);
    expect(peer.news).toEqual(['payload 1', 'payload 2', 'payload 3']);
  });

  it('a drop request of half of all numbers is work for what is missing', () => {
    const peer = new SingleConnection();
    for (const i of [0, 3, 5]) peer.data(i);
    peer.news;
    peer.control(CONTROL.dropRequest, 0, FIRST, FIRST + 0x3fff_ffff);
    expect(peer.news).toEqual(['drop 1', 'drop 1', 'payload 3', 'drop 1', 'payload 5']);
  });

  it('a packet far ahead makes no hole', () => {
    const peer = new SingleConnection();
    peer.data(0);
    for (const far of [0x3fff_0000, 8193, 20_000, 900_000]) peer.data(far);
    peer.data(1);
    peer.wait(1_000_000);
    expect(peer.news.filter((line) => !line.startsWith('ack'))).toEqual(['payload 0', 'payload 1']);
    expect(peer.connection.statistics(peer.now)).toMatchObject({ pktRcvRefused: 4, pktRcvLoss: 0 });
  });

  it('packets behind a hole are held up to the window, and time frees them', () => {
    const peer = new SingleConnection({}, { receivePackets: 100 });
    for (let i = 1; i < 1000; i += 1) peer.data(i);
    expect(peer.connection.statistics(0)).toMatchObject({ pktRcvBuf: 100, pktRcvRefused: 900, byteAvailRcvBuf: 0 });
    peer.wait(130_000);
    expect(peer.news.filter((line) => line.startsWith('payload')).length).toBe(99);
  });

  it('every second packet missing makes reports of one datagram each', () => {
    const peer = new SingleConnection();
    for (let i = 0; i < 8000; i += 2) peer.data(i);
    peer.news;
    peer.wait(100_000);
    const reports = peer.news.filter((line) => line.startsWith('nak'));
    expect(reports.length).toBeGreaterThan(0);
    for (const line of reports) expect(line.length).toBeLessThanOrEqual('nak 0 '.length + 2 * 1456);
  });

  it('copies without end cost a count each', () => {
    const peer = new SingleConnection();
    for (const i of [0, 2]) peer.data(i);
    peer.news;
    for (let i = 0; i < 10_000; i += 1) peer.data(i % 2 === 0 ? 0 : 2);
    expect(peer.news.filter((line) => !line.startsWith('ack 0'))).toEqual([]);
    expect(peer.connection.statistics(0).pktRcvDuplicate).toBe(10_000);
  });

  it('a datagram longer than was agreed is not kept', () => {
    const peer = new SingleConnection({ mtu: 600 });
    peer.connection.receive(Buffer.concat([dataPacket(0, 0), Buffer.alloc(600)]), 0);
    expect(peer.news).toEqual([]);
    expect(peer.connection.statistics(0).pktRcvRefused).toBe(1);
  });

  it('a timestamp of another time does not stop the stream', () => {
    const peer = new SingleConnection();
    peer.data(0);
    peer.data(2, 30 * 60 * 1_000_000);
    peer.wait(1_130_000);
    expect(peer.news.filter((line) => !/^(nak|ack)/.test(line))).toEqual(['payload 0', 'drop 1', 'payload 2']);
  });
});

describe('datagrams of any content', () => {
  it('never throw, whatever a connection has been through', () => {
    const type = fc.constantFrom(...Object.values(CONTROL));
    const word = fc.oneof(
      fc.integer({ min: -20, max: 140 }).map((offset) => FIRST + offset),
      fc.integer({ min: -20, max: 140 }).map((offset) => RANGE + FIRST + offset),
      fc.integer({ min: 0, max: 0xffff_ffff }),
    );
    const control = fc.record({ type, information: word, words: fc.array(word, { maxLength: 8 }) });
    const data = fc.record({ index: fc.integer({ min: -10, max: 300 }), at: fc.integer({ min: 0, max: 0xffff_ffff }) });
    const noise = fc.uint8Array({ maxLength: 80 });
    fc.assert(
      fc.property(fc.array(fc.oneof(control, data, noise), { maxLength: 60 }), (steps) => {
        const peer = sending();
        for (const step of steps) {
          if (step instanceof Uint8Array) peer.connection.receive(Buffer.from(step), peer.now);
          else if ('type' in step) peer.control(step.type, step.information, ...step.words);
          else peer.data(step.index, step.at);
          peer.wait(10_000);
        }
        peer.connection.statistics(peer.now);
        expect(peer.log.filter((line) => line.startsWith('closed')).length).toBe(peer.connection.isClosed ? 1 : 0);
      }),
      { numRuns: 500 },
    );
  });

  it('that flip bits of a real link end that link at most', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        let count = 0;
        const flip = (datagram: Buffer): boolean => {
          count += 1;
          if (count % 17 === 0) {
            const at = Math.abs(Math.imul(count, seed | 1)) % datagram.length;
            datagram[at] = (datagram[at] as number) ^ (1 << (count % 8));
          }
          return false;
        };
        const weather = { delayUs: 5000, jitterUs: 3000, isLost: flip };
        const link = new SimulatedLink({ seed, there: weather, back: weather, latencyMs: 60 });
        let sent = 0;
        link.run(2_000_000, 1000, (now) => {
          if (link.a.connection.send(numberedPayload(sent, 40), now)) sent += 1;
          link.b.connection.send(numberedPayload(sent, 40), now);
        });
        expect(link.b.events.length).toBeGreaterThan(0);
        expect(link.transmitted).toBeLessThan(sent * 10 + 10_000);
      }),
      { numRuns: 30 },
    );
  });
});
