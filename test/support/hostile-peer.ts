import { randomFillSync } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { type Amf, encodeAmf } from './rtmp-amf.ts';
import { encodeChunks } from './rtmp-chunks.ts';
import { waitFor } from './wait-for.ts';

const HANDSHAKE_BYTES = 1 + 2 * 1536;
const CHUNK_BYTES = 128;
/** How a hostile peer connects. */
export interface HostileOptions {
  /** It never reads. */
  readonly deaf?: boolean;
  /** Its own address, 127.0.0.1 unless given: a neighbour of the bystanders, whose address has counts of its own. */
  readonly from?: string;
}

/** What is kept of the server's words. */
const KEPT_BYTES = 64 * 1024;

/** A TCP peer that says what a test wants and waits for nothing. */
export class HostilePeer implements AsyncDisposable {
  readonly socket: Socket;
  /** Resolves when the connection has closed, whoever closed it. */
  readonly closed: Promise<void>;
  /** As the server's log names it; ports are used again, so only in records from `since` (epoch ms) on. */
  name = '';
  readonly since = Date.now();
  #heard = '';

  private constructor(socket: Socket) {
    this.socket = socket;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    socket.on('error', () => {});
    socket.once('close', () => resolve());
    socket.on('data', (bytes) => {
      if (this.#heard.length < KEPT_BYTES) this.#heard += bytes.toString('latin1');
    });
  }

  /** Connects to a port of 127.0.0.1. */
  static async connect(port: number, options: HostileOptions = {}): Promise<HostilePeer> {
    const { from = '127.0.0.1' } = options;
    const socket = connectTcp({ port, host: '127.0.0.1', localAddress: from, noDelay: true });
    const peer = new HostilePeer(socket);
    if (options.deaf) socket.pause();
    await once(socket, 'connect');
    peer.name = `${from}:${socket.localPort}`;
    return peer;
  }

  /** Connects and sends its whole half of the RTMP handshake. */
  static async rtmp(port: number, options: HostileOptions = {}): Promise<HostilePeer> {
    const peer = await HostilePeer.connect(port, options);
    peer.write(handshake());
    return peer;
  }

  /** The beginning of what the server sent, one character a byte. */
  get heard(): string {
    return this.#heard;
  }

  /** Sends the bytes; false when the server does not take them now. */
  write(bytes: Buffer | string): boolean {
    return !this.socket.destroyed && this.socket.write(bytes);
  }

  /** Waits until the server has said something. */
  hears(words: string): Promise<boolean> {
    return waitFor(`${this.name} to hear ${words}`, () => this.#heard.includes(words), { everyMs: 10 });
  }

  /** Writes the bytes over and over, as fast as they are taken, until the connection ends. */
  async flood(bytes: Buffer): Promise<void> {
    while (!this.socket.destroyed) {
      if (!this.write(bytes)) await Promise.race([once(this.socket, 'drain').catch(() => {}), this.closed]);
      else await new Promise(setImmediate);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.destroy();
    await this.closed;
  }
}

/** C0, C1 and C2, the last unrelated to S1, which nobody checks. */
export function handshake(): Buffer {
  const bytes = randomFillSync(Buffer.alloc(HANDSHAKE_BYTES));
  bytes[0] = 3;
  return bytes.fill(0, 1, 9);
}

/** A message in chunks of 128 bytes, as before any Set Chunk Size. */
export function message(type: number, body: Buffer, { chunkStreamId = 3, messageStreamId = 0 } = {}): Buffer {
  const form = { chunkSize: CHUNK_BYTES, extTimestampOnType3: true };
  return encodeChunks({ chunkStreamId, type, timestamp: 0, messageStreamId, body }, form);
}

/** A command on message stream 0, or another one. */
export function command(name: string, id: number, args: readonly Amf[], messageStreamId = 0): Buffer {
  return message(20, encodeAmf(name, id, ...args), { messageStreamId });
}

/** Connect, as any client says it. */
export function connectCommand(app = 'live'): Buffer {
  return command('connect', 1, [{ app, tcUrl: `rtmp://127.0.0.1/${app}`, flashVer: 'hostile' }]);
}

/** A Ping Request (RTMP 1.0 §7.1.7), which wants an answer. */
export function ping(): Buffer {
  return message(4, Buffer.from([0, 6, 1, 2, 3, 4]), { chunkStreamId: 2 });
}

/** All a client says up to its request to publish or play, in one go. */
export function requestOf(verb: 'publish' | 'play', path: string): Buffer {
  const [app = '', name = ''] = path.split('/');
  return Buffer.concat([
    connectCommand(app),
    command('createStream', 2, [null]),
    command(verb, 3, verb === 'play' ? [null, name, -1000] : [null, name, 'live'], 1),
  ]);
}

/** Set Chunk Size (RTMP 1.0 §5.4.1). */
export function setChunkSize(size: number): Buffer {
  const body = Buffer.alloc(4);
  body.writeUInt32BE(size);
  return message(1, body, { chunkStreamId: 2 });
}

/** A type-0 chunk that claims a message of `length` bytes and carries `payload` of them; `chunkStreamId` below 320. */
export function claim(chunkStreamId: number, type: number, length: number, payload: Buffer): Buffer {
  const id = chunkStreamId < 64 ? Buffer.from([chunkStreamId]) : Buffer.from([0, chunkStreamId - 64]);
  const header = Buffer.alloc(11);
  header.writeUIntBE(length, 3, 3);
  header[6] = type;
  header.writeUInt32LE(1, 7);
  return Buffer.concat([id, header, payload]);
}
