import type { Socket } from 'node:net';
import type { ByteSink } from '../relay/viewer.ts';

/** What was written before the end has this long to leave, ms. */
const LINGER_MS = 5_000;
const END_OF_CHUNK = Buffer.from('\r\n');
const LAST_CHUNK = Buffer.from('0\r\n\r\n');

/**
 * The body of a response that goes on until the stream ends, written to the socket at once and never copied: Node's own response
 * delays each write to the next tick, so that nobody could tell what the kernel has taken. Chunked (RFC 9112 §7.1), since ffmpeg takes
 * the end of an unchunked body for a failure.
 */
export class HttpBody implements ByteSink {
  readonly #socket: Socket;
  readonly #chunked: boolean;
  readonly #onWritten: (bytes: number) => void;

  /** `chunked` is false for HTTP/1.0. `onWritten` is told the bytes of each write of the body. */
  constructor(socket: Socket, chunked: boolean, onWritten: (bytes: number) => void) {
    this.#socket = socket;
    this.#chunked = chunked;
    this.#onWritten = onWritten;
  }

  get writableLength(): number {
    return this.#socket.writableLength;
  }

  /** Status 200 and the headers. */
  begin(headers: Readonly<Record<string, string>>): void {
    const all = { ...headers, 'cache-control': 'no-store', connection: 'close', date: new Date().toUTCString() };
    const lines = Object.entries(this.#chunked ? { ...all, 'transfer-encoding': 'chunked' } : all);
    this.#socket.write(`HTTP/1.1 200 OK\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`);
  }

  write(bytes: Buffer, onTaken?: () => void): void {
    this.#onWritten(bytes.length);
    if (!this.#chunked) {
      this.#socket.write(bytes, onTaken);
      return;
    }
    this.#socket.cork();
    this.#socket.write(`${bytes.length.toString(16)}\r\n`);
    this.#socket.write(bytes);
    this.#socket.write(END_OF_CHUNK, onTaken);
    this.#socket.uncork();
  }

  /** The body is whole. */
  end(): void {
    if (this.#chunked) this.#socket.end(LAST_CHUNK);
    else this.#socket.end();
    const timer = setTimeout(() => this.#socket.destroy(), LINGER_MS);
    this.#socket.once('close', () => clearTimeout(timer));
  }

  destroy(): void {
    this.#socket.destroy();
  }
}
