import { connect, createServer, type Server, type Socket } from 'node:net';

/** What becomes of connections to the store. */
export type ProxyMode =
  | { readonly kind: 'pass' }
  /** So much goes through each second, in all. */
  | { readonly kind: 'slow'; readonly bytesPerSecond: number }
  /** Every request is answered 503. */
  | { readonly kind: 'busy' }
  /** One bit changes in the next large body. */
  | { readonly kind: 'flip' };

const BUSY_BODY = '<Error><Code>SlowDown</Code><Message/></Error>';
const BUSY = `HTTP/1.1 503 Slow Down\r\ncontent-length: ${BUSY_BODY.length}\r\nconnection: close\r\n\r\n${BUSY_BODY}`;
/** Pieces of a request this large are from the body of a segment. */
const LARGE = 16 * 1024;
const TICK_MS = 100;

/** Stands between the server and a real store, and does to the connection what networks and loads do. */
export class StoreProxy implements AsyncDisposable {
  readonly port: number;
  /** Bits changed so far. */
  flips = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #mode: ProxyMode = { kind: 'pass' };
  #allowance = 0;

  private constructor(server: Server, port: number, target: number) {
    this.#server = server;
    this.port = port;
    server.on('connection', (client) => this.#accept(client, target));
  }

  static async start(target: number): Promise<StoreProxy> {
    const server = createServer();
    const { promise, resolve } = Promise.withResolvers<void>();
    server.listen(0, '127.0.0.1', resolve);
    await promise;
    return new StoreProxy(server, (server.address() as { port: number }).port, target);
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Applies to new connections; those that are open are cut. */
  set(mode: ProxyMode): void {
    this.#mode = mode;
    for (const socket of this.#sockets) socket.destroy();
  }

  #accept(client: Socket, target: number): void {
    this.#keep(client);
    if (this.#mode.kind === 'busy') {
      client.once('data', () => client.end(BUSY));
      return;
    }
    const upstream = connect(target, '127.0.0.1');
    this.#keep(upstream);
    client.once('close', () => upstream.destroy());
    upstream.once('close', () => client.destroy());
    upstream.pipe(client);
    client.on('data', (bytes: Buffer) => {
      if (this.#mode.kind === 'flip' && bytes.length >= LARGE) {
        bytes[bytes.length >> 1]! ^= 0x08;
        this.flips += 1;
        this.#mode = { kind: 'pass' };
      }
      upstream.write(bytes);
      if (this.#mode.kind === 'slow') this.#brake(client, bytes.length, this.#mode.bytesPerSecond);
    });
  }

  /** Holds the sender back until what it has sent is due. */
  #brake(client: Socket, bytes: number, bytesPerSecond: number): void {
    this.#allowance -= bytes;
    client.pause();
    const timer = setInterval(() => {
      this.#allowance += (bytesPerSecond * TICK_MS) / 1000;
      if (this.#allowance < 0 && !client.destroyed) return;
      clearInterval(timer);
      this.#allowance = Math.min(0, this.#allowance);
      client.resume();
    }, TICK_MS);
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => this.#sockets.delete(socket));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.set({ kind: 'pass' });
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    await promise;
  }
}
