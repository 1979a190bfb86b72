import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  EXTENSION_FIELD,
  encodeHandshake,
  HANDSHAKE,
  type Handshake,
  parseHandshake,
  UDT_DATAGRAM,
} from '../../ingest/protocol/srt/handshake-packet.ts';
import { CONTROL, controlPacket, HEADER_BYTES, USER, writeDataHeader } from '../../ingest/protocol/srt/packet.ts';
import { sequenceAfter } from '../../ingest/protocol/srt/sequence.ts';
import { mutate } from '../fuzz/mutate.ts';
import { Random } from '../fuzz/random.ts';
import { Besieged } from '../support/besieged.ts';
import { clip } from '../support/clips.ts';
import { expectRecorded } from '../support/expect-recording.ts';
import { completeRecording } from '../support/recording.ts';
import { SrtCaller } from '../support/srt-caller.ts';
import { publishSrt } from '../support/srt-programs.ts';

/** Memory may grow by this much in all, as nothing that a stranger sends is kept. */
const MOST_GROWTH = 96 * 1024 * 1024;
const OURS = '127.0.0.1';

let besieged: Besieged;
let memory: number;
beforeAll(async () => {
  besieged = await Besieged.start();
  memory = besieged.highestMemory();
});
afterAll(async () => {
  await besieged?.[Symbol.asyncDispose]();
});

const port = (): number => besieged.server.ports.srt;

/** A UDP socket of an attacker's. */
async function attacker(): Promise<{ socket: Socket; send: (datagram: Buffer) => void } & AsyncDisposable> {
  const socket = createSocket('udp4');
  socket.bind(0, OURS);
  await once(socket, 'listening');
  return {
    socket,
    send: (datagram) => socket.send(datagram, port(), OURS),
    [Symbol.asyncDispose]: async () => {
      socket.close();
      await once(socket, 'close');
    },
  };
}

const REQUEST: Handshake = {
  version: 4,
  encryption: 0,
  extension: UDT_DATAGRAM,
  initialSequence: 77,
  mtu: 1500,
  flowWindow: 8192,
  type: HANDSHAKE.induction,
  socketId: 4711,
  cookie: 0,
};
const TO = { timestamp: 0, destination: 0, address: OURS };

/** A right cookie for this socket: what stands behind it is read. */
async function cookieFor({ socket, send }: Awaited<ReturnType<typeof attacker>>): Promise<number> {
  const answered = once(socket, 'message');
  send(encodeHandshake(REQUEST, TO));
  return parseHandshake((await answered)[0] as Buffer).cookie;
}

function conclusion(cookie: number, socketId: number, blocks: Buffer): Buffer {
  const extension = EXTENSION_FIELD.hs | EXTENSION_FIELD.key | EXTENSION_FIELD.config;
  return encodeHandshake(
    { ...REQUEST, version: 5, extension, type: HANDSHAKE.conclusion, socketId, cookie },
    TO,
    blocks,
  );
}

/** Extension blocks: type, words, data. */
function block(type: number, words: number, data: Buffer): Buffer {
  const header = Buffer.alloc(4);
  header.writeUInt16BE(type, 0);
  header.writeUInt16BE(words, 2);
  return Buffer.concat([header, data]);
}

const HS = Buffer.from('00010503000000bf00780078', 'hex');

describe('what strangers send', () => {
  afterEach(() => besieged.expectAlive());

  it('noise of every length', async () => {
    await using stranger = await attacker();
    for (let i = 0; i < 3_000; i++) {
      stranger.send(randomBytes(i % 1500));
      if (i % 50 === 49) await delay(5);
    }
  });

  it.each([
    ['no blocks', Buffer.alloc(0)],
    ['a block that goes past the end', block(1, 0xffff, HS)],
    ['a cut SRT block', block(1, 1, HS.subarray(0, 4))],
    ['a key message of one word', Buffer.concat([block(1, 3, HS), block(3, 1, Buffer.alloc(4))])],
    ['a key message of zeros', Buffer.concat([block(1, 3, HS), block(3, 20, Buffer.alloc(80))])],
    ['an empty stream id', Buffer.concat([block(1, 3, HS), block(5, 0, Buffer.alloc(0))])],
    ['a stream id that is no text', Buffer.concat([block(1, 3, HS), block(5, 8, randomBytes(32))])],
    [
      'a thousand blocks',
      Buffer.concat([block(1, 3, HS), ...Array.from({ length: 300 }, () => block(99, 0, HS.subarray(0, 0)))]),
    ],
    ['a block of a group', Buffer.concat([block(1, 3, HS), block(8, 2, Buffer.alloc(8))])],
  ])('a conclusion with %s', async (_, blocks) => {
    await using stranger = await attacker();
    const cookie = await cookieFor(stranger);
    const answered = once(stranger.socket, 'message', { signal: AbortSignal.timeout(5_000) });
    stranger.send(conclusion(cookie, 4711, blocks));
    expect(parseHandshake((await answered)[0] as Buffer).type, 'the rejection').toBeGreaterThanOrEqual(1000);
  });

  it('conclusions with a right cookie, thousands of mutants', async () => {
    const random = new Random(20260419);
    const sound = conclusion(0, 1, Buffer.concat([block(1, 3, HS), block(5, 4, Buffer.alloc(16, 'evil'))]));
    await using stranger = await attacker();
    const cookie = await cookieFor(stranger);
    for (let i = 0; i < 3_000; i++) {
      const mutant = Buffer.from(mutate(sound, random, [encodeHandshake(REQUEST, TO)]));
      if (mutant.length >= HEADER_BYTES + 32) mutant.writeUInt32BE(cookie, HEADER_BYTES + 28);
      stranger.send(mutant);
      if (i % 25 === 24) await delay(5);
    }
  });

  it('a cookie that is wrong is met with silence', async () => {
    await using stranger = await attacker();
    let answers = 0;
    stranger.socket.on('message', () => answers++);
    for (let i = 0; i < 100; i++) stranger.send(conclusion(12345 + i, 4711, block(1, 3, HS)));
    await delay(300);
    expect(answers).toBe(0);
  });
});

