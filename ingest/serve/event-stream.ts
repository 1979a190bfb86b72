import type { ServerResponse } from 'node:http';
import type { LifecycleEvent, LifecycleFeed } from '../observe/lifecycle-feed.ts';

/** Clients at once; a monitoring system has a few. */
const MAX_CLIENTS = 100;
/** Bytes that wait for one client; what comes above is not sent to it, and it is told how many events it lost. */
const MAX_WAITING_BYTES = 256 * 1024;
/** Comments keep proxies from closing a quiet connection, and find those that are gone. */
const KEEP_ALIVE_MS = 15_000;

interface Client {
  readonly response: ServerResponse;
  readonly path: string | null;
  lost: number;
}

/** `/api/v1/events`: what happens, to all who ask, as server-sent events (WHATWG HTML §9.2). Nothing is kept for who comes later. */
export class EventStream implements Disposable {
  readonly #feed: LifecycleFeed;
  readonly #clients = new Set<Client>();
  #unsubscribe: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #lastId = 0;

  constructor(feed: LifecycleFeed) {
    this.#feed = feed;
  }

  /** Answers with events until the client leaves; with those of one path, where it is given. False when there are too many clients. */
  open(response: ServerResponse, path: string | null): boolean {
    if (this.#clients.size >= MAX_CLIENTS) return false;
    response.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no', // nginx would collect them
    });
    response.write(': events follow\n\n');
    const client = { response, path, lost: 0 };
    this.#clients.add(client);
    this.#unsubscribe ??= this.#feed.subscribe((event) => this.#tell(event));
    this.#timer ??= setInterval(() => this.#keepAlive(), KEEP_ALIVE_MS).unref();
    response.once('close', () => {
      this.#clients.delete(client);
      if (this.#clients.size === 0) this[Symbol.dispose]();
    });
    return true;
  }

  [Symbol.dispose](): void {
    this.#unsubscribe?.();
    this.#unsubscribe = undefined;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #tell(event: LifecycleEvent): void {
    this.#lastId += 1;
    const data = JSON.stringify({ time: new Date().toISOString(), ...event });
    const text = `id: ${this.#lastId}\nevent: ${event.type}\ndata: ${data}\n\n`;
    for (const client of this.#clients) {
      if (client.path !== null && 'path' in event && event.path !== client.path) continue;
      this.#send(client, text);
    }
  }

  #send(client: Client, text: string): void {
    if (client.response.writableLength > MAX_WAITING_BYTES) {
      client.lost += 1;
      return;
    }
    if (client.lost > 0) client.response.write(`event: lost\ndata: {"events":${client.lost}}\n\n`);
    client.lost = 0;
    client.response.write(text);
  }

  #keepAlive(): void {
    for (const { response } of this.#clients) {
      if (response.writableLength <= MAX_WAITING_BYTES) response.write(':\n\n');
    }
  }
}
