import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { formatListenAddress, type ListenAddress } from '../config/listen-address.ts';
import type { Log } from '../runtime/log.ts';
import { closed, listening } from './listening.ts';

/** Answers a request, or says that it is not for it. */
export type Route = (request: IncomingMessage, response: ServerResponse, url: URL) => boolean | Promise<boolean>;

/** A small HTTP server: the first route that takes a request answers it. */
export class HttpServer implements AsyncDisposable {
  readonly #server: Server;
  readonly #routes: readonly Route[];
  readonly #log: Log;

  constructor(routes: readonly Route[], log: Log, limits: { readonly request: number }) {
    this.#routes = routes;
    this.#log = log;
    this.#server = createServer(
      { headersTimeout: limits.request, requestTimeout: limits.request, noDelay: true },
      (request, response) => {
        void this.#answer(request, response);
      },
    );
  }

  /** Opens the listener. Returns the port. @throws Fault `ERR_LISTEN` */
  async listen(address: ListenAddress, name: string): Promise<number> {
    const port = await listening(this.#server, address, name);
    this.#log.info({ addr: formatListenAddress({ host: address.host, port }) }, `${name} server listening`);
    return port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = closed(this.#server);
    this.#server.closeAllConnections();
    await ended;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('error', () => {});
    try {
      const url = URL.parse(request.url ?? '/', 'http://localhost');
      if (url === null)
        return sendJson(response, 400, { code: 'ERR_HTTP_URL', message: 'the request target is no URL' });
      for (const route of this.#routes) if (await route(request, response, url)) return;
      sendJson(response, 404, { code: 'ERR_HTTP_NOT_FOUND', message: `nothing is at ${url.pathname}` });
    } catch (error) {
      this.#log.error({ err: error }, 'request failed');
      if (response.headersSent) response.destroy();
      else sendJson(response, 500, { code: 'ERR_INTERNAL', message: 'the server failed on this request' });
    }
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
