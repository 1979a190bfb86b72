import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { formatListenAddress, type ListenAddress } from '../config/listen-address.ts';
import type { Log } from '../runtime/log.ts';
import type { Meter } from '../runtime/meter.ts';
import type { AddressLimits, AddressTicket } from './address-limits.ts';
import { closed, listening } from './listening.ts';

/** Answers a request, or says that it is not for it. `ticket` counts its connection among those of its address. */
export type Route = (
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
  ticket: AddressTicket,
) => boolean | Promise<boolean>;

/** What an HTTP server needs around it. */
export interface HttpServerOptions {
  readonly log: Log;
  readonly meter: Meter;
  /** Milliseconds a request may take to come in. */
  readonly limits: { readonly request: number };
  /** Whose connections are counted; without it there is no limit. */
  readonly addresses?: AddressLimits;
}

/** How often late requests are looked for, ms. */
const CHECK_EVERY_MS = 1_000;

/** What is answered to a request that cannot be read. */
const STATUS_LINES = {
  ERR_HTTP_MALFORMED: '400 Bad Request',
  ERR_HTTP_HEADERS_TOO_LARGE: '431 Request Header Fields Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
} as const;

const UNCOUNTED: AddressTicket = { request: () => true, accept() {}, close() {} };

/** A connection's place in the count, and the answer it waits for. */
interface Peer {
  readonly ticket: AddressTicket;
  answer?: ServerResponse;
  /** It has been counted as faulty. */
  isFaulty?: boolean;
}

/** A small HTTP server: the first route that takes a request answers it. A connection has one request at a time. */
export class HttpServer implements AsyncDisposable {
  readonly #server: Server;
  readonly #routes: readonly Route[];
  readonly #options: HttpServerOptions;
  readonly #peers = new WeakMap<Socket, Peer>();

  constructor(routes: readonly Route[], options: HttpServerOptions) {
    this.#routes = routes;
    this.#options = options;
    const { request } = options.limits;
    this.#server = createServer(
      {
        headersTimeout: request,
        requestTimeout: request,
        connectionsCheckingInterval: Math.min(CHECK_EVERY_MS, request),
        noDelay: true,
      },
      (incoming, response) => {
        void this.#answer(incoming, response);
      },
    );
    this.#server.on('connection', (socket: Socket) => this.#accept(socket));
    this.#server.on('clientError', (error: NodeJS.ErrnoException, socket) => this.#unreadable(error, socket as Socket));
  }

  /** Opens the listener. Returns the port. @throws Fault `ERR_LISTEN` */
  async listen(address: ListenAddress, name: string): Promise<number> {
    const { log } = this.#options;
    const port = await listening(this.#server, address, name, log);
    log.info({ addr: formatListenAddress({ host: address.host, port }) }, `${name} server listening`);
    return port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = closed(this.#server);
    this.#server.closeAllConnections();
    await ended;
  }

  #accept(socket: Socket): void {
    const { addresses } = this.#options;
    const ticket = addresses === undefined ? UNCOUNTED : addresses.open(socket.remoteAddress ?? '');
    if (ticket === undefined) {
      socket.destroy();
      return;
    }
    this.#peers.set(socket, { ticket });
    socket.once('close', () => ticket.close());
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('error', () => {});
    const peer = this.#peers.get(request.socket);
    if (peer === undefined) return;
    if (peer.answer?.writableEnded === false) {
      // Nobody pipelines but who means harm; and a live stream's answer has no end that the next one could follow.
      this.#fault('ERR_HTTP_PIPELINED', request.socket);
      request.socket.destroy();
      return;
    }
    peer.answer = response;
    try {
      const url = URL.parse(request.url ?? '/', 'http://localhost');
      if (url === null)
        return sendJson(response, 400, { code: 'ERR_HTTP_URL', message: 'the request target is no URL' });
      for (const route of this.#routes) if (await route(request, response, url, peer.ticket)) return;
      sendJson(response, 404, { code: 'ERR_HTTP_NOT_FOUND', message: `nothing is at ${url.pathname}` });
    } catch (error) {
      this.#options.log.error({ err: error }, 'request failed');
      if (response.headersSent) response.destroy();
      else sendJson(response, 500, { code: 'ERR_INTERNAL', message: 'the server failed on this request' });
    }
  }

  /** What came is no request, too long for one, or too slow. */
  #unreadable(error: NodeJS.ErrnoException, socket: Socket): void {
    const isLate = error.code === 'ERR_HTTP_REQUEST_TIMEOUT';
    if (isLate || error.code?.startsWith('HPE_')) {
      const code = isLate
        ? 'ERR_HTTP_REQUEST_TIMEOUT'
        : error.code === 'HPE_HEADER_OVERFLOW'
          ? 'ERR_HTTP_HEADERS_TOO_LARGE'
          : 'ERR_HTTP_MALFORMED';
      this.#fault(code, socket);
      const isFree = this.#peers.get(socket)?.answer?.writableEnded !== false;
      if (socket.writable && isFree) {
        socket.write(`HTTP/1.1 ${STATUS_LINES[code]}\r\nConnection: close\r\n\r\n`);
        socket.destroySoon();
        return;
      }
    }
    socket.destroy();
  }

  #fault(code: string, socket: Socket): void {
    const peer = this.#peers.get(socket);
    if (peer === undefined || peer.isFaulty) return;
    peer.isFaulty = true;
    const { remoteAddress, remotePort } = socket;
    this.#options.meter.count('headwater_connection_faults_total', code);
    this.#options.log.debug({ code, peer_addr: `${remoteAddress}:${remotePort}` }, 'HTTP connection closed');
  }
}

/** Answers with a JSON document. */
export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  const bytes = Buffer.from(`${JSON.stringify(body)}\n`);
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': bytes.length,
    'cache-control': 'no-store',
  });
  response.end(bytes);
}
