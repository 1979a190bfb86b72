import { randomInt } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { setTimeout as delay } from 'node:timers/promises';
import { encodeHandshake, HANDSHAKE, UDT_DATAGRAM } from '../../ingest/protocol/srt/handshake-packet.ts';
import { HEADER_BYTES } from '../../ingest/protocol/srt/packet.ts';

const PORTS = 250;
const SOCKET_ID_AT = HEADER_BYTES + 24;
const STEP_MS = 2;

/** What every SRT caller sends first. */
function induction(address: string): Buffer {
  const caller = {
    version: 4,
    encryption: 0,
    extension: UDT_DATAGRAM,
    initialSequence: 7,
    mtu: 1500,
    flowWindow: 8192,
  };
  return encodeHandshake(
    { ...caller, type: HANDSHAKE.induction, socketId: 1, cookie: 0 },
    { timestamp: 0, destination: 0, address },
  );
}

/** Asks an SRT listener for so many handshakes a second, from many ports, each as another caller, and never goes on with one. */
async function flood(address: string, port: number, perSecond: number, seconds: number): Promise<void> {
  let answers = 0;
  const sockets: Socket[] = [];
  for (let i = 0; i < PORTS; i += 1) {
    const socket = createSocket('udp4');
    socket.on('message', () => {
      answers += 1;
    });
    await new Promise<void>((resolve) => socket.bind(0, resolve));
    sockets.push(socket);
  }
  const datagram = induction(address);
  const began = performance.now();
  const total = perSecond * seconds;
  let sent = 0;
  while (sent < total) {
    const due = Math.min(total, Math.floor(((performance.now() - began) * perSecond) / 1000));
    for (; sent < due; sent += 1) {
      datagram.writeUInt32BE(randomInt(1, 2 ** 30), SOCKET_ID_AT);
      sockets[sent % PORTS]?.send(datagram, port, address);
    }
    await delay(STEP_MS);
  }
  const took = (performance.now() - began) / 1000;
  console.log(JSON.stringify({ sent, took, answers }));
  for (const socket of sockets) socket.close();
}

const [address, port, perSecond, seconds] = process.argv.slice(2);
await flood(address as string, Number(port), Number(perSecond), Number(seconds));
