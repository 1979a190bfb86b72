import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { type Amf, decodeAmf, encodeAmf } from './rtmp-amf.ts';
import { ChunkParser, type IncomingMessage } from './rtmp-chunk-parser.ts';
import { encodeChunks } from './rtmp-chunks.ts';
import { ClientHandshake } from './rtmp-handshake.ts';

/** How a test client connects. */
export interface RtmpOptions {
  /** Destroys the connection when it aborts. */
  readonly signal?: AbortSignal;
  /** Chunk size the client announces and sends with; 4096 as OBS does. */
  readonly chunkSize?: number;
  /** Whether type-3 chunks repeat an extended timestamp; librtmp and older OBS do not. */
  readonly extTimestampOnType3?: boolean;
  /** Further fields of `connect`, over the usual ones: `fourCcList`, `capsEx` … */
  readonly connectFields?: { readonly [key: string]: Amf };
  /** For rtmps: the certificate to trust; without it any is accepted. */
  readonly ca?: string | Buffer;
}

/** What a server said with onStatus, or in a refusal. */
export interface Status {
  readonly code: string;
  readonly level: string;
  readonly description: string;
}

/** The server answered a command with `_error`, or a request with an error status. */
class RtmpRefused extends Error {
  override readonly name = 'RtmpRefused';
  readonly code: string;
  constructor(status: Status) {
    super(`${status.code}: ${status.description}`);
    this.code = status.code;
  }
}

const URL_FORM = /^(rtmps?):\/\/(?:\[([^\]]+)\]|([^:/]+))(?::(\d+))?\/([^/?]*)\/?(.*)$/;
const READ_BUFFER_BYTES = 65_536;
const COMMAND_CHUNK_STREAM = 3;
const Type = { SetChunkSize: 1, Ack: 3, UserControl: 4, WindowAckSize: 5, Audio: 8, CommandAmf0: 20 } as const;
const PING_REQUEST = 6;
const PING_RESPONSE = 7;

interface Waiting<T> {
  resolve(value: T): void;
  reject(error: Error): void;
}

interface Target {
  readonly tls: boolean;
  readonly host: string;
  readonly port: number;
  readonly app: string;
  readonly name: string;
}

/** One client connection: handshake, connect, commands with answers, pings, acknowledgements. Publisher and player stand on it. */
export class RtmpConnection implements AsyncDisposable {
  readonly socket: Socket;
  /** `app` and stream name of the URL, query in the name. */
  readonly app: string;
  readonly streamName: string;
  readonly chunkSize: number;
  readonly extTimestampOnType3: boolean;
  /** All statuses heard, in order. */
  readonly statuses: Status[] = [];
  /** Resolves when the socket has closed, whatever the reason. */
  readonly closed: Promise<void>;
  /** Media messages (8, 9, 18) go here. */
  onMedia: (message: IncomingMessage) => void = () => {};
  /** From now on bytes are counted, not parsed: for loads. */
  countOnly = false;
  bytesRead = 0;
  /** Why the connection failed; null while it has not. */
  error: Error | null = null;

  readonly #calls = new Map<number, Waiting<Amf[]>>();
  readonly #waiters = new Set<{ readonly codes: readonly string[] } & Waiting<Status>>();
  readonly #parser = new ChunkParser((message) => this.#onMessage(message));
  #handshake: ClientHandshake | null = new ClientHandshake();
  /** What was asked while the handshake was under way. */
  #afterHandshake: (() => void)[] = [];
  #transaction = 0;
  #ackWindow = Number.POSITIVE_INFINITY;
  #acked = 0;

