import { ProtocolError } from '../../ingest/protocol/protocol-error.ts';
import { SrtConnection } from '../../ingest/protocol/srt/connection.ts';
import { SessionKeys } from '../../ingest/protocol/srt/connection-keys.ts';
import { encodeExtensions } from '../../ingest/protocol/srt/handshake-extension.ts';
import { encodeHandshake, HANDSHAKE, parseHandshake } from '../../ingest/protocol/srt/handshake-packet.ts';
import { encodeKeyMessage, parseKeyMessage, unwrapKeys } from '../../ingest/protocol/srt/key-material.ts';
import { ListenerHandshake, type ListenerStep } from '../../ingest/protocol/srt/listener-handshake.ts';
import { LIVE_FLAGS, OUR_VERSION } from '../../ingest/protocol/srt/live-mode.ts';
import {
  CONTROL,
  controlPacket,
  destinationOf,
  HEADER_BYTES,
  KEY,
  setKey,
  setRetransmitted,
  USER,
  writeDataHeader,
} from '../../ingest/protocol/srt/packet.ts';
import { maskStreamId, parseStreamId } from '../../ingest/protocol/srt/stream-id.ts';
import type { Random } from './random.ts';
import { type FuzzTarget, hold } from './target.ts';

const FROM = { address: '192.0.2.7', port: 5000 };
const NOW = 50_000_000;
const CALLER_ID = 0x77;
const LOCAL_ID = 0x99;
const FIRST = 0x7fff_fff8;
const HS = { version: OUR_VERSION, flags: LIVE_FLAGS, receiveLatencyMs: 120, sendLatencyMs: 120 };
const SALT = Buffer.from('6c438852715a4d26e0e810b3132ca61f', 'hex');
const KEK = Buffer.from('5db90e4d85cb9640dafa9d13d6444e00', 'hex');
const KEYS = { even: Buffer.alloc(16, 1), odd: Buffer.alloc(16, 2) };

/** Whatever comes of it, or undefined where a ProtocolError does. */
function orFault<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return undefined;
  }
}

const listening = (): ListenerHandshake =>
  new ListenerHandshake({ secret: Buffer.alloc(32, 1), flowWindow: 8192, halfOpen: 4, admits: () => true });

const FIXED = {
  version: 4,
  encryption: 0,
  extension: 2,
  initialSequence: FIRST,
  mtu: 1500,
  flowWindow: 8192,
  cookie: 0,
};
const TO = { timestamp: 1234, destination: 0, address: '192.0.2.1' };
const INDUCTION = encodeHandshake({ ...FIXED, type: HANDSHAKE.induction, socketId: CALLER_ID }, TO);
/** The cookie of that address at that time: fuzzed conclusions come past it. */
const COOKIE = cookieOf(listening().receive(INDUCTION, FROM.address, FROM.port, NOW));

function cookieOf(step: ListenerStep | undefined): number {
  if (step?.kind !== 'answer') throw new Error('an induction was not answered');
  return parseHandshake(step.datagram).cookie;
}

const conclusion = (blocks: Buffer, fields: Partial<typeof FIXED> = {}): Buffer =>
  encodeHandshake(
    {
      ...FIXED,
      version: 5,
      extension: 7,
      type: HANDSHAKE.conclusion,
      socketId: CALLER_ID,
      cookie: COOKIE,
      ...fields,
    },
    TO,
    blocks,
  );

const STREAM_IDS = [
  'publish:live/test',
  '#!::r=live/test,m=publish,u=ann,s=secret',
  '%23!::r=live%2Ftest,m=request,t=stream',
  'read:live/test:user:password:key=a&token=b',
  'live/test?user=u&pass=p#feedbackplay',
  'publish:прямой/工作室🎥',
];
const KEY_MESSAGES = [
  encodeKeyMessage('ctr', SALT, KEK, KEYS),
  encodeKeyMessage('gcm', SALT, KEK, { odd: KEYS.odd }),
  encodeKeyMessage('ctr', Buffer.alloc(16), Buffer.alloc(32), { even: Buffer.alloc(32) }),
];

