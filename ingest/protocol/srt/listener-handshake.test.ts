import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import type { ConnectionRequest } from './connection-request.ts';
import { COOKIE_LIFE_US } from './cookie.ts';
import { encodeExtensions, HANDSHAKE_FLAGS, parseExtensions } from './handshake-extension.ts';
import { encodeHandshake, extensionsOf, HANDSHAKE, type Handshake, parseHandshake } from './handshake-packet.ts';
import { ListenerHandshake, type ListenerStep } from './listener-handshake.ts';
import { destinationOf, timestampOf } from './packet.ts';
import { REJECTION } from './rejection.ts';

const ADDRESS = '192.0.2.7';
const PORT = 5000;
const CALLER_ID = 0x0707;
const HS = { version: 0x01_05_03, flags: 0xbf, receiveLatencyMs: 120, sendLatencyMs: 300 };
const NOW = 100_000_000;
const HALF_OPEN = 3;

const FIXED: Handshake = {
  version: 4,
  encryption: 0,
  extension: 2,
  initialSequence: 0x1234,
  mtu: 1500,
  flowWindow: 8192,
  type: HANDSHAKE.induction,
  socketId: CALLER_ID,
  cookie: 0,
};

let admitted: boolean;
let listener: ListenerHandshake;
beforeEach(() => {
  admitted = true;
  listener = new ListenerHandshake({
    secret: Buffer.alloc(32, 5),
    flowWindow: 25_600,
    keyLength: 32,
    halfOpen: HALF_OPEN,
    admits: () => admitted,
  });
});

const encode = (fields: Partial<Handshake>, extensions?: Buffer): Buffer =>
  encodeHandshake({ ...FIXED, ...fields }, { timestamp: 777, destination: 0, address: '127.0.0.1' }, extensions);

function answerOf(step: ListenerStep | undefined): Buffer {
  if (step?.kind !== 'answer') throw new Error(`answered with ${JSON.stringify(step)}`);
  return step.datagram;
}

const cookieFor = (socketId = CALLER_ID, now = NOW): number =>
  parseHandshake(answerOf(listener.receive(encode({ socketId }), ADDRESS, PORT, now))).cookie;

const BLOCKS = encodeExtensions({ hs: HS, streamId: 'publish:live/test' }, 'request');

function conclusion(fields: Partial<Handshake> = {}, extensions = BLOCKS): Buffer {
  const cookie = cookieFor(fields.socketId);
  return encode({ version: 5, extension: 5, type: HANDSHAKE.conclusion, cookie, ...fields }, extensions);
}

function requestOf(datagram: Buffer, now = NOW): ConnectionRequest {
  const step = listener.receive(datagram, ADDRESS, PORT, now);
  if (step?.kind !== 'request') throw new Error(`answered with ${JSON.stringify(step)}`);
  return step.request;
}

const accept = (request: ConnectionRequest, now: number) =>
  listener.accept(request, { localSocketId: 0x0909, latencyMs: 200, agreed: undefined }, now);

describe('induction', () => {
  it('is answered with version, magic, key length and a cookie, in no more bytes than came', () => {
    const request = encode({});
    const answer = answerOf(listener.receive(request, ADDRESS, PORT, NOW));
    expect(answer.length).toBeLessThanOrEqual(request.length);
    expect(destinationOf(answer)).toBe(CALLER_ID);
    expect(parseHandshake(answer)).toEqual({
      ...FIXED,
      version: 5,
      encryption: 4,
      extension: 0x4a17,
      cookie: expect.any(Number),
    });
  });

  it.each([
    { name: 'a short packet', datagram: encode({}).subarray(0, 63) },
    { name: 'no socket id', datagram: encode({ socketId: 0 }) },
    { name: 'version 3', datagram: encode({ version: 3 }) },
    { name: 'a data packet', datagram: Buffer.alloc(64) },
    { name: 'another control packet', datagram: Buffer.concat([Buffer.of(0x80, 2), Buffer.alloc(62)]) },
    { name: 'a stray agreement', datagram: encode({ type: HANDSHAKE.agreement }) },
    { name: 'a rejection', datagram: encode({ type: REJECTION.peer }) },
  ])('$name is met with silence', ({ datagram }) => {
    expect(listener.receive(datagram, ADDRESS, PORT, NOW)).toBeUndefined();
  });
});

