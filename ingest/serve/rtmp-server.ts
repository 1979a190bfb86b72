import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:tls';
import { formatListenAddress, type ListenAddress } from '../config/listen-address.ts';
import type { Hub } from '../relay/hub.ts';
import type { Log } from '../runtime/log.ts';
import type { Meter } from '../runtime/meter.ts';
import type { AddressLimits } from './address-limits.ts';
import { closed, listening } from './listening.ts';
import { type ConnectionLimits, RtmpConnection } from './rtmp-connection.ts';
import type { TlsMaterial } from './tls.ts';

/** What the RTMP and RTMPS listeners share. */
export interface RtmpServerOptions {
  readonly hub: Hub;
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
  readonly #servers: Server[] = [];
  readonly #sweeper: NodeJS.Timeout;
  #lastId = 0;

  constructor(options: RtmpServerOptions) {
    this.#options = options;
    this.#sweeper = setInterval(() => {
      const now = performance.now();
      for (const connection of this.#connections) connection.sweep(now);
    }, SWEEP_MS);
    options.meter.gauge('headwater_connections', () => this.#connections.size);
  }

  /** Opens an RTMP listener. Returns the port. @throws Fault `ERR_LISTEN` */
  async listen(address: ListenAddress): Promise<number> {
    const server = createServer({ noDelay: true, highWaterMark: WRITE_MARK_BYTES }, (socket) =>
      this.#accept(socket, 'rtmp'),
    );
    const port = await listening(server, address, 'RTMP');
    this.#servers.push(server);
    this.#options.log.info({ addr: formatListenAddress({ host: address.host, port }) }, 'RTMP server listening');
    return port;
  }

  /** Opens an RTMPS listener. Returns the port, and the function that puts another certificate in force. @throws Fault `ERR_LISTEN` */
  async listenTls(
    address: ListenAddress,
    material: TlsMaterial,
  ): Promise<{ port: number; renew: (next: TlsMaterial) => void }> {
    const { limits, meter } = this.#options;
    const server: TlsServer = createTlsServer(
      { ...material, handshakeTimeout: limits.handshake, noDelay: true, highWaterMark: WRITE_MARK_BYTES },
      (socket) => this.#accept(socket, 'rtmps'),
    );
    server.on('tlsClientError', (error, socket) => {
      meter.count('headwater_connection_faults_total', 'ERR_TLS_HANDSHAKE');
      this.#options.log.debug({ peer_addr: socket.remoteAddress, reason: error.message }, 'TLS handshake failed');
    });
    const port = await listening(server, address, 'RTMPS');
    this.#servers.push(server);
    this.#options.log.info({ addr: formatListenAddress({ host: address.host, port }) }, 'RTMPS server listening');
    return { port, renew: (next) => server.setSecureContext({ ...next }) };
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
    const ends = this.#servers.map(closed);
    for (const connection of [...this.#connections]) connection.destroy();
    await Promise.all(ends);
  }

  #accept(socket: Socket, protocol: 'rtmp' | 'rtmps'): void {
    const { addresses, meter, log, hub, limits, chunkSize } = this.#options;
    const ticket = addresses.open(socket.remoteAddress ?? '');
    if (ticket === undefined) {
      meter.count('headwater_connection_faults_total', 'ERR_LIMIT_PENDING_PER_ADDRESS');
      socket.destroy();
      return;
    }
    meter.count('headwater_connections_total', protocol);
    const id = `c${String(++this.#lastId).padStart(6, '0')}`;
    const connection = new RtmpConnection(socket, {
      id,
      protocol,
      hub,
      limits,
      chunkSize,
      ticket,
      log,
      meter,
      onClosed: () => this.#connections.delete(connection),
    });
    this.#connections.add(connection);
  }
}
