import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { ListenAddress } from '../ingest/config/listen-address.ts';
import { Fault } from '../ingest/runtime/fault.ts';
import type { Log } from '../ingest/runtime/log.ts';

/** What the probes ask. */
export interface OperatorHealth {
  /** Why it is not ready, as a sentence; undefined: it is. */
  readonly notReady: () => string | undefined;
  readonly metrics: () => Promise<{ readonly contentType: string; readonly body: string }>;
}

const REQUEST_MS = 5000;

/** Serves `/healthz` (the event loop answers), `/readyz` (caches filled, the pool's name is ours) and `/metrics`. */
export class HealthServer implements AsyncDisposable {
  readonly #server: Server;

  constructor(health: OperatorHealth) {
    this.#server = createServer({ requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS }, (request, response) => {
      const path = (request.url ?? '/').split('?')[0];
      void answer(path, health, response).catch(() => response.destroy());
    });
  }

  /** Opens the listener and gives its port. @throws Fault ERR_LISTEN */
  async listen(address: ListenAddress, log: Log): Promise<number> {
    try {
      this.#server.listen(address);
      await once(this.#server, 'listening');
    } catch (cause) {
      throw new Fault('ERR_LISTEN', `cannot listen for probes and metrics: ${(cause as Error).message}`, { cause });
    }
    this.#server.on('error', (error) => log.warn({ reason: error.message }, 'health server failed'));
    const bound = this.#server.address();
    return typeof bound === 'object' && bound !== null ? bound.port : address.port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}

async function answer(path: string | undefined, health: OperatorHealth, response: ServerResponse): Promise<void> {
  switch (path) {
    case '/healthz':
      return say(response, 200, 'ok');
    case '/readyz': {
      const reason = health.notReady();
      return say(response, reason === undefined ? 200 : 503, reason ?? 'ok');
    }
    case '/metrics': {
      const { contentType, body } = await health.metrics();
      response.writeHead(200, { 'content-type': contentType }).end(body);
      return;
    }
    default:
      return say(response, 404, 'nothing is here: /healthz, /readyz, /metrics');
  }
}

function say(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain' }).end(`${text}\n`);
}
