import { describe, expect, it } from 'vitest';
import { FIRST, LATENCY_US, SingleConnection } from '../../../test/support/srt-single.ts';
import { HANDSHAKE_FLAGS } from './handshake-extension.ts';
import { LIVE_FLAGS } from './live-mode.ts';
import { CONTROL } from './packet.ts';

const NOT_ACKNOWLEDGEMENTS = (line: string) => !line.startsWith('ack ');

describe('SrtConnection: receiving', () => {
  it('delivers in order at once, and acknowledges at ticks', () => {
    const peer = new SingleConnection();
    peer.data(0);
    peer.data(1);
    expect(peer.news).toEqual(['payload 0', 'payload 1']);
    peer.wait(10_000);
    // next 1002, RTT 100 ms, variance 50 ms, 8192 free, no rates yet
    expect(peer.news).toEqual(['ack 1 000003ea000186a00000c35000002000000000000000000000000000']);
    peer.wait(50_000);
    expect(peer.news).toEqual([]);
  });

  it('tells an acknowledgement again until it is confirmed', () => {
    const peer = new SingleConnection();
    peer.data(0);
    peer.wait(310_000);
    expect(peer.news.map((line) => line.slice(0, 5))).toEqual(['paylo', 'ack 1']);
    peer.wait(10_000);
    expect(peer.news.map((line) => line.slice(0, 5))).toEqual(['ack 2']);
    peer.control(CONTROL.ackAck, 2);
    peer.wait(900_000);
    expect(peer.news).toEqual([]);
    expect(peer.connection.statistics(peer.now).msRTT).toBe(0.001);
  });

  it('sends a light acknowledgement at every 64th packet', () => {
    const peer = new SingleConnection();
    for (let i = 0; i < 130; i += 1) peer.data(i);
    expect(peer.news.filter((line) => line.startsWith('ack'))).toEqual(['ack 0 00000428', 'ack 0 00000468']);
  });

  it('reports a hole at once, again as long as it is there, and delivers what it held up', () => {
    const peer = new SingleConnection({ rttUs: 20_000 });
    peer.data(0);
    peer.data(3);
    peer.data(5);
    expect(peer.news).toEqual(['payload 0', 'nak 0 800003e9000003ea', 'nak 0 000003ec']);
    peer.data(1, 0, true);
    expect(peer.news).toEqual(['payload 1']);
    peer.wait(40_000);
    expect(peer.news.filter(NOT_ACKNOWLEDGEMENTS)).toEqual(['nak 0 000003ea000003ec', 'nak 0 000003ea000003ec']);
    peer.data(2, 0, true);
    peer.data(4, 0, true);
    expect(peer.news).toEqual(['payload 2', 'payload 3', 'payload 4', 'payload 5']);
    expect(peer.connection.statistics(peer.now)).toMatchObject({ pktRcvLoss: 3, pktRcvRetrans: 3, pktRcvDrop: 0 });
  });

  it('waits for a hole until the packet behind it is due, not longer, and knows what comes after that', () => {
    const peer = new SingleConnection();
    peer.data(0);
    peer.now = 5000;
    peer.data(3);
    peer.wait(LATENCY_US);
    expect(peer.news.filter((line) => !/^(ack|nak)/.test(line))).toEqual(['payload 0']);
    peer.wait(10_000);
    expect(peer.news.filter((line) => !/^(ack|nak)/.test(line))).toEqual(['drop 2', 'payload 3']);
    peer.data(1, 0, true);
    peer.data(1, 0, true);
    peer.data(3);
    expect(peer.news).toEqual([]);
    expect(peer.connection.statistics(peer.now)).toMatchObject({
      pktRcvLoss: 2,
      pktRcvDrop: 2,
      pktRcvBelated: 1,
      pktRcvDuplicate: 2,
      pktRecvUnique: 2,
    });
  });

  it('looks into the socket before it gives up anything after a pause of its own', () => {
    const peer = new SingleConnection();
    for (const i of [0, 2, 4]) peer.data(i);
    peer.wait(10_000);
    peer.news;
    peer.now += 500_000;
    peer.connection.tick(peer.now);
    peer.data(1, 0, true);
    expect(peer.news.filter((line) => !/^(ack|nak)/.test(line))).toEqual(['payload 1', 'payload 2']);
    peer.wait(10_000);
    expect(peer.news.filter((line) => !/^(ack|nak)/.test(line))).toEqual(['drop 1', 'payload 4']);
  });

  it('acknowledges only what is whole', () => {
    const peer = new SingleConnection();
    for (const i of [0, 1, 3, 4]) peer.data(i);
    peer.wait(10_000);
    expect(peer.news.find((line) => line.startsWith('ack'))).toMatch(/^ack 1 000003ea/);
  });

  it('does not wait for what the peer has given up', () => {
    const peer = new SingleConnection();
    for (const i of [0, 3, 4, 6]) peer.data(i);
    peer.news;
    peer.control(CONTROL.dropRequest, 0, FIRST + 1, FIRST + 2);
    expect(peer.news).toEqual(['drop 1', 'drop 1', 'payload 3', 'payload 4']);
    peer.control(CONTROL.dropRequest, 7, FIRST, FIRST + 100);
    expect(peer.news).toEqual(['drop 1', 'payload 6']);
    expect(peer.connection.statistics(peer.now).pktRcvDrop).toBe(3);
  });

  it('keeps asking for what was lost before a range that the peer has given up', () => {
    const peer = new SingleConnection();
    for (const i of [0, 2, 6]) peer.data(i);
    peer.control(CONTROL.dropRequest, 0, FIRST + 4, FIRST + 4);
    peer.news;
    peer.wait(80_000);
    expect(peer.news.filter(NOT_ACKNOWLEDGEMENTS)).toEqual(['nak 0 000003e9000003eb000003ed']);
    peer.data(1);
    peer.data(5);
    peer.data(3);
    expect(peer.news).toEqual(['payload 1', 'payload 2', 'payload 3', 'drop 1', 'payload 5', 'payload 6']);
  });

  it('counts a packet that no key fits as missing, in its place', () => {
    const keys = {
      overheadBytes: 0,
      decrypt: (datagram: Buffer) => (datagram.at(-1) === 0x31 ? undefined : datagram.subarray(16)),
      encrypt() {},
      receiveKeyRequest() {},
      receiveKeyResponse() {},
      keyRequestDue: () => undefined,
    };
    const peer = new SingleConnection({ keys });
    for (const i of [0, 2, 1, 3]) peer.data(i);
    expect(peer.news.filter((line) => !line.startsWith('nak'))).toEqual([
      'payload 0',
      'drop 1',
      'payload 2',
      'payload 3',
    ]);
    expect(peer.connection.statistics(peer.now)).toMatchObject({ pktRcvUndecrypt: 1, pktRcvDrop: 0 });
  });
});