describe('conclusion', () => {
  it('is a request, and accepting it settles the connection', () => {
    const request = requestOf(conclusion());
    expect(request).toMatchObject({ address: ADDRESS, port: PORT, streamId: 'publish:live/test', hs: HS });
    const { datagram, negotiated } = accept(request, NOW + 500);
    expect(parseHandshake(datagram)).toEqual({
      version: 5,
      encryption: 0,
      extension: 1,
      initialSequence: 0x1234,
      mtu: 1500,
      flowWindow: 25_600,
      type: HANDSHAKE.conclusion,
      socketId: 0x0909,
      cookie: 0,
    });
    expect(destinationOf(datagram)).toBe(CALLER_ID);
    expect(parseExtensions(extensionsOf(datagram), 'response')).toEqual({
      hs: { version: 0x01_05_04, flags: 0x3f, receiveLatencyMs: 300, sendLatencyMs: 200 },
    });
    expect(negotiated).toEqual({
      localSocketId: 0x0909,
      peerSocketId: CALLER_ID,
      initialSequence: 0x1234,
      mtu: 1500,
      peerFlowWindow: 8192,
      receiveLatencyMs: 300,
      sendLatencyMs: 200,
      peerVersion: 0x01_05_03,
      peerFlags: 0xbf,
      streamId: 'publish:live/test',
      timeBase: { peerTimestamp: 777, arrivedAt: NOW },
      startedAt: NOW + 500,
    });
  });

  it('takes the smaller MTU and bounds what a peer may ask for', () => {
    const hs = { ...HS, receiveLatencyMs: 0xffff, sendLatencyMs: 0xffff };
    const blocks = encodeExtensions({ hs }, 'request');
    const request = requestOf(conclusion({ mtu: 1400, flowWindow: 0xffff_ffff }, blocks));
    expect(accept(request, NOW).negotiated).toMatchObject({
      mtu: 1400,
      peerFlowWindow: 2 ** 20,
      receiveLatencyMs: 10_000,
      sendLatencyMs: 10_000,
      streamId: '',
    });
  });

  it('with a cookie that is wrong, old or of another address is met with silence', () => {
    const right = conclusion();
    expect(listener.receive(conclusion({ cookie: 1 }), ADDRESS, PORT, NOW)).toBeUndefined();
    expect(listener.receive(right, '192.0.2.8', PORT, NOW)).toBeUndefined();
    expect(listener.receive(right, ADDRESS, PORT + 1, NOW)).toBeUndefined();
    expect(listener.receive(right, ADDRESS, PORT, NOW + COOKIE_LIFE_US)).toBeUndefined();
    expect(requestOf(right)).toBeDefined();
  });

  it('repeated while it waits is not a second request, and shows that the caller is still there', () => {
    const datagram = conclusion();
    const request = requestOf(datagram);
    expect(listener.receive(datagram, ADDRESS, PORT, NOW + 250_000)).toBeUndefined();
    expect(request.lastSeenAt).toBe(NOW + 250_000);
  });

  it('repeated gets the stored answer, with the time of now, even after its cookie has expired', () => {
    const datagram = conclusion();
    const first = accept(requestOf(datagram), NOW).datagram;
    expect(timestampOf(first)).toBe(0);
    for (const later of [250_000, 10 * COOKIE_LIFE_US]) {
      const again = answerOf(listener.receive(datagram, ADDRESS, PORT, NOW + later));
      expect(timestampOf(again)).toBe(later);
      expect(again.subarray(16)).toEqual(first.subarray(16));
      expect(timestampOf(first)).toBe(0);
    }
  });

  it('that was refused gets the same refusal again', () => {
    const datagram = conclusion();
    const refusal = listener.refuse(requestOf(datagram), 'conflict', NOW);
    expect(parseHandshake(refusal)).toMatchObject({ version: 5, type: 2409 });
    expect(refusal.length).toBe(64);
    expect(answerOf(listener.receive(datagram, ADDRESS, PORT, NOW + 250_000))).toEqual(refusal);
  });

  it('that comes late opens nothing after the connection has ended', () => {
    const datagram = conclusion();
    const request = requestOf(datagram);
    accept(request, NOW);
    listener.forget(request, NOW + 1_000_000);
    expect(listener.receive(datagram, ADDRESS, PORT, NOW + 2_000_000)).toBeUndefined();
  });

  it('of another socket at the same address is another connection', () => {
    const one = requestOf(conclusion());
    const two = requestOf(conclusion({ socketId: 0x0808 }));
    expect([one.peerSocketId, two.peerSocketId]).toEqual([CALLER_ID, 0x0808]);
  });

  it('of a new attempt with the same socket id is not the refused one again', () => {
    listener.refuse(requestOf(conclusion()), 'conflict', NOW);
    expect(requestOf(conclusion({ initialSequence: 0x4321 }))).toBeDefined();
  });

  it('has to wait where its address asks too often', () => {
    const datagram = conclusion();
    admitted = false;
    expect(listener.receive(datagram, ADDRESS, PORT, NOW)).toBeUndefined();
    admitted = true;
    expect(requestOf(datagram, NOW + 250_000)).toBeDefined();
  });

  it('is refused with BACKLOG while too many wait, and taken once one is answered', () => {
    const waiting = Array.from({ length: HALF_OPEN }, (_, i) => requestOf(conclusion({ socketId: 100 + i })));
    const datagram = conclusion({ socketId: 200 });
    const refusal = answerOf(listener.receive(datagram, ADDRESS, PORT, NOW));
    expect(parseHandshake(refusal).type).toBe(REJECTION.backlog);
    accept(waiting[0] as ConnectionRequest, NOW);
    expect(requestOf(datagram)).toBeDefined();
    expect(parseHandshake(answerOf(listener.receive(conclusion({ socketId: 201 }), ADDRESS, PORT, NOW))).type).toBe(
      1005,
    );
    listener.refuse(waiting[1] as ConnectionRequest, 'notFound', NOW);
    expect(requestOf(conclusion({ socketId: 202 }))).toBeDefined();
  });

  it('does not count those as half-open whose answer waits for something else', () => {
    const waiting = Array.from({ length: HALF_OPEN }, (_, i) => requestOf(conclusion({ socketId: 100 + i })));
    for (const request of waiting) listener.park(request);
    listener.park(waiting[0]!);
    const next = Array.from({ length: HALF_OPEN }, (_, i) => requestOf(conclusion({ socketId: 200 + i })));
    const refused = () =>
      parseHandshake(answerOf(listener.receive(conclusion({ socketId: 300 }), ADDRESS, PORT, NOW))).type;
    expect(refused()).toBe(REJECTION.backlog);
    accept(waiting[0]!, NOW);
    listener.refuse(waiting[1]!, 'notFound', NOW);
    expect(refused()).toBe(REJECTION.backlog);
    listener.refuse(next[0]!, 'notFound', NOW);
    expect(requestOf(conclusion({ socketId: 301 }))).toBeDefined();
  });

  const block = (type: number, text: string): Buffer =>
    Buffer.concat([BLOCKS, Buffer.of(0, type, 0, text.length / 4), Buffer.from(text).swap32()]);
  const hs = (fields: Partial<typeof HS>): Buffer => encodeExtensions({ hs: { ...HS, ...fields } }, 'request');
  it.each([
    { name: 'handshake version 4', fields: { version: 4 }, code: 'ERR_SRT_VERSION', want: 1008 },
    { name: 'SRT 1.2', blocks: hs({ version: 0x01_02_03 }), code: 'ERR_SRT_VERSION', want: 1004 },
    { name: 'no blocks', blocks: Buffer.alloc(0), code: 'ERR_SRT_HANDSHAKE', want: 1004 },
    { name: 'no blocks announced', fields: { extension: 0 }, code: 'ERR_SRT_HANDSHAKE', want: 1004 },
    { name: 'a block cut short', blocks: BLOCKS.subarray(0, 20), code: 'ERR_SRT_HANDSHAKE', want: 1004 },
    {
      name: 'a sequence number of 32 bits',
      fields: { initialSequence: 2 ** 31 },
      code: 'ERR_SRT_HANDSHAKE',
      want: 1004,
    },
    { name: 'a tiny MTU', fields: { mtu: 75 }, code: 'ERR_SRT_HANDSHAKE', want: 1004 },
    { name: 'a flow window of one', fields: { flowWindow: 1 }, code: 'ERR_SRT_HANDSHAKE', want: 1004 },
    {
      name: 'stream mode',
      blocks: hs({ flags: 0xbf | HANDSHAKE_FLAGS.stream }),
      code: 'ERR_SRT_FILE_MODE',
      want: 1012,
    },
    { name: 'file congestion control', blocks: block(6, 'file'), code: 'ERR_SRT_FILE_MODE', want: 1013 },
    {
      name: 'live congestion control with more behind it',
      blocks: block(6, 'live/2\0\0'),
      code: 'ERR_SRT_FILE_MODE',
      want: 1013,
    },
    { name: 'FEC', blocks: block(7, 'fec,cols:10\0'), code: 'ERR_SRT_PACKET_FILTER', want: 1014 },
    { name: 'a group', blocks: block(8, 'xxxxyyyy'), code: 'ERR_SRT_GROUP', want: 1015 },
    {
      name: 'a stream id of 513 bytes',
      blocks: encodeExtensions({ hs: HS, streamId: 'a'.repeat(513) }, 'request'),
      code: 'ERR_SRT_STREAM_ID',
      want: 2400,
    },
  ])('with $name is refused with $want', ({ fields = {}, blocks = BLOCKS, code, want }) => {
    const datagram = conclusion(fields, blocks);
    const step = listener.receive(datagram, ADDRESS, PORT, NOW);
    expect(step).toMatchObject({ kind: 'refused', fault: { code } });
    const refusal = (step as { datagram: Buffer }).datagram;
    expect(parseHandshake(refusal)).toMatchObject({ type: want, version: 5, extension: 0 });
    expect(destinationOf(refusal)).toBe(CALLER_ID);
    expect(answerOf(listener.receive(datagram, ADDRESS, PORT, NOW)), 'repeated').toEqual(refusal);
  });

  it('takes congestion control that is live', () => {
    expect(requestOf(conclusion({}, block(6, 'live')))).toBeDefined();
  });
});

describe('other handshakes', () => {
  it('a rendezvous is refused at once', () => {
    const step = listener.receive(encode({ version: 5, type: HANDSHAKE.waveAHand }), ADDRESS, PORT, NOW);
    expect(step).toMatchObject({ kind: 'refused', fault: { code: 'ERR_SRT_RENDEZVOUS' } });
    expect(parseHandshake((step as { datagram: Buffer }).datagram).type).toBe(2501);
  });

  it('whatever bytes come: silence, a bounded answer or a request', () => {
    const edit = fc.tuple(fc.integer({ min: 0, max: 200 }), fc.integer({ min: 0, max: 255 }));
    fc.assert(
      fc.property(fc.array(edit, { maxLength: 8 }), fc.integer({ min: 0, max: 200 }), (edits, cut) => {
        const datagram = conclusion();
        for (const [at, to] of edits) if (at < datagram.length) datagram[at] = to;
        const step = listener.receive(datagram.subarray(0, Math.max(cut, 0)), ADDRESS, PORT, NOW);
        if (step?.kind === 'request') listener.refuse(step.request, 'peer', NOW);
        else if (step) expect(step.datagram.length).toBeLessThanOrEqual(datagram.length);
      }),
    );
  });
});