/** Blocks of all types, some of them with lengths that lie. */
function generateConclusion(random: Random): Buffer {
  const blocks: Buffer[] = [];
  for (let count = random.below(8); count > 0; count -= 1) {
    const data = random.oneIn(2) ? random.pick(KEY_MESSAGES) : random.bytes(4 * random.length(140));
    const words = random.oneIn(6) ? random.below(0x1_0000) : data.length / 4;
    const head = Buffer.alloc(4);
    head.writeUInt16BE(random.below(10), 0);
    head.writeUInt16BE(words, 2);
    blocks.push(head, data);
  }
  return conclusion(Buffer.concat([encodeExtensions({ hs: HS }, 'request'), ...blocks]), {
    mtu: random.oneIn(4) ? random.u32() : 1500,
    flowWindow: random.oneIn(4) ? random.u32() : 8192,
  });
}

function runHandshake(input: Buffer): void {
  const listener = listening();
  const step = listener.receive(input, FROM.address, FROM.port, NOW);
  if (step === undefined) return;
  if (step.kind !== 'request') {
    hold(step.datagram.length <= input.length, 'an answer is no longer than what it answers');
    return;
  }
  const { request } = step;
  hold(request.streamId.length <= 512 && !request.streamId.endsWith('\0'), 'a stream id in its limits');
  orFault(() => parseStreamId(request.streamId));
  const { keyMessage } = request;
  if (keyMessage) orFault(() => unwrapKeys(parseKeyMessage(keyMessage), KEK));
  hold(listener.receive(input, FROM.address, FROM.port, NOW) === undefined, 'a repeated request is not a second one');
  const terms = { localSocketId: LOCAL_ID, latencyMs: 120, agreed: undefined };
  const { datagram, negotiated } = listener.accept(request, terms, NOW);
  hold(negotiated.mtu >= 76 && negotiated.mtu <= 1500, `MTU ${negotiated.mtu}`);
  hold(negotiated.peerFlowWindow >= 2 && negotiated.peerFlowWindow <= 2 ** 20, `window ${negotiated.peerFlowWindow}`);
  const again = listener.receive(input, FROM.address, FROM.port, NOW);
  hold(again?.kind === 'answer' && again.datagram.equals(datagram), 'it gets the same answer again');
}

function runStreamId(input: Buffer): void {
  const streamId = input.toString('utf8', 0, 512);
  const masked = maskStreamId(streamId);
  hold(!/[\0-\x1f\x7f]/.test(masked) && masked.length <= 6 * 121, `shown as ${JSON.stringify(masked)}`);
  const target = orFault(() => parseStreamId(streamId));
  if (target === undefined) return;
  const { path } = target;
  hold(Buffer.byteLength(path) <= 200 && path.includes('/'), `path ${JSON.stringify(path)}`);
  hold(!/[\0-\x1f\x7f\\]|(^|\/)\.|\/\/|^\/|\/$/.test(path), `path ${JSON.stringify(path)}`);
}

function runKeyMessage(input: Buffer): void {
  const message = orFault(() => parseKeyMessage(input));
  const keys = message && unwrapKeys(message, KEK);
  if (message && keys) {
    hold(
      encodeKeyMessage(message.mode, message.salt, KEK, keys).subarray(16).equals(input.subarray(16)),
      'the same keys',
    );
  }
}

/** Datagrams of one input, each behind the time since the one before, in units of 4 µs, and its length, 16 bits each. */
function datagramsOf(input: Buffer): { readonly waitUs: number; readonly datagram: Buffer }[] {
  const found: { waitUs: number; datagram: Buffer }[] = [];
  for (let at = 0; at + 4 <= input.length && found.length < 2_000; ) {
    const length = input.readUInt16BE(at + 2) % 1601;
    found.push({ waitUs: input.readUInt16BE(at) * 4, datagram: Buffer.from(input.subarray(at + 4, at + 4 + length)) });
    at += 4 + length;
  }
  return found;
}