describe('SrtConnection: sending', () => {
  it('sends at once, confirms acknowledgements, and forgets what they name', () => {
    const peer = new SingleConnection();
    peer.take('a', 'b', 'c');
    expect(peer.news).toEqual(['data 1000', 'data 1001', 'data 1002']);
    expect(peer.connection.statistics(peer.now)).toMatchObject({ pktFlightSize: 3, pktSndBuf: 3, byteSndBuf: 51 });
    peer.control(CONTROL.ack, 1, FIRST + 2, 20_000, 5000, 100);
    peer.control(CONTROL.ack, 0, FIRST + 3);
    expect(peer.news).toEqual(['ackAck 1 00000000']);
    expect(peer.connection.statistics(peer.now)).toMatchObject({ pktFlightSize: 0, msRTT: 20, pktRecvACK: 2 });
  });

  it('sends again what is reported lost, but not twice within a round trip', () => {
    const peer = new SingleConnection({ rttUs: 80_000 });
    peer.take('a', 'b', 'c', 'd');
    peer.news;
    peer.control(CONTROL.nak, 0, FIRST + 1, 0x8000_0000 + FIRST + 2, FIRST + 3);
    expect(peer.news).toEqual(['data 1001 again', 'data 1002 again', 'data 1003 again']);
    peer.now += 39_000;
    peer.control(CONTROL.nak, 0, 0x8000_0000 + FIRST + 1, FIRST + 3);
    expect(peer.news).toEqual([]);
    peer.now += 2000;
    peer.control(CONTROL.nak, 0, FIRST + 2);
    expect(peer.news).toEqual(['data 1002 again']);
    expect(peer.connection.statistics(peer.now)).toMatchObject({ pktSndLoss: 4, pktRetrans: 4, pktSent: 8 });
  });

  it('keeps to the window of the peer', () => {
    const peer = new SingleConnection({ peerFlowWindow: 3 });
    expect(peer.take('a', 'b', 'c', 'd', 'e', 'f')).toEqual([true, true, true, true, true, true]);
    expect(peer.news).toEqual(['data 1000', 'data 1001', 'data 1002']);
    peer.control(CONTROL.ack, 0, FIRST + 1); // light: the window ends where it did
    expect(peer.news).toEqual([]);
    peer.control(CONTROL.ack, 1, FIRST + 1, 20_000, 5000, 3);
    expect(peer.news).toEqual(['ackAck 1 00000000', 'data 1003']);
    peer.control(CONTROL.ack, 2, FIRST + 4, 20_000, 5000, 0); // no room at all: two go all the same
    expect(peer.news).toEqual(['ackAck 2 00000000', 'data 1004', 'data 1005']);
  });

  it('refuses what its buffer does not hold, and what is longer than a packet', () => {
    const peer = new SingleConnection({ peerFlowWindow: 2 }, { sendPackets: 3 });
    expect(peer.take('a', 'b', 'c', 'd')).toEqual([true, true, true, false]);
    expect(peer.connection.maxPayloadBytes).toBe(1456);
    expect(() => peer.connection.send(Buffer.alloc(1457), 0)).toThrow(RangeError);
  });

  it('drops what is too old, says so, and answers a report of it', () => {
    const peer = new SingleConnection();
    peer.take('a', 'b');
    peer.wait(500_000);
    peer.take('c');
    peer.wait(520_000);
    expect(peer.news.filter((line) => line.startsWith('send'))).toEqual([]);
    peer.wait(10_000);
    expect(peer.news).toEqual(['send drop 2']);
    peer.control(CONTROL.nak, 0, 0x8000_0000 + FIRST, FIRST + 2);
    expect(peer.news).toEqual(['dropRequest 0 000003e8000003e9', 'data 1002 again']);
    expect(peer.connection.statistics(peer.now).pktSndDrop).toBe(2);
  });

  it('keeps old packets for a peer that does not drop them itself', () => {
    const peer = new SingleConnection({ peerFlags: LIVE_FLAGS & ~HANDSHAKE_FLAGS.tooLateDrop });
    peer.take('a');
    peer.wait(4_000_000);
    expect(peer.news.filter((line) => line.startsWith('send'))).toEqual([]);
  });

  it('sends the last packet again when nothing comes back, less and less often', () => {
    const peer = new SingleConnection({ rttUs: 20_000 });
    peer.take('a', 'b');
    peer.news;
    peer.wait(130_000);
    expect(peer.news).toEqual(['data 1001 again']);
    peer.wait(850_000);
    expect(peer.news).toEqual(['data 1001 again', 'data 1001 again', 'data 1001 again']);
  });

  it('sends everything again to a peer that reports a loss once only', () => {
    const peer = new SingleConnection({ rttUs: 20_000, peerFlags: LIVE_FLAGS & ~HANDSHAKE_FLAGS.periodicNak });
    peer.take('a', 'b');
    peer.news;
    peer.wait(130_000);
    expect(peer.news).toEqual(['data 1000 again', 'data 1001 again']);
  });

  it('paces what it sends', () => {
    const peer = new SingleConnection({}, { maxBytesPerSecond: 1_000_000 });
    for (let i = 0; i < 1000; i += 1) peer.connection.send(Buffer.alloc(1316), peer.now);
    const burst = peer.news.length;
    expect(burst).toBe(97); // 128 KiB
    peer.wait(100_000);
    expect(peer.news.length).toBeGreaterThanOrEqual(72);
    expect(peer.connection.statistics(peer.now)).toMatchObject({ mbpsMaxBW: 8, usPktSndPeriod: 1332 });
  });
});

