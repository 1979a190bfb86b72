import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { Authorizer } from '../auth/authorizer.ts';
import { formatListenAddress, type ListenAddress } from '../config/listen-address.ts';
import type { Hub } from '../relay/hub.ts';
import type { Log } from '../runtime/log.ts';
import type { Meter } from '../runtime/meter.ts';
import type { AddressLimits, AddressTicket } from './address-limits.ts';
import { closed, listening } from './listening.ts';
import { ReadPace } from './read-pace.ts';
import { type ConnectionLimits, RtmpConnection } from './rtmp-connection.ts';
import type { TlsMaterial } from './tls.ts';

/** What the RTMP and RTMPS listeners share. */
export interface RtmpServerOptions {
  readonly hub: Hub;
  readonly authorizer: Authorizer;
  readonly limits: ConnectionLimits;
  readonly addresses: AddressLimits;
  readonly chunkSize: number;
  readonly log: Log;
  readonly meter: Meter;
}

const SWEEP_MS = 1_000;
/** A write this large is handed to the kernel at once; the relay looks at what is left, not at this mark. */
const WRITE_MARK_BYTES = 1024 * 1024;

/** The RTMP and RTMPS listeners, and all their connections. */
export class RtmpServer implements AsyncDisposable {
  readonly #options: RtmpServerOptions;
  readonly #connections = new Set<RtmpConnection>();
  /** Who is still in the TLS handshake, by address and port. */
  readonly #shaking = new Map<string, { readonly socket: Socket; readonly ticket: AddressTicket }>();
  readonly #servers: Server[] = [];
  readonly #pace = new ReadPace();
  readonly #sweeper: NodeJS.Timeout;
  #lastId = 0;

  constructor(options: RtmpServerOptions) {
    this.#options = options;
    this.#sweeper = setInterval(() => {
      const now = performance.now();
      for (const connection of this.#connections) connection.sweep(now);
    }, SWEEP_MS);
  }

  /** Connections that are open. */
  get connectionCount(): number {
    return this.#connections.size;
  }

  /** Opens an RTMP listener. Returns the port. @throws Fault `ERR_LISTEN` */
  listen(address: ListenAddress): Promise<number> {
    return this.#listen(address, 'RTMP', (socket, ticket) => this.#accept(socket, 'rtmp', ticket));
  }

  /** Opens an RTMPS listener. Returns the port, and the function that puts another certificate in force. @throws Fault `ERR_LISTEN` */
  async listenTls(
    address: ListenAddress,
    material: TlsMaterial,
  ): Promise<{ port: number; renew: (next: TlsMaterial) => void }> {
    const { limits, meter, log } = this.#options;
    // It does not listen itself: connections are counted before they cost a handshake.
    const tls = createTlsServer({ ...material, handshakeTimeout: limits.handshake }, (socket) => {
      const ticket = this.#shaking.get(nameOf(socket))?.ticket;
      if (ticket === undefined) return void socket.destroy();
      this.#shaking.delete(nameOf(socket));
      this.#accept(socket, 'rtmps', ticket);
    });
    tls.on('tlsClientError', (error, socket) => {
      const code = 'ERR_TLS_HANDSHAKE';
      meter.count('headwater_connection_faults_total', code);
      log.debug({ code, peer_addr: socket.remoteAddress, reason: error.message }, 'TLS handshake failed');
      socket.destroy();
    });
    const port = await this.#listen(address, 'RTMPS', (socket, ticket) => {
      const name = nameOf(socket);
      this.#shaking.set(name, { socket, ticket });
      socket.once('close', () => {
        if (this.#shaking.delete(name)) ticket.close();
      });
      tls.emit('connection', socket);
    });
    return { port, renew: (next) => tls.setSecureContext({ ...next }) };
  }

  /** No new connections. */
  stopAccepting(): void {
    for (const server of this.#servers) server.close();
  }

  /** Tells every peer, and lets what was written leave. */
  shutdown(): void {
    for (const connection of this.#connections) connection.shutdown();
  }

  /** Cuts what is left. Afterwards nothing of it runs. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#sweeper);
    this.#pace[Symbol.dispose]();
    const ends = this.#servers.map(closed);
    for (const { socket } of [...this.#shaking.values()]) socket.destroy();
    for (const connection of [...this.#connections]) connection.destroy();
    await Promise.all(ends);
  }

  async #listen(
    address: ListenAddress,
    name: string,
    onSocket: (socket: Socket, ticket: AddressTicket) => void,
  ): Promise<number> {
    const { addresses, log } = this.#options;
    const server = createServer({ noDelay: true, highWaterMark: WRITE_MARK_BYTES }, (socket) => {
      const ticket = addresses.open(socket.remoteAddress ?? '');
      if (ticket === undefined) socket.destroy();
      else onSocket(socket, ticket);
    });
    const port = await listening(server, address, name, log);
    this.#servers.push(server);
    log.info({ addr: formatListenAddress({ host: address.host, port }) }, `${name} server listening`);
    return port;
  }

  #accept(socket: Socket, protocol: 'rtmp' | 'rtmps', ticket: AddressTicket): void {
    const { meter, log, hub, authorizer, limits, chunkSize } = this.#options;
    meter.count('headwater_connections_total', protocol);
    const number = ++this.#lastId;
    const id = `c${String(number).padStart(6, '0')}`;
    const connection = new RtmpConnection(socket, {
      id,
      protocol,
      hub,
      authorizer,
      limits,
      chunkSize,
      ticket,
      rest: (resting) => this.#pace.rest(resting, number),
      log,
      meter,
      onClosed: () => this.#connections.delete(connection),
    });
    this.#connections.add(connection);
  }
}

function nameOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