  private constructor(target: Target, options: RtmpOptions) {
    this.app = target.app;
    this.streamName = target.name;
    this.chunkSize = options.chunkSize ?? 4096;
    this.extTimestampOnType3 = options.extTimestampOnType3 ?? true;
    this.socket = open(target, options, (bytes) => this.#onBytes(bytes));
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    this.socket.on('error', (error) => this.#fail(error));
    this.socket.once('close', () => {
      this.#fail(new Error('connection closed'));
      resolve();
    });
    this.socket.write(this.#handshake!.hello());
  }

  /**
   * Opens the connection and sends `connect`.
   * @throws RtmpRefused when the server refuses, Error when the connection fails.
   */
  static async connect(url: string, options: RtmpOptions = {}): Promise<RtmpConnection> {
    const target = parseUrl(url);
    const connection = new RtmpConnection(target, options);
    const { app } = target;
    const tcUrl = `${url.slice(0, url.indexOf('/', 'rtmps://'.length))}/${app}`;
    const fields = { app, type: 'nonprivate', flashVer: 'FMLE/3.0 (compatible; headwater-test)', swfUrl: tcUrl, tcUrl };
    try {
      await connection.call('connect', { ...fields, ...options.connectFields });
    } catch (error) {
      connection.destroy();
      throw error;
    }
    return connection;
  }

  /**
   * Sends a command on message stream 0 and waits for its `_result`; its values after the transaction id.
   * @throws RtmpRefused on `_error`, Error when the connection ends first.
   */
  call(name: string, ...args: readonly Amf[]): Promise<Amf[]> {
    const id = ++this.#transaction;
    const send = () => this.#sendCommand(0, name, id, ...args);
    if (this.#handshake) this.#afterHandshake.push(send);
    else send();
    return this.#expect((waiting) => this.#calls.set(id, waiting));
  }

  /** Sends a command that nobody waits for. */
  command(messageStreamId: number, name: string, ...args: readonly Amf[]): void {
    this.#sendCommand(messageStreamId, name, ++this.#transaction, ...args);
  }

  /** User control message `event` (RTMP 1.0 §6.2) with one or two 32-bit values. */
  userControl(event: number, ...values: readonly number[]): void {
    const body = Buffer.alloc(2 + 4 * values.length);
    body.writeUInt16BE(event);
    for (const [i, value] of values.entries()) body.writeUInt32BE(value, 2 + 4 * i);
    this.#send(2, Type.UserControl, 0, body);
  }

  /**
   * The next status with one of `codes`; one that came already counts.
   * @throws RtmpRefused when a status of level `error` comes first, Error when the connection ends first.
   */
  status(...codes: readonly string[]): Promise<Status> {
    const past = this.statuses.find((status) => codes.includes(status.code) || status.level === 'error');
    if (!past) return this.#expect((waiting) => this.#waiters.add({ codes, ...waiting }));
    return codes.includes(past.code) ? Promise.resolve(past) : Promise.reject(new RtmpRefused(past));
  }

  /** Resolves when what was written has gone to the kernel; at once when the socket has ended. */
  async drained(): Promise<void> {
    if (this.socket.writableNeedDrain && !this.socket.destroyed)
      await Promise.race([once(this.socket, 'drain').catch(() => {}), this.closed]);
  }

  /** Cuts the TCP connection. */
  destroy(): void {
    this.socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.destroy();
    await this.closed;
  }

  #expect<T>(register: (waiting: Waiting<T>) => void): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    if (this.error) reject(this.error);
    else register({ resolve, reject });
    return promise;
  }

  #fail(error: Error): void {
    this.error ??= error;
    for (const { reject } of [...this.#calls.values(), ...this.#waiters]) reject(this.error);
    this.#calls.clear();
    this.#waiters.clear();
    this.socket.destroy();
  }

  #onBytes(bytes: Buffer): void {
    this.bytesRead += bytes.length;
    if (this.bytesRead - this.#acked >= this.#ackWindow) this.#acknowledge();
    if (this.countOnly) return;
    try {
      if (this.#handshake) this.#shakeHands(this.#handshake, bytes);
      else this.#parser.push(bytes);
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #shakeHands(handshake: ClientHandshake, bytes: Buffer): void {
    const done = handshake.receive(bytes);
    if (!done) return;
    this.#handshake = null;
    this.socket.write(done.reply);
    const size = Buffer.alloc(4);
    size.writeUInt32BE(this.chunkSize);
    this.#send(2, Type.SetChunkSize, 0, size);
    for (const send of this.#afterHandshake) send();
    this.#parser.push(done.rest);
  }

  #acknowledge(): void {
    const body = Buffer.alloc(4);
    body.writeUInt32BE(this.bytesRead % 2 ** 32);
    this.#acked = this.bytesRead;
    this.#send(2, Type.Ack, 0, body);
  }

  #onMessage({ type, body, ...rest }: IncomingMessage): void {
    if (type === Type.WindowAckSize) this.#ackWindow = body.readUInt32BE(0);
    else if (type === Type.UserControl && body.readUInt16BE(0) === PING_REQUEST)
      this.userControl(PING_RESPONSE, body.readUInt32BE(2));
    else if (type === Type.CommandAmf0) this.#onCommand(decodeAmf(body));
    else if (type >= Type.Audio) this.onMedia({ type, body, ...rest });
  }

  #onCommand([name, id, ...values]: Amf[]): void {
    if (name === 'onStatus') this.#onStatus(statusOf(values[1]));
    const call = this.#calls.get(id as number);
    if (!call || (name !== '_result' && name !== '_error')) return;
    this.#calls.delete(id as number);
    if (name === '_result') call.resolve(values);
    else call.reject(new RtmpRefused(statusOf(values[1])));
  }

  #onStatus(status: Status): void {
    this.statuses.push(status);
    for (const waiter of this.#waiters) {
      const isWanted = waiter.codes.includes(status.code);
      if (!isWanted && status.level !== 'error') continue;
      this.#waiters.delete(waiter);
      if (isWanted) waiter.resolve(status);
      else waiter.reject(new RtmpRefused(status));
    }
  }

  #sendCommand(messageStreamId: number, name: string, id: number, ...args: readonly Amf[]): void {
    this.#send(COMMAND_CHUNK_STREAM, Type.CommandAmf0, messageStreamId, encodeAmf(name, id, ...args));
  }

  #send(chunkStreamId: number, type: number, messageStreamId: number, body: Buffer): void {
    // Before Set Chunk Size has gone out nothing longer than a chunk is sent.
    this.socket.write(encodeChunks({ chunkStreamId, type, timestamp: 0, messageStreamId, body }, this));
  }
}

function parseUrl(url: string): Target {
  const [, scheme, ip6, host, port, app, name] = URL_FORM.exec(url) ?? [];
  if (scheme === undefined) throw new TypeError(`not an rtmp URL: ${url}`);
  const tls = scheme === 'rtmps';
  return { tls, host: ip6 ?? host!, port: Number(port ?? (tls ? 443 : 1935)), app: app!, name: name! };
}

function open({ tls, host, port }: Target, { signal, ca }: RtmpOptions, onBytes: (bytes: Buffer) => void): Socket {
  let socket: Socket;
  if (tls) {
    socket = connectTls({ host, port, servername: 'localhost', ...(ca ? { ca } : { rejectUnauthorized: false }) });
    socket.on('data', onBytes);
  } else {
    const callback = (length: number, bytes: Uint8Array) => {
      onBytes(bytes.subarray(0, length) as Buffer);
      return true;
    };
    socket = connectTcp({ host, port, noDelay: true, onread: { buffer: readBuffer, callback } });
  }
  const abort = () => socket.destroy();
  if (signal?.aborted) abort();
  signal?.addEventListener('abort', abort, { once: true });
  socket.once('close', () => signal?.removeEventListener('abort', abort));
  return socket;
}

// Every read is used up within its callback, so one buffer serves all sockets: 400 players allocate nothing.
const readBuffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);

function statusOf(value: Amf): Status {
  const { code = '', level = '', description = '' } = (value ?? {}) as Record<string, string>;
  return { code, level, description };
}