/** Control packets that no honest peer sends. `destination`: the server's socket id, `from`: the first sequence number. */
function forgeries(destination: number, from: number): Buffer[] {
  const control = (type: number, information: number, words: readonly number[], subtype = 0): Buffer => {
    const datagram = controlPacket(type, information, 1_000_000, destination, words.length * 4, subtype);
    for (const [i, word] of words.entries()) datagram.writeUInt32BE(word >>> 0, HEADER_BYTES + 4 * i);
    return datagram;
  };
  const range = (first: number, last: number) => [(0x8000_0000 | first) >>> 0, last];
  const data = (sequence: number): Buffer => {
    const datagram = Buffer.alloc(HEADER_BYTES + 1316, 0xee);
    writeDataHeader(datagram, sequence, 1, 1_000_000, destination);
    return datagram;
  };
  return [
    control(CONTROL.ack, 1, [sequenceAfter(from, 1_000_000), 1, 1, 1, 1, 1, 1]),
    control(CONTROL.ack, 1, [0xffff_ffff]),
    control(CONTROL.ackAck, 0xffff_ffff, []),
    control(CONTROL.nak, 0, range(0, 0x7fff_ffff)),
    control(CONTROL.nak, 0, range(sequenceAfter(from, 10), from)),
    control(CONTROL.nak, 0, [0x8000_0000]),
    control(
      CONTROL.nak,
      0,
      Array.from({ length: 300 }, (_, i) => sequenceAfter(from, i * 1000)),
    ),
    control(CONTROL.dropRequest, 0, [0, 0x7fff_ffff]),
    control(CONTROL.dropRequest, 0, [sequenceAfter(from, 5), from]),
    control(CONTROL.dropRequest, 0, [7]),
    control(CONTROL.user, 0, [1, 2, 3, 4], USER.keyRequest),
    control(CONTROL.user, 0, [5], USER.keyResponse),
    control(CONTROL.shutdown, 0, [0]),
    control(CONTROL.handshake, 0, []),
    data(sequenceAfter(from, 1_000_000_000)),
    data(sequenceAfter(from, 30_000)),
    data(from),
  ];
}

describe('forged packets', () => {
  afterEach(() => besieged.expectAlive());

  it('from another address, with the right socket ids: a connection does not notice', async () => {
    await using publisher = await SrtCaller.connect(port(), { streamId: 'publish:hostile/victim' });
    await using viewer = await SrtCaller.connect(port(), { streamId: 'read:hostile/victim' });
    await using stranger = await attacker();
    for (const { negotiated } of [publisher, viewer]) {
      for (const forged of forgeries(negotiated.peerSocketId, negotiated.initialSequence)) stranger.send(forged);
    }
    await delay(500);
    expect([publisher.isClosed, viewer.isClosed]).toEqual([false, false]);
    expect(publisher.send(Buffer.alloc(188, 0x47))).toBe(true);
    expect((await besieged.server.stream('hostile/victim'))?.state).toBe('live');
    await publisher.close();
  });

  it.each(['publish', 'read'] as const)('from a peer itself (%s): its own connection at most ends', async (mode) => {
    const kinds = forgeries(0, 0).length;
    for (let kind = 0; kind < kinds; kind++) {
      const path = `hostile/${mode}-${kind}`;
      await using publisher = await SrtCaller.connect(port(), { streamId: `publish:${path}` });
      await using viewer = await SrtCaller.connect(port(), { streamId: `read:${path}` });
      const liar = mode === 'publish' ? publisher : viewer;
      for (let i = 0; i < 20; i++) publisher.send(Buffer.alloc(1316, 0x47));
      await delay(30);
      const { peerSocketId, initialSequence } = liar.negotiated;
      for (let i = 0; i < 50; i++) liar.sendRaw(forgeries(peerSocketId, initialSequence)[kind]!);
    }
    await delay(300);
  });
});

it('nobody else has noticed, and nothing of it was kept', async () => {
  // A publisher over SRT is taken and recorded whole after all that.
  const file = await clip('h264-small');
  await publishSrt(file, besieged.server.srt('publish:hostile/after')).succeed();
  await expectRecorded(await completeRecording(besieged.server.store, 'hostile/after'), file);
  await besieged.expectNothingLost();
  expect(besieged.highestMemory() - memory).toBeLessThan(MOST_GROWTH);
});
