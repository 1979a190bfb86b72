import { readFileSync } from 'node:fs';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Agent, createServer, request } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { ControlPlane } from './control-plane.ts';

/** What the proxy does with watches that are open, and with those that are opened. */
export type WatchFault =
  /** Ends each in good order, as soon as it is there. */
  | 'close'
  /** Leaves them open, and holds back what is sent in them. */
  | 'silence'
  /** Breaks them off in the middle of a line. */
  | 'truncate'
  /** Says in them that the version is too old. */
  | 'gone';

/** What it answers to requests that are no watches, in place of the API server. */
export type RequestFault = 'throttle' | 'fail' | 'refuse';

/** A request that came through. */
export interface ProxiedRequest {
  readonly at: number;
  readonly method: string;
  readonly url: string;
  readonly userAgent: string;
}

/** An open watch: what the client gets, and what the server sends. */
interface Watch {
  readonly response: ServerResponse;
  readonly upstream: IncomingMessage;
  /** What was held back. */
  held: Buffer[];
  /** Nothing is let through any more. */
  isLost: boolean;
}

/** Between a client and the API server, with faults on demand. It keeps a list of what was asked. */
export class ApiProxy implements AsyncDisposable {
  readonly requests: ProxiedRequest[] = [];
  /** TLS connections that clients have opened. */
  connections = 0;
  /** Asked for each write: true, and it never reaches the API server nor is answered. */
  swallow: (request: { readonly method: string; readonly url: string }) => boolean = () => false;
  readonly #plane: ControlPlane;
  readonly #server: Server;
  readonly #agent: Agent;
  readonly #watches = new Set<Watch>();
  #watchFault: WatchFault | undefined;
  #requestFault: RequestFault | undefined;

  private constructor(plane: ControlPlane, server: Server) {
    this.#plane = plane;
    this.#server = server;
    this.#agent = new Agent({ keepAlive: true, ca: readFileSync(plane.ca) });
    server.on('secureConnection', () => {
      this.connections += 1;
    });
    server.on('request', (incoming, response) => this.#take(incoming, response));
  }

  static async start(plane: ControlPlane): Promise<ApiProxy> {
    const { cert, key } = await plane.issue('proxy', '/CN=proxy', ['IP:127.0.0.1']);
    const server = createServer({ cert: readFileSync(cert), key: readFileSync(key), keepAliveTimeout: 90_000 });
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    return new ApiProxy(plane, server);
  }

  get url(): string {
    return `https://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get openWatches(): number {
    return this.#watches.size;
  }

  /** From now on this happens to watches; those that are open have it at once. */
  faultWatches(fault: WatchFault): void {
    this.#watchFault = fault;
    for (const watch of this.#watches) this.#spoil(watch);
  }

  /** From now on requests are answered so. */
  faultRequests(fault: RequestFault): void {
    this.#requestFault = fault;
  }

  /** All is well again. What was held back is let through, as TCP does it when a network comes back. */
  heal(): void {
    this.#watchFault = undefined;
    this.#requestFault = undefined;
    for (const watch of this.#watches) {
      for (const data of watch.held) watch.response.write(data);
      watch.held = [];
    }
  }

  /** Nothing comes in the watches that are open any more, nor do they end: a router on the way has forgotten them. */
  loseWatches(): void {
    for (const watch of this.#watches) watch.isLost = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((closed) => this.#server.close(closed));
    this.#agent.destroy();
  }

  #take(incoming: IncomingMessage, response: ServerResponse): void {
    const { method = '', url = '', headers } = incoming;
    this.requests.push({ at: performance.now(), method, url, userAgent: headers['user-agent'] ?? '' });
    if (method !== 'GET' && this.swallow({ method, url })) return;
    const isWatch = /[?&]watch=true/.test(url);
    // A Lease is let through: who leads is not what is tried here.
    const fault = isWatch || url.includes('/leases/') ? undefined : this.#requestFault;
    if (fault) answerWith(fault, response);
    else this.#forward(incoming, response, isWatch);
  }

  #forward(incoming: IncomingMessage, response: ServerResponse, isWatch: boolean): void {
    const { method, url, headers } = incoming;
    const { address, apiPort } = this.#plane;
    const onward = request(
      {
        host: address,
        port: apiPort,
        method,
        path: url,
        headers,
        agent: isWatch ? false : this.#agent,
        ca: readFileSync(this.#plane.ca),
      },
      (upstream) => {
        response.writeHead(upstream.statusCode!, upstream.headers);
        if (isWatch && upstream.statusCode === 200) this.#follow({ response, upstream, held: [], isLost: false });
        else upstream.pipe(response);
      },
    );
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
    incoming.pipe(onward);
  }

  #follow(watch: Watch): void {
    const { response, upstream } = watch;
    response.flushHeaders();
    this.#watches.add(watch);
    response.on('close', () => this.#watches.delete(watch));
    upstream.on('data', (data: Buffer) => {
      if (watch.isLost) return;
      if (this.#watchFault === undefined) response.write(data);
      else if (this.#watchFault === 'silence') watch.held.push(data);
      else if (this.#watchFault === 'truncate') this.#truncate(watch, data);
    });
    upstream.on('end', () => {
      if (!watch.isLost) response.end();
    });
    upstream.on('error', () => response.destroy());
    this.#spoil(watch);
  }

  #spoil(watch: Watch): void {
    const { response } = watch;
    if (this.#watchFault === 'close') response.end();
    else if (this.#watchFault === 'truncate')
      this.#truncate(watch, Buffer.from('{"type":"MODIFIED","object":{"kind":"'));
    else if (this.#watchFault === 'gone') response.end(GONE);
  }

  #truncate({ response }: Watch, data: Buffer): void {
    response.write(data.subarray(0, Math.ceil(data.length / 2)), () => response.destroy());
  }
}

const GONE = `${JSON.stringify({
  type: 'ERROR',
  object: { kind: 'Status', apiVersion: 'v1', status: 'Failure', reason: 'Expired', code: 410, message: 'too old' },
})}\n`;

function answerWith(fault: RequestFault, response: ServerResponse): void {
  const status = { throttle: 429, fail: 500, refuse: 0 }[fault];
  if (status === 0) {
    response.destroy();
    return;
  }
  const body = { kind: 'Status', apiVersion: 'v1', status: 'Failure', code: status, message: 'by the proxy' };
  response.writeHead(status, { 'content-type': 'application/json', ...(status === 429 && { 'retry-after': '1' }) });
  response.end(JSON.stringify(body));
}