function joined(...datagrams: readonly Buffer[]): Buffer {
  const head = (datagram: Buffer, i: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt16BE(i % 3 === 0 ? 3_000 : 100, 0);
    bytes.writeUInt16BE(datagram.length, 2);
    return bytes;
  };
  return Buffer.concat(datagrams.flatMap((datagram, i) => [head(datagram, i), datagram]));
}

function data(index: number, key: number = KEY.clear, isAgain = false): Buffer {
  const datagram = Buffer.alloc(HEADER_BYTES + 188, index);
  writeDataHeader(datagram, (FIRST + index) & 0x7fff_ffff, 1 + index, 1000 * index, LOCAL_ID);
  setKey(datagram, key);
  if (isAgain) setRetransmitted(datagram);
  return datagram;
}

function control(type: number, information: number, words: readonly number[], subtype = 0): Buffer {
  const datagram = controlPacket(type, information, 5_000, LOCAL_ID, words.length * 4, subtype);
  for (const [i, word] of words.entries()) datagram.writeUInt32BE(word >>> 0, HEADER_BYTES + 4 * i);
  return datagram;
}

const keyRequest = (body: Buffer): Buffer => Buffer.concat([control(CONTROL.user, 0, [], USER.keyRequest), body]);
/** How many packets we have sent when the peer's begin to come. */
const SENT = 40;
const after = (index: number): number => (FIRST + index) & 0x7fff_ffff;

const CONNECTION_SEEDS: readonly Buffer[] = [
  joined(...Array.from({ length: 12 }, (_, i) => data(i))),
  joined(
    data(0),
    data(3),
    data(1, KEY.clear, true),
    data(9),
    control(CONTROL.dropRequest, 0, [after(4), after(8)]),
    data(10),
  ),
  joined(
    data(0, KEY.even),
    data(1, KEY.odd),
    keyRequest(KEY_MESSAGES[0] as Buffer),
    data(2, KEY.even),
    data(3, KEY.odd),
  ),
  joined(
    control(CONTROL.ack, 1, [after(5), 40_000, 2_000, 8_000, 100, 1_000, 130_000]),
    control(CONTROL.nak, 0, [after(7), 0x8000_0000 + after(9), after(12)]),
    control(CONTROL.ack, 0, [after(20)]),
    control(CONTROL.nak, 0, [0x8000_0000 + after(2), after(30)]),
    control(CONTROL.ack, 2, [after(40), 40_000, 2_000, 2]),
  ),
  joined(
    data(0),
    control(CONTROL.ackAck, 1, []),
    control(CONTROL.keepalive, 0, []),
    control(CONTROL.congestion, 0, [1]),
  ),
  joined(data(0), data(5_000), data(5_001), data(5_002), data(100_000), data(100_001)),
  joined(keyRequest(KEY_MESSAGES[1] as Buffer), control(CONTROL.user, 0, [1, 2, 3], USER.keyResponse)),
  joined(data(1), control(CONTROL.shutdown, 0, [0]), data(2)),
];

/** Packets of every type, with numbers around those in use. */
function generatePackets(random: Random): Buffer {
  const near = (): number => after(random.below(60) - 10);
  const make: readonly (() => Buffer)[] = [
    () => data(random.below(60), random.below(4), random.oneIn(3)),
    () => data(random.below(20_000)),
    () => control(CONTROL.ack, random.below(5), [near(), random.u32(), random.u32(), random.below(9_000)]),
    () =>
      control(
        CONTROL.nak,
        0,
        Array.from({ length: random.below(8) }, () => near() + 2 ** 31 * random.below(2)),
      ),
    () => control(CONTROL.dropRequest, 0, [near(), near()]),
    () => control(CONTROL.ackAck, random.below(20), []),
    () => keyRequest(random.pick(KEY_MESSAGES)),
  ];
  return joined(...Array.from({ length: 1 + random.below(40) }, () => random.pick(make)()));
}

