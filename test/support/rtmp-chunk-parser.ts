/** One whole message as a client received it. The body is its own memory. */
export interface IncomingMessage {
  readonly chunkStreamId: number;
  readonly type: number;
  readonly timestamp: number;
  readonly messageStreamId: number;
  readonly body: Buffer;
}

interface ChunkStream {
  timestamp: number;
  delta: number;
  length: number;
  type: number;
  messageStreamId: number;
  extended: boolean;
  body: Buffer;
  filled: number;
}

const EXTENDED = 0xff_ffff;
const HEADER_BYTES = [11, 7, 3, 0] as const;
const SET_CHUNK_SIZE = 1;

/**
 * Takes a server's chunk stream apart (RTMP 1.0 §5.3.1), strictly: type-3 chunks repeat an extended timestamp. Written apart
 * from the server's reader and writer, as a witness. Obeys Set Chunk Size by itself, and still reports it.
 */
export class ChunkParser {
  readonly #streams = new Map<number, ChunkStream>();
  readonly #onMessage: (message: IncomingMessage) => void;
  #chunkSize = 128;
  #left = Buffer.alloc(0);
  #open: ChunkStream | null = null;
  #openId = 0;
  #openLeft = 0;

  constructor(onMessage: (message: IncomingMessage) => void) {
    this.#onMessage = onMessage;
  }

  /**
   * Takes the next bytes; they may be reused after the call.
   * @throws Error when they are not a chunk stream.
   */
  push(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#open) {
        at += this.#fill(this.#open, bytes.subarray(at));
        continue;
      }
      // A header is at most 18 bytes: only an incomplete one is ever kept and joined.
      const header =
        this.#left.length > 0 ? Buffer.concat([this.#left, bytes.subarray(at, at + 18)]) : bytes.subarray(at);
      const used = this.#header(header);
      if (used === 0) {
        this.#left = Buffer.from(header);
        return;
      }
      at += used - this.#left.length;
      this.#left = Buffer.alloc(0);
    }
  }

  #fill(stream: ChunkStream, bytes: Buffer): number {
    const count = Math.min(this.#openLeft, bytes.length);
    bytes.copy(stream.body, stream.filled, 0, count);
    stream.filled += count;
    this.#openLeft -= count;
    if (this.#openLeft === 0) this.#endChunk(stream);
    return count;
  }

  #endChunk(stream: ChunkStream): void {
    this.#open = null;
    if (stream.filled < stream.length) return;
    const { timestamp, type, messageStreamId, body } = stream;
    stream.filled = 0;
    stream.body = Buffer.alloc(0);
    if (type === SET_CHUNK_SIZE) this.#chunkSize = body.readUInt32BE(0);
    this.#onMessage({ chunkStreamId: this.#openId, type, timestamp, messageStreamId, body });
  }

  /** Reads one chunk's header; returns its length, 0 when it is incomplete. */
  #header(b: Buffer): number {
    const low = b[0]! & 0x3f;
    const basic = low === 0 ? 2 : low === 1 ? 3 : 1;
    const format = (b[0]! >> 6) as 0 | 1 | 2 | 3;
    if (b.length < basic) return 0;
    const id = low === 0 ? b[1]! + 64 : low === 1 ? b.readUInt16LE(1) + 64 : low;
    const end = basic + HEADER_BYTES[format];
    if (b.length < end) return 0;
    let stream = this.#streams.get(id);
    if (!stream) {
      if (format > 1) throw new Error(`chunk stream ${id} begins with a type-${format} chunk`);
      stream = {
        timestamp: 0,
        delta: 0,
        length: 0,
        type: 0,
        messageStreamId: 0,
        extended: false,
        body: Buffer.alloc(0),
        filled: 0,
      };
      this.#streams.set(id, stream);
    }
    if (format < 3 && stream.filled > 0) throw new Error(`chunk stream ${id}: new message inside another`);
    const field = format < 3 ? b.readUIntBE(basic, 3) : 0;
    const extended = format < 3 ? field === EXTENDED : stream.extended;
    if (extended && b.length < end + 4) return 0;
    const time = extended ? b.readUInt32BE(end) : field;
    stream.extended = extended;
    if (format < 2) {
      stream.length = b.readUIntBE(basic + 3, 3);
      stream.type = b[basic + 6]!;
    }
    if (format === 0) stream.messageStreamId = b.readUInt32LE(basic + 7);
    if (stream.filled === 0) this.#begin(stream, format, time);
    this.#open = stream;
    this.#openId = id;
    this.#openLeft = Math.min(this.#chunkSize, stream.length - stream.filled);
    if (this.#openLeft === 0) this.#endChunk(stream);
    return end + (extended ? 4 : 0);
  }

  #begin(stream: ChunkStream, format: number, time: number): void {
    if (format < 3) stream.delta = time;
    stream.timestamp = format === 0 ? time : (stream.timestamp + stream.delta) % 2 ** 32;
    stream.body = Buffer.allocUnsafe(stream.length);
  }
}
