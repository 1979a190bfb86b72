import { setTimeout as delay } from 'node:timers/promises';
import { Agent, type Dispatcher } from 'undici';
import { type Meter, NO_METER } from '../ingest/runtime/meter.ts';
import type { ApiAccess, TlsIdentity } from './api-access.ts';
import { inClusterAccess, isInCluster } from './in-cluster.ts';
import { type ApiStatus, errorOfStatus, KubeError } from './kube-error.ts';
import type { KubeObject } from './kube-object.ts';
import { type Place, pathOf, type Resource } from './resource.ts';
import { TokenBucket } from './token-bucket.ts';

/** One request, as JSON. */
export interface KubeRequest {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly body?: unknown;
  /** Of the body; `application/json` unless given. */
  readonly contentType?: string;
  readonly accept?: string;
  /** Until the whole answer is there; 15 s unless given. Of a stream: until it begins. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
  /** A Lease: outside of the token bucket and of `guardWith`, and never tried again here. */
  readonly vital?: boolean;
}

export interface KubeClientOptions {
  readonly access: ApiAccess;
  readonly userAgent?: string;
  /** Requests a second, and at once after a quiet time. Leases and watches are not counted. */
  readonly requestsPerSecond?: number;
  readonly burst?: number;
  /** For requests; each watch has one of its own beside these. */
  readonly maxConnections?: number;
  readonly meter?: Meter;
}

const REQUEST_TIMEOUT_MS = 15_000;
const CONNECT_TIMEOUT_MS = 10_000;
/** Below the 90 s after which an API server closes idle connections, so that none is used while it is being closed. */
const KEEP_ALIVE_MS = 60_000;
/** Five hundred objects of a list page fit, at the 1.5 MiB that etcd takes only a few of them. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
/** How often a request is sent again after 429, and how long it waits at most each time. */
const MAX_RETRIES = 3;
const MAX_RETRY_AFTER_MS = 30_000;
const DEFAULT_RETRY_AFTER_MS = 1000;

/** The connections of a process, made with the same certificates. */
interface Agents {
  readonly tls: TlsIdentity;
  readonly requests: Agent;
  /** Without a limit: a watch that is not read, and any number of them, never holds up a request. */
  readonly watches: Agent;
}

/**
 * The one way to an API server: JSON over shared agents, so that all requests of a process use the same few TLS
 * connections. Failures are `KubeError`s; 429 is obeyed and 401 answered by a fresh token, once.
 */
export class KubeClient implements AsyncDisposable {
  readonly #access: ApiAccess;
  readonly #bucket: TokenBucket;
  readonly #meter: Meter;
  readonly #userAgent: string;
  readonly #maxConnections: number;
  #agents: Agents | undefined;
  #guard: () => void = () => {};

  constructor(options: KubeClientOptions) {
    this.#access = options.access;
    this.#bucket = new TokenBucket(options.requestsPerSecond ?? 150, options.burst ?? 300);
    this.#meter = options.meter ?? NO_METER;
    this.#userAgent = options.userAgent ?? 'headwater';
    this.#maxConnections = options.maxConnections ?? 16;
  }

  /** The namespace this process belongs to, where that is known. */
  get namespace(): string | undefined {
    return this.#access.namespace;
  }

  /** `check` is called before each request is sent and may throw: what a leader that was frozen must not do, it then doesn't. */
  guardWith(check: () => void): void {
    this.#guard = check;
  }

  /** Sends a request and gives the answer's JSON. @throws KubeError, or the signal's reason */
  async request<T = KubeObject>(request: KubeRequest): Promise<T> {
    for (let tries = 0; ; tries++) {
      if (!request.vital) await this.#bucket.take(request.signal);
      try {
        return await this.#once<T>(request);
      } catch (error) {
        if (!(error instanceof KubeError) || request.vital || tries >= MAX_RETRIES) throw error;
        if (error.code === 'ERR_KUBE_THROTTLED') await this.#obey(error, request.signal);
        else if (error.code !== 'ERR_KUBE_UNAUTHORIZED' || tries > 0) throw error;
      }
    }
  }