function runConnection(input: Buffer, random: Random): void {
  const secret = {
    passphrase: 'a passphrase',
    mode: random.pick(['ctr', 'gcm'] as const),
    keyLength: 16,
    salt: SALT,
    kek: KEK,
  } as const;
  const keys = random.oneIn(2) ? new SessionKeys(secret, KEYS, { afterPackets: 20, preAnnouncePackets: 5 }) : undefined;
  let isClosed = false;
  let sent = 0;
  let delivered = 0;
  const connection = new SrtConnection(
    {
      localSocketId: LOCAL_ID,
      peerSocketId: CALLER_ID,
      initialSequence: FIRST,
      mtu: 1500,
      peerFlowWindow: 8192,
      receiveLatencyMs: 120,
      sendLatencyMs: 120,
      peerVersion: OUR_VERSION,
      peerFlags: LIVE_FLAGS,
      streamId: '',
      timeBase: { peerTimestamp: 0, arrivedAt: 0 },
      startedAt: 0,
      ...(keys ? { keys } : {}),
    },
    { receivePackets: 1024, sendPackets: 1024, maxBytesPerSecond: 1e8, idleMs: 5_000 },
    {
      send: (datagram) => {
        hold(destinationOf(datagram) === CALLER_ID && datagram.length <= 1472, 'a datagram for the peer that fits');
        sent += 1;
      },
      onPayload: (payload) => {
        hold(!isClosed, 'nothing is delivered after the end');
        delivered += payload.length;
      },
      onDrop: (packets) => hold(packets > 0 && !isClosed, `a gap of ${packets} packets`),
      onSendDrop: (packets) => hold(packets > 0, `${packets} packets too old`),
      onClosed: (_, error) => {
        hold(!isClosed, 'it ends once');
        hold(error === undefined || error.action === 'close', 'faults that end it');
        isClosed = true;
      },
    },
  );
  let now = 0;
  for (let i = 0; i < SENT; i += 1) connection.send(Buffer.alloc(1316, i), now);
  const datagrams = datagramsOf(input);
  let ticks = 0;
  for (const { waitUs, datagram } of datagrams) {
    for (const until = now + waitUs; now < until; ticks += 1) {
      now = Math.min(now + 10_000, until);
      connection.tick(now);
    }
    connection.receive(datagram, now);
  }
  connection.statistics(now);
  // What came may ask for all in flight again, and wants an answer or two itself; a tick has reports of its own.
  hold(sent <= SENT + (datagrams.length + ticks) * (SENT + 4), `${sent} datagrams for ${datagrams.length}`);
  hold(delivered <= input.length, `${delivered} bytes of ${input.length}`);
}

/** Everything between the UDP socket and the payloads. */
export const SRT_TARGETS: readonly FuzzTarget[] = [
  {
    name: 'srt-handshake',
    seeds: [
      INDUCTION,
      conclusion(encodeExtensions({ hs: HS }, 'request')),
      ...STREAM_IDS.map((streamId) => conclusion(encodeExtensions({ hs: HS, streamId }, 'request'))),
      ...KEY_MESSAGES.map((key) =>
        conclusion(encodeExtensions({ hs: HS, key, streamId: 'publish:live/a' }, 'request')),
      ),
    ],
    generate: generateConclusion,
    run: runHandshake,
  },
  { name: 'srt-stream-id', seeds: STREAM_IDS.map((id) => Buffer.from(id)), run: runStreamId },
  { name: 'srt-key', seeds: KEY_MESSAGES, run: runKeyMessage },
  { name: 'srt-connection', seeds: CONNECTION_SEEDS, generate: generatePackets, run: runConnection },
];
