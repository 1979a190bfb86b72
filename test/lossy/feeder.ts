import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/** Seven TS packets: one SRT message. */
const MESSAGE_BYTES = 1316;
const TS_PACKET_BYTES = 188;
/** Sent slowly behind the file: a sender of SRT notices the loss of a packet only when another one arrives. */
const TRAILERS = 20;
const TRAILER_MS = 50;

/** Sends a TS file to a UDP port of its own host at an even pace, as an encoder with a constant bit rate does. */
async function feed(file: string, port: number, messagesPerSecond: number): Promise<void> {
  const source = wholeMessages(readFileSync(file));
  const socket = createSocket('udp4');
  const send = (message: Buffer): void => socket.send(message, port, '127.0.0.1');
  const messages = source.length / MESSAGE_BYTES;
  const began = performance.now();
  for (let sent = 0; sent < messages; await delay(1)) {
    const due = Math.min(messages, Math.floor(((performance.now() - began) * messagesPerSecond) / 1000));
    for (; sent < due; sent += 1) send(source.subarray(sent * MESSAGE_BYTES, (sent + 1) * MESSAGE_BYTES));
  }
  const padding = nullPackets(MESSAGE_BYTES);
  for (let i = 0; i < TRAILERS; i += 1) {
    send(padding);
    await delay(TRAILER_MS);
  }
  socket.close();
}

/** The file with null packets behind it, until its last message is as long as the others. */
function wholeMessages(file: Buffer): Buffer {
  const more = MESSAGE_BYTES - (file.length % MESSAGE_BYTES);
  return more === MESSAGE_BYTES ? file : Buffer.concat([file, nullPackets(more)]);
}

function nullPackets(bytes: number): Buffer {
  const packets = Buffer.alloc(bytes, 0xff);
  for (let at = 0; at < bytes; at += TS_PACKET_BYTES) packets.set([0x47, 0x1f, 0xff, 0x10], at);
  return packets;
}

const [file, port, messagesPerSecond] = process.argv.slice(2);
await feed(file as string, Number(port), Number(messagesPerSecond));