  /** Opens a watch: the body as it comes. Nothing but `signal` ends it from this side. @throws KubeError, or the signal's reason */
  async open(request: KubeRequest): Promise<AsyncIterable<Buffer>> {
    const { statusCode, headers, body } = await this.#send(request, 'watches');
    if (statusCode < 400) return body;
    throw this.#refusal(request, statusCode, await readAnswer(body), headers['retry-after']);
  }

  get<T extends KubeObject>(resource: Resource, place: Place, signal?: AbortSignal): Promise<T> {
    return this.request<T>({ path: pathOf(resource, place), signal });
  }

  create<T extends KubeObject>(resource: Resource, object: T, signal?: AbortSignal): Promise<T> {
    const path = pathOf(resource, { namespace: object.metadata.namespace });
    return this.request<T>({ method: 'POST', path, body: object, signal });
  }

  /** Writes the whole object; with its `resourceVersion`, only over that version (ERR_KUBE_CONFLICT else). */
  replace<T extends KubeObject>(resource: Resource, object: T, signal?: AbortSignal): Promise<T> {
    const { namespace, name } = object.metadata;
    return this.request<T>({ method: 'PUT', path: pathOf(resource, { namespace, name }), body: object, signal });
  }

  /** A JSON merge patch (RFC 7396). A `metadata.resourceVersion` in it makes it conditional. */
  merge<T extends KubeObject>(resource: Resource, place: Place, patch: object, signal?: AbortSignal): Promise<T> {
    const contentType = 'application/merge-patch+json';
    return this.request<T>({ method: 'PATCH', path: pathOf(resource, place), body: patch, contentType, signal });
  }

  /** Deletes that very object and no later one of the same name; one that is gone already is fine. */
  async remove(resource: Resource, place: Place, uid: string | undefined, signal?: AbortSignal): Promise<void> {
    const body = {
      apiVersion: 'v1',
      kind: 'DeleteOptions',
      propagationPolicy: 'Background',
      ...(uid && { preconditions: { uid } }),
    };
    try {
      await this.request({ method: 'DELETE', path: pathOf(resource, place), body, signal });
    } catch (error) {
      const gone = KubeError.is(error, 'ERR_KUBE_NOT_FOUND');
      const another = uid !== undefined && KubeError.is(error, 'ERR_KUBE_CONFLICT');
      if (!gone && !another) throw error;
    }
  }

  /** Closes all connections; requests under way fail. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#agents?.requests.destroy(), this.#agents?.watches.destroy()]);
    this.#agents = undefined;
  }

  async #obey(error: KubeError, signal: AbortSignal | undefined): Promise<void> {
    const wait = Math.min(error.retryAfterMs || DEFAULT_RETRY_AFTER_MS, MAX_RETRY_AFTER_MS);
    this.#bucket.pause(wait);
    await delay(wait * (1 + Math.random() / 4), undefined, { signal });
  }

  async #once<T>(request: KubeRequest): Promise<T> {
    const late = AbortSignal.timeout(Math.ceil(request.timeoutMs ?? REQUEST_TIMEOUT_MS));
    const signal = request.signal ? AbortSignal.any([request.signal, late]) : late;
    try {
      const { statusCode, headers, body } = await this.#send({ ...request, signal }, 'requests');
      const text = await readAnswer(body);
      if (statusCode >= 400) throw this.#refusal(request, statusCode, text, headers['retry-after']);
      return parse(text, request) as T;
    } catch (error) {
      if (error instanceof KubeError) throw error;
      request.signal?.throwIfAborted();
      throw this.#failure(request, error, late.aborted);
    }
  }

  async #send(request: KubeRequest, by: 'requests' | 'watches'): Promise<Dispatcher.ResponseData> {
    const { method = 'GET', path, query, signal, body, timeoutMs = REQUEST_TIMEOUT_MS } = request;
    const { headers, tls } = await this.#access.credentials();
    if (!request.vital) this.#guard();
    const url = new URL(this.#access.server + path);
    for (const [name, value] of Object.entries(query ?? {})) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    try {
      const answer = await this.#agentsFor(tls)[by].request({
        origin: url.origin,
        path: url.pathname + url.search,
        method,
        headers: {
          ...headers,
          accept: request.accept ?? 'application/json',
          'user-agent': this.#userAgent,
          ...(body !== undefined && { 'content-type': request.contentType ?? 'application/json' }),
        },
        body: body === undefined ? null : JSON.stringify(body),
        signal: signal ?? null,
        headersTimeout: Math.ceil(timeoutMs),
        ...(by === 'watches' && { bodyTimeout: 0 }),
      });
      this.#meter.count('headwater_kube_requests_total', String(answer.statusCode));
      return answer;
    } catch (error) {
      signal?.throwIfAborted();
      throw this.#failure(request, error, false);
    }
  }

  /** The shared agents: made again only when certificates have changed. */
  #agentsFor(tls: TlsIdentity): Agents {
    if (this.#agents && isSame(this.#agents.tls, tls)) return this.#agents;
    // What is under way on the old ones ends in its own time.
    void this.#agents?.requests.close();
    void this.#agents?.watches.close();
    this.#agents = { tls, requests: this.#agent(tls, this.#maxConnections), watches: this.#agent(tls, null) };
    return this.#agents;
  }

