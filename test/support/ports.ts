import { createSocket } from 'node:dgram';
import { createServer, type Server } from 'node:net';

const FIRST = 20_000;
/** Below Linux's ephemeral range (32768…), so that no outgoing connection takes one between the test and the server. */
const LAST = 32_000;
/** Ports of one process: those of the files that run side by side never meet. */
const SHARE = 120;
const SHARES = Math.floor((LAST - FIRST) / SHARE);

/** What this process has of the ports: it listens on the first of them as long as it lives, and so no other has them. */
let share: Promise<number> | undefined;
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
  share ??= claimShare();
  const base = await share;
  for (let tries = 1; tries < SHARE; tries++) {
    const port = base + 1 + (given++ % (SHARE - 1));
    if (await isFree(port)) return port;
  }
  throw new Error(`no free port between ${base} and ${base + SHARE}`);
}

async function claimShare(): Promise<number> {
  for (let tries = 0; tries < SHARES; tries++) {
    const base = FIRST + ((process.pid + tries) % SHARES) * SHARE;
    const claim = await listen(base);
    if (claim === undefined) continue;
    claim.unref();
    return base;
  }
  throw new Error(`all ports between ${FIRST} and ${LAST} are in use`);
}

async function isFree(port: number): Promise<boolean> {
  const server = await listen(port);
  if (server === undefined) return false;
  await server[Symbol.asyncDispose]();
  return true;
}

function listen(port: number): Promise<Server | undefined> {
  const { promise, resolve } = Promise.withResolvers<Server | undefined>();
  const server = createServer();
  server.once('error', () => resolve(undefined));
  server.listen(port, '127.0.0.1', () => resolve(server));
  return promise;
}

function isFreeUdp(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = createSocket('udp4');
  socket.once('error', () => resolve(false));
  socket.bind(port, '127.0.0.1', () => socket.close(() => resolve(true)));
  return promise;
}
