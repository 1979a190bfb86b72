import { Agent, request } from 'undici';
import { findAccess } from '../../../kube/client.ts';

/** The API server's whole answer, refusals too. */
export interface RawAnswer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: an object of any kind
  readonly body: any;
}

export interface RawRequest {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly body?: unknown;
  readonly contentType?: string;
}

/** Requests with the rights of a kubeconfig, of which nothing is hidden: for tests of what the API server says. */
export class RawRequests implements AsyncDisposable {
  readonly #server: string;
  readonly #agent: Agent;
  readonly #headers: Readonly<Record<string, string>>;

  private constructor(server: string, agent: Agent, headers: Readonly<Record<string, string>>) {
    this.#server = server;
    this.#agent = agent;
    this.#headers = headers;
  }

  static async open(kubeconfig: string): Promise<RawRequests> {
    const access = await findAccess(kubeconfig);
    const { headers, tls } = await access.credentials();
    return new RawRequests(access.server, new Agent({ connect: tls }), headers);
  }

  async send({ method = 'GET', path, body, contentType = 'application/json' }: RawRequest): Promise<RawAnswer> {
    const answer = await request(this.#server + path, {
      method,
      dispatcher: this.#agent,
      headers: { ...this.#headers, ...(body !== undefined && { 'content-type': contentType }) },
      body: body === undefined ? null : JSON.stringify(body),
    });
    return { status: answer.statusCode, body: await answer.body.json() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent.destroy();
  }
}