  #agent(tls: TlsIdentity, connections: number | null): Agent {
    const agent = new Agent({
      connections,
      pipelining: 1,
      // HTTP/1.1, so that no watch shares a connection.
      allowH2: false,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: KEEP_ALIVE_MS,
      connect: { ...tls, timeout: CONNECT_TIMEOUT_MS, keepAlive: true, keepAliveInitialDelay: 30_000 },
    });
    agent.on('connect', () => this.#meter.count('headwater_kube_connections_total'));
    return agent;
  }

  #refusal(request: KubeRequest, status: number, text: string, retryAfter: string | string[] | undefined): KubeError {
    if (status === 401) this.#access.renew();
    return errorOfStatus(status, parseStatus(text), describe(request), Number(retryAfter ?? 0) * 1000 || 0);
  }

  #failure(request: KubeRequest, error: unknown, late: boolean): Error {
    if (error instanceof KubeError) return error;
    const timedOut = late || (error instanceof Error && /^UND_ERR_(HEADERS|BODY)_TIMEOUT$/.test(codeOf(error)));
    this.#meter.count('headwater_kube_requests_total', timedOut ? 'timeout' : 'unreachable');
    const why = error instanceof Error ? error.message : String(error);
    return timedOut
      ? new KubeError('ERR_KUBE_TIMEOUT', `${describe(request)}: no answer`, { cause: error })
      : new KubeError('ERR_KUBE_UNREACHABLE', `${describe(request)}: ${why}`, { cause: error });
  }
}

/** Access to the API server: the named kubeconfig, else this pod's ServiceAccount, else the user's kubeconfig. @throws KubeError ERR_KUBE_CONFIG */
export async function findAccess(kubeconfig: string | undefined, env = process.env): Promise<ApiAccess> {
  if (kubeconfig === undefined && isInCluster(env)) return inClusterAccess(env);
  const { kubeconfigAccess } = await import('./kubeconfig.ts');
  return kubeconfigAccess(kubeconfig);
}

const describe = ({ method = 'GET', path }: KubeRequest): string => `${method} ${path}`;
const codeOf = (error: Error): string => String((error as NodeJS.ErrnoException).code ?? '');

function isSame(a: TlsIdentity, b: TlsIdentity): boolean {
  const equal = (x: TlsIdentity['ca'], y: TlsIdentity['ca']) => String(x ?? '') === String(y ?? '');
  return a === b || (equal(a.ca, b.ca) && equal(a.cert, b.cert) && equal(a.key, b.key));
}

async function readAnswer(body: AsyncIterable<Buffer>): Promise<string> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of body) {
    length += piece.length;
    if (length > MAX_ANSWER_BYTES) throw new KubeError('ERR_KUBE_MALFORMED', `an answer of over ${MAX_ANSWER_BYTES} B`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces, length).toString();
}

function parse(text: string, request: KubeRequest): unknown {
  try {
    return text === '' ? undefined : JSON.parse(text);
  } catch (error) {
    throw new KubeError('ERR_KUBE_MALFORMED', `${describe(request)}: the answer is no JSON`, { cause: error });
  }
}

/** The body of a refusal: a `Status`, or the plain words of a proxy or of the server's own gate. */
function parseStatus(text: string): ApiStatus {
  try {
    const status: unknown = JSON.parse(text);
    if (typeof status === 'object' && status !== null) return status;
  } catch {
    // Plain text: below.
  }
  return { message: text.slice(0, 200).trim() };
}
