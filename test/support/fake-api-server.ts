import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ApiAccess } from '../../kube/api-access.ts';
import type { KubeObject } from '../../kube/kube-object.ts';

interface HistoryEntry {
  readonly version: number;
  readonly type: string;
  readonly object: KubeObject;
}

/** A request as it came. */
export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** Answers a request in place of the server. Gives whether it did. */
type Intercept = (request: SeenRequest, response: ServerResponse) => boolean;

/**
 * As much of an API server as lists, watches and writes of one collection need, for the faults that a real one cannot be
 * made to show. What a real one does is shown in test/kube-api.
 */
export class FakeApiServer implements AsyncDisposable {
  readonly requests: SeenRequest[] = [];
  /** Set by a test to answer some requests in its own way. */
  intercept: Intercept | undefined;
  /** While true, changes reach no watch: they are open and silent. */
  silent = false;
  readonly #server: Server;
  readonly #watches = new Set<ServerResponse>();
  readonly #objects = new Map<string, KubeObject>();
  #history: HistoryEntry[] = [];
  #version = 100;
  /** Versions up to this one are forgotten: 410. */
  #forgotten = 0;

  private constructor(server: Server) {
    this.#server = server;
    server.on('request', (request, response) => void this.#take(request, response));
  }

  static async start(): Promise<FakeApiServer> {
    const server = createServer();
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    return new FakeApiServer(server);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get access(): ApiAccess {
    return {
      server: this.url,
      namespace: 'default',
      credentials: async () => ({ headers: { authorization: 'Bearer token' }, tls: {} }),
      renew() {},
    };
  }

  get version(): string {
    return String(this.#version);
  }

  get openWatches(): number {
    return this.#watches.size;
  }

  /** How many watches were asked for. */
  get watchRequests(): readonly SeenRequest[] {
    return this.requests.filter(({ query }) => query.has('watch'));
  }

  get listRequests(): readonly SeenRequest[] {
    return this.requests.filter(
      ({ method, query, path }) => method === 'GET' && !query.has('watch') && path.endsWith('s'),
    );
  }

  /** Makes or changes an object, and tells the watches. */
  set(name: string, fields: object = {}, labels?: Record<string, string>): KubeObject {
    const type = this.#objects.has(name) ? 'MODIFIED' : 'ADDED';
    const object = this.#object(name, fields, labels);
    this.#objects.set(name, object);
    this.#tell(type, object);
    return object;
  }

  delete(name: string): KubeObject {
    const object = this.#object(name, {});
    this.#objects.delete(name);
    this.#tell('DELETED', object);
    return object;
  }

  /** Changes an object and tells nobody, ever: a lost event. */
  setUnseen(name: string): void {
    this.#objects.set(name, this.#object(name, {}));
  }

  /** A bookmark to every watch. */
  bookmark(): void {
    this.#version += 1;
    const object = { kind: 'Secret', apiVersion: 'v1', metadata: { resourceVersion: this.version } };
    this.writeToWatches(`${JSON.stringify({ type: 'BOOKMARK', object })}\n`);
  }

  writeToWatches(text: string): void {
    for (const response of this.#watches) response.write(text);
  }

  /** Ends every watch in good order. */
  endWatches(): void {
    for (const response of this.#watches) {
      // It is told nothing more, as if what follows came after its end.
      this.#watches.delete(response);
      response.end();
    }
  }

  /** Breaks every watch off. */
  cutWatches(): void {
    for (const response of this.#watches) response.destroy();
  }

  /** What has happened so far can no longer be watched. */
  forgetHistory(): void {
    this.#forgotten = this.#version;
    this.#history = [];
  }

  /** As after a restore from an old copy: versions begin again, by default before the first list, with these objects. */
  restore(names: readonly string[], version = '10'): void {
    this.#objects.clear();
    this.#history = [];
    this.#version = Number(version);
    this.#forgotten = 0;
    for (const name of names) this.#objects.set(name, this.#object(name, { restored: true }));
    this.cutWatches();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((closed) => this.#server.close(closed));
  }

  #object(name: string, fields: object, labels?: Record<string, string>): KubeObject {
    this.#version += 1;
    const metadata = { name, namespace: 'default', uid: `uid-${name}`, resourceVersion: this.version };
    return { apiVersion: 'v1', kind: 'Secret', metadata: { ...metadata, ...(labels && { labels }) }, ...fields };
  }

  #tell(type: string, object: KubeObject): void {
    this.#history.push({ version: this.#version, type, object });
    if (!this.silent) this.writeToWatches(`${JSON.stringify({ type, object })}\n`);
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url!, this.url);
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece);
    const body = Buffer.concat(pieces).toString();
    const seen = {
      method: request.method!,
      path: url.pathname,
      query: url.searchParams,
      headers: request.headers,
      body,
    };
    this.requests.push(seen);
    if (!this.intercept?.(seen, response)) this.#answer(seen, response);
  }

  #answer(seen: SeenRequest, response: ServerResponse): void {
    const name = /(?:secrets|leases)\/([^/]+)$/.exec(seen.path)?.[1];
    const object = name === undefined ? undefined : this.#objects.get(name);
    if (seen.method !== 'GET') this.#write(seen, response);
    else if (seen.query.has('watch')) this.#watch(seen, response);
    else if (name === undefined) this.#list(seen, response);
    else if (object) send(response, 200, object);
    else refuse(response, 404, `"${name}" not found`);
  }

  #list({ query, headers }: SeenRequest, response: ServerResponse): void {
    const limit = Number(query.get('limit') ?? 1e9);
    const from = Number(query.get('continue') ?? 0);
    const partial = headers.accept?.includes('PartialObjectMetadataList');
    const items = [...this.#objects.values()]
      .slice(from, from + limit)
      .map(({ apiVersion: _, kind: __, ...object }) => (partial ? { metadata: object.metadata } : object));
    const rest = from + limit < this.#objects.size ? { continue: String(from + limit) } : {};
    send(response, 200, { kind: 'SecretList', metadata: { resourceVersion: this.version, ...rest }, items });
  }

  #watch({ query }: SeenRequest, response: ServerResponse): void {
    const from = Number(query.get('resourceVersion'));
    if (from < this.#forgotten) refuse(response, 410, 'too old resource version', 'Expired');
    else if (from > this.#version) refuse(response, 504, 'Too large resource version', 'Timeout');
    else this.#follow(from, response);
  }

  #follow(from: number, response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    this.#watches.add(response);
    response.on('close', () => this.#watches.delete(response));
    for (const { version, type, object } of this.#history) {
      if (version > from) response.write(`${JSON.stringify({ type, object })}\n`);
    }
  }

  /** A compare-and-set, as for Leases; `remove` too. */
  #write({ method, path, body }: SeenRequest, response: ServerResponse): void {
    const object = JSON.parse(body || '{}') as KubeObject;
    const name = method === 'POST' ? object.metadata.name : path.split('/').at(-1)!;
    const before = this.#objects.get(name);
    const over = object.metadata?.resourceVersion;
    if (method === 'POST' && before) refuse(response, 409, 'exists', 'AlreadyExists');
    else if (method !== 'POST' && !before) refuse(response, 404, `"${name}" not found`);
    else if (over !== undefined && over !== before?.metadata.resourceVersion) refuse(response, 409, 'changed');
    else if (method === 'DELETE') send(response, 200, this.delete(name));
    else send(response, method === 'POST' ? 201 : 200, this.#store(name, object));
  }

  #store(name: string, { metadata, ...rest }: KubeObject): KubeObject {
    const made = this.set(name, rest);
    const whole = { ...made, metadata: { ...metadata, ...made.metadata } };
    this.#objects.set(name, whole);
    return whole;
  }
}

/** A JSON answer. */
export function send(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
}

/** A `Status`, as the API server refuses. */
export function refuse(
  response: ServerResponse,
  code: number,
  message: string,
  reason = '',
  headers: Record<string, string> = {},
): void {
  send(response, code, { kind: 'Status', apiVersion: 'v1', status: 'Failure', message, reason, code }, headers);
}
