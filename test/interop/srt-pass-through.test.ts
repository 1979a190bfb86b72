import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freeUdpPort } from '../support/ports.ts';
import { type Server, startServer } from '../support/server.ts';
import { srtLiveTransmit } from '../support/srt-programs.ts';
import { tsClip, withPrivatePackets } from '../support/ts-clips.ts';
import { waitFor } from '../support/wait-for.ts';

const PASSPHRASE = 'mysecretkey';
const MESSAGE_BYTES = 1316;
const PACKET_BYTES = 188;
/** Three times as fast as real time, in even steps. */
const MESSAGES_PER_STEP = 2;
const STEP_MS = 8;
/** Sent and not yet arrived: fewer than the program's UDP socket holds, for its datagrams have nobody to ask for them again. */
const MOST_UNDERWAY = 40;
/** The viewer plays what it has got within this time. */
const LATENCY_MS = 500;
const ENV = { HEADWATER_SRT_WAIT_FOR_PUBLISHER: '14s' };

let source: Buffer;
beforeAll(async () => {
  const whole = withPrivatePackets(readFileSync(await tsClip('h264-small')));
  source = whole.subarray(0, whole.length - (whole.length % MESSAGE_BYTES));
});

/** Sends the source to a UDP port, in the messages that SRT will have. `arrived`: how many of them have come out of SRT. */
async function sendByUdp(port: number, arrived: () => Promise<number>): Promise<void> {
  const socket = createSocket('udp4');
  for (let sent = 0, known = 0; sent * MESSAGE_BYTES < source.length; ) {
    for (let i = 0; i < MESSAGES_PER_STEP && sent * MESSAGE_BYTES < source.length; i++, sent++) {
      socket.send(source.subarray(sent * MESSAGE_BYTES, (sent + 1) * MESSAGE_BYTES), port, '127.0.0.1');
    }
    await delay(STEP_MS);
    if (sent - known >= MOST_UNDERWAY) {
      known = await waitFor('messages to arrive', async () => {
        const count = await arrived();
        return sent - count < MOST_UNDERWAY && count;
      });
    }
  }
  socket.close();
}

/** The tables that a viewer is sent first are copies: what follows them is looked for in the source. */
function withoutTables(received: Buffer): Buffer {
  let at = 0;
  while (isTable(received, at)) at += PACKET_BYTES;
  return received.subarray(at);
}

function isTable(bytes: Buffer, at: number): boolean {
  if (at + PACKET_BYTES > bytes.length || bytes[at] !== 0x47) return false;
  const pid = bytes.readUInt16BE(at + 1) & 0x1fff;
  return pid === 0 || pid === 0x1000; // ffmpeg's muxer has the program map there
}

describe.concurrent('srt-live-transmit in, srt-live-transmit out: the very bytes', () => {
  let clear: Server;
  let secret: Server;
  beforeAll(async () => {
    clear = await startServer({ env: ENV });
    secret = await startServer({ env: ENV, args: ['--srt-passphrase', PASSPHRASE, '--srt-pbkeylen', '32'] });
  });
  afterAll(async () => {
    await clear?.[Symbol.asyncDispose]();
    await secret?.[Symbol.asyncDispose]();
  });

  it.each([
    { name: 'clear', options: {} },
    { name: 'AES-128', options: { passphrase: PASSPHRASE, pbkeylen: 16 } },
    { name: 'AES-256, as the server advises', options: { passphrase: PASSPHRASE } },
  ])('$name', async ({ name, options }) => {
    const server = name === 'clear' ? clear : secret;
    const path = `live/${name.replaceAll(/\W/g, '')}`;
    const udp = await freeUdpPort();
    const pieces: Buffer[] = [];
    const patient = { ...options, conntimeo: 15_000 };
    await using viewer = srtLiveTransmit(server.srt(`read:${path}`, patient), 'file://con', {
      args: ['-a:no'],
      onStdout: (data) => pieces.push(data),
    });
    await server.waitForLog('play command', { stream_key: path });
    const publisher = srtLiveTransmit(`udp://127.0.0.1:${udp}`, server.srt(`publish:${path}`, options));
    await using _ = publisher;
    await server.waitForLog('Subscriber added', { stream_key: path });
    const arrived = async () => Number((await server.stream(path))?.publisher?.srt?.pktRecvUnique ?? 0);
    await sendByUdp(udp, arrived);
    const view = await waitFor('the last message to arrive', async () => {
      const now = await server.stream(path);
      return now?.publisher?.srt?.pktRecvUnique === source.length / MESSAGE_BYTES ? now : undefined;
    });
    await delay(LATENCY_MS);
    await publisher.stop('SIGINT');
    await viewer.wait();

    const got = withoutTables(Buffer.concat(pieces));
    const from = source.indexOf(got.subarray(0, 2 * MESSAGE_BYTES));
    expect(from, 'where in the source it begins').toBeGreaterThanOrEqual(0);
    expect(from, 'it begins with the first keyframe').toBeLessThan(10 * PACKET_BYTES);
    expect(got.equals(source.subarray(from)), 'one contiguous run of the source, up to its end').toBe(true);
    const length = name === 'clear' ? undefined : name === 'AES-128' ? 16 : 32;
    const encryption = length === undefined ? null : { cipher: 'aes-ctr', keyLength: length, passphrase: 'current' };
    expect(view.publisher?.srt).toMatchObject({ encryption, pktRcvDrop: 0, pktRcvUndecrypt: 0 });
  });
});