describe('SrtConnection: life', () => {
  it('keeps a silent link alive, and takes a second of our own silence for that', () => {
    const peer = new SingleConnection();
    peer.wait(3_500_000);
    expect(peer.news).toEqual(['keepalive 0 00000000', 'keepalive 0 00000000', 'keepalive 0 00000000']);
    for (let i = 0; i < 20; i += 1) {
      peer.control(CONTROL.keepalive, 0);
      peer.wait(1_000_000);
    }
    expect(peer.connection.isClosed).toBe(false);
  });

  it('gives up a peer that says nothing for five seconds', () => {
    const peer = new SingleConnection();
    peer.data(0);
    peer.wait(5_000_000);
    expect(peer.connection.isClosed).toBe(false);
    peer.wait(20_000);
    expect(peer.news.at(-1)).toBe('closed idle');
    expect(peer.connection.isClosed).toBe(true);
    expect(peer.take('a')).toEqual([false]);
  });

  it('does not blame the peer for a pause of our own', () => {
    const peer = new SingleConnection();
    peer.wait(1_000_000);
    peer.now += 60_000_000;
    peer.connection.tick(peer.now);
    peer.wait(3_000_000);
    expect(peer.connection.isClosed).toBe(false);
  });

  it('ends when the peer does', () => {
    const peer = new SingleConnection();
    peer.data(0);
    peer.control(CONTROL.shutdown, 0);
    peer.data(1);
    peer.wait(100_000);
    expect(peer.news).toEqual(['payload 0', 'closed shutdown']);
  });

  it('delivers at the end what was held up by a hole', () => {
    const peer = new SingleConnection();
    for (const i of [0, 3, 4, 6]) peer.data(i);
    peer.news;
    peer.control(CONTROL.shutdown, 0);
    expect(peer.news).toEqual(['drop 2', 'payload 3', 'payload 4', 'drop 1', 'payload 6', 'closed shutdown']);
  });

  it('says goodbye three times', () => {
    const peer = new SingleConnection();
    peer.connection.close(peer.now);
    expect(peer.news).toEqual(['shutdown 0 00000000']);
    peer.wait(100_000);
    expect(peer.news).toEqual(['shutdown 0 00000000', 'shutdown 0 00000000', 'closed local']);
  });

  it('says it at once where it is aborted, whatever is on its way', () => {
    const peer = new SingleConnection();
    peer.take('a');
    peer.connection.close(peer.now);
    peer.news;
    peer.connection.abort(peer.now);
    expect(peer.news).toEqual(['shutdown 0 00000000', 'closed local']);
    peer.connection.abort(peer.now);
    peer.wait(LATENCY_US);
    expect(peer.news).toEqual([]);
  });

  it('waits with that for what is on its way, no longer than the latency, and delivers nothing any more', () => {
    const peer = new SingleConnection();
    peer.take('a', 'b');
    peer.connection.close(peer.now);
    peer.data(0);
    expect(peer.take('c')).toEqual([false]);
    peer.control(CONTROL.nak, 0, FIRST + 1);
    peer.wait(50_000);
    peer.control(CONTROL.ack, 1, FIRST + 2, 20_000, 5000, 3);
    expect(peer.news.filter(NOT_ACKNOWLEDGEMENTS)).toEqual([
      'data 1000',
      'data 1001',
      'data 1001 again',
      'ackAck 1 00000000',
    ]);
    peer.wait(10_000);
    expect(peer.news.filter(NOT_ACKNOWLEDGEMENTS)).toEqual(['shutdown 0 00000000']);

    const deaf = new SingleConnection();
    deaf.take('a');
    deaf.connection.close(deaf.now);
    deaf.wait(LATENCY_US + 300_000);
    expect(deaf.news.slice(-4)).toEqual([...Array(3).fill('shutdown 0 00000000'), 'closed local']);
  });
});
