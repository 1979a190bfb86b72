import { once } from 'node:events';
import type { Server } from 'node:net';
import { formatListenAddress, type ListenAddress } from '../config/listen-address.ts';
import { Fault } from '../runtime/fault.ts';
import type { Log } from '../runtime/log.ts';

const ADVICE: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is in use: stop the other program, or choose another port',
  EACCES: 'ports below 1024 need rights that this process does not have: choose a higher one',
  EADDRNOTAVAIL: 'this machine has no such address',
  ENOTFOUND: 'the host name cannot be resolved',
};

/**
 * Opens `server`. Returns the port, which is another than asked for where that was 0.
 * @throws Fault `ERR_LISTEN` with a sentence that says what to do
 */
export async function listening(server: Server, where: ListenAddress, name: string, log: Log): Promise<number> {
  try {
    server.listen(where);
    await once(server, 'listening');
  } catch (cause) {
    throw listenFault(where, name, cause);
  }
  // A connection that the kernel could not hand over (no descriptors left): the peer tries again, the listener goes on.
  server.on('error', (error) => log.warn({ reason: error.message }, `${name} server could not accept a connection`));
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : where.port;
}

/** Why a listener could not be opened, as a sentence that says what to do. */
export function listenFault(where: ListenAddress, name: string, cause: unknown): Fault {
  const { code = '', message } = cause as NodeJS.ErrnoException;
  const address = formatListenAddress(where);
  return new Fault('ERR_LISTEN', `cannot listen for ${name} on ${address}: ${ADVICE[code] ?? message}`, { cause });
}

/** Resolves when `server` has closed; closes it if need be. Connections are the caller's to end. */
export async function closed(server: Server): Promise<void> {
  if (!server.listening) return;
  const ended = once(server, 'close');
  server.close();
  await ended;
}
