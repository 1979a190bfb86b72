import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';

const FIRST = 20_000;
/** Below Linux's ephemeral range (32768…), so that no outgoing connection takes one between the test and the server. */
const LAST = 32_000;

/** Ports of one process: those of the files that run side by side never meet. */
const SHARE = 120;
const shares = Math.floor((LAST - FIRST) / SHARE);
const base = FIRST + (process.pid % shares) * SHARE;
let given = Math.floor(Math.random() * SHARE);

/** A TCP port of 127.0.0.1 that nobody listens on, and that is not given again soon. Stays the same over restarts of the server that uses it. */
export function freePort(): Promise<number> {
  return firstFree(isFree);
}

/** The same of UDP. */
export function freeUdpPort(): Promise<number> {
  return firstFree(isFreeUdp);
}

async function firstFree(isFree: (port: number) => Promise<boolean>): Promise<number> {
  for (let tries = 0; tries < SHARE; tries++) {
    const port = base + (given++ % SHARE);
    if (await isFree(port)) return port;
  }
  throw new Error(`no free port between ${base} and ${base + SHARE}`);
}

function isFreeUdp(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = createSocket('udp4');
  socket.once('error', () => resolve(false));
  socket.bind(port, '127.0.0.1', () => socket.close(() => resolve(true)));
  return promise;
}

function isFree(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const server = createServer();
  server.once('error', () => resolve(false));
  server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  return promise;
}
