import { ProtocolError } from '../protocol-error.ts';
import { MAX_MESSAGE_BYTES, MESSAGE } from './message.ts';
import type { RtmpLimits } from './rtmp-limits.ts';

/** What a chunk reader found. Called while `receive` runs; an error thrown here comes out of `receive`. */
export interface ChunkReaderHandler {
  /** One whole message. `timestamp` in ms, unsigned 32 bits; `body` is its own memory. Set Chunk Size and Abort have been obeyed already. */
  onMessage(type: number, streamId: number, timestamp: number, body: Buffer): void;
  /** A message was begun anew before it was whole: its first part is dropped. */
  onDiscarded(): void;
}

/** RTMP 1.0 §5.4.1: both directions start with it. */
const INITIAL_CHUNK_SIZE = 128;
/** A 24-bit time field of this value announces the 32-bit field. RTMP 1.0 §5.3.1.3. */
const EXTENDED = 0xff_ffff;
/** Basic header 3, message header 11, extended time 4. */
const MAX_HEADER_BYTES = 18;
/** A longer message gets its memory as its bytes arrive: what a header claims costs its sender nothing. */
const BELIEVED_BYTES = 64 * 1024;
/** And so does one of more chunks than this: who begins messages to drop them makes us allocate no more than this times what it sends. */
const BELIEVED_CHUNKS = 16;
/** A type-3 chunk that starts a message repeats the type-0 time as a delta only up to this, in ms: see `#repeatedDelta`. */
const MAX_REPEATED_TIME = 10_000;
const MESSAGE_HEADER_BYTES = [11, 7, 3, 0] as const;

/** What later chunks of a chunk stream refer to (RTMP 1.0 §5.3.1.2), and its unfinished message. */
class ChunkStream {
  timestamp = 0;
  /** What the next type-3 message adds: the last delta, or the time itself after a type-0 chunk. */
  delta = 0;
  /** The last message header was type 0: `delta` is a time. */
  isAbsolute = false;
  length = 0;
  type = 0;
  streamId = 0;
  /** The last header's 32-bit time field, -1 if it had none. */
  extended = -1;
  /** Memory of the unfinished message: as long as the message, or shorter while it still grows. */
  body: Buffer | undefined = undefined;
  filled = 0;
}

/**
 * Chunks in, whole messages out (RTMP 1.0 §5.3), in whatever pieces the bytes come. Each message is copied once, into memory of its own.
 * After `receive` threw, the reader must not be used again.
 */
export class ChunkReader {
  readonly #limits: RtmpLimits;
  readonly #handler: ChunkReaderHandler;
  readonly #streams = new Map<number, ChunkStream>();
  #chunkSize = INITIAL_CHUNK_SIZE;
  /** The chunk stream whose payload is being read, and how much of the chunk is missing. */
  #current: ChunkStream | undefined = undefined;
  #chunkLeft = 0;
  /** The beginning of a header that a read ended in. */
  readonly #carry = Buffer.allocUnsafeSlow(MAX_HEADER_BYTES);
  #carried = 0;
  #partialBytes = 0;
  #maxPartialBytes: number;

  constructor(limits: RtmpLimits, handler: ChunkReaderHandler) {
    this.#limits = limits;
    this.#maxPartialBytes = limits.partialBytes;
    this.#handler = handler;
  }

  /** Unfinished messages may hold this much from now on, but never more than `limits.partialBytes`. */
  limitPartial(bytes: number): void {
    this.#maxPartialBytes = Math.min(bytes, this.#limits.partialBytes);
  }

  /**
   * Takes the next bytes from offset `at` on; they may be reused afterwards.
   * @throws ProtocolError ERR_RTMP_CHUNK_HEADER, ERR_RTMP_CHUNK_STREAMS, ERR_RTMP_CHUNK_SIZE, ERR_RTMP_MESSAGE_TOO_LARGE,
   * ERR_RTMP_PARTIAL_TOO_LARGE, ERR_RTMP_CONTROL, and whatever the handler throws.
   */
  receive(bytes: Buffer, at = 0): void {
    const end = bytes.length;
    let from = at;
    while (from < end) {
      if (this.#carried > 0) {
        from = this.#finishHeader(bytes, from);
        continue;
      }
      const stream = this.#current;
      if (stream === undefined) {
        const next = this.#readHeader(bytes, from, end);
        if (next < 0) {
          this.#carried = bytes.copy(this.#carry, 0, from, end);
          return;
        }
        from = next;
      } else {
        from = this.#readPayload(stream, bytes, from, end);
      }
    }
  }

  /** Goes on with the carried header; returns the offset of the next byte. */
  #finishHeader(bytes: Buffer, at: number): number {
    const had = this.#carried;
    const have = had + bytes.copy(this.#carry, had, at, Math.min(bytes.length, at + MAX_HEADER_BYTES - had));
    const next = this.#readHeader(this.#carry, 0, have);
    if (next < 0) {
      this.#carried = have;
      return bytes.length;
    }
    this.#carried = 0;
    if (next >= had) return at + next - had;
    // What looked like the beginning of an extended time was payload, and is taken again as such: at most three bytes.
    this.receive(Buffer.from(this.#carry.subarray(next, had)));
    return at;
  }

  #readPayload(stream: ChunkStream, bytes: Buffer, from: number, end: number): number {
    const take = Math.min(this.#chunkLeft, end - from);
    const filled = stream.filled + take;
    let body = stream.body;
    if (body === undefined || filled > body.length) body = this.#grow(stream, filled);
    bytes.copy(body, stream.filled, from, from + take);
    stream.filled = filled;
    this.#chunkLeft -= take;
    if (this.#chunkLeft === 0) {
      this.#current = undefined;
      if (filled === stream.length) {
        this.#partialBytes -= body.length;
        stream.body = undefined;
        stream.filled = 0;
        this.#deliver(stream, body);
      }
    }
    return from + take;
  }

  /** Memory for `need` bytes of the message, and for the rest of it where that is little, or what is there would be doubled anyway. */
  #grow(stream: ChunkStream, need: number): Buffer {
    const old = stream.body;
    const believed = Math.min(BELIEVED_BYTES, this.#chunkSize * BELIEVED_CHUNKS);
    const wish = Math.max(need, old === undefined ? believed : old.length * 2);
    const body = Buffer.allocUnsafe(Math.min(stream.length, wish));
    if (old !== undefined) old.copy(body, 0, 0, stream.filled);
    stream.body = body;
    this.#partialBytes += body.length - (old?.length ?? 0);
    if (this.#partialBytes > this.#maxPartialBytes) {
      throw new ProtocolError(
        'ERR_RTMP_PARTIAL_TOO_LARGE',
        `unfinished messages hold more than ${this.#maxPartialBytes} bytes`,
      );
    }
    return body;
  }

  #deliver(stream: ChunkStream, body: Buffer): void {
    if (stream.type === MESSAGE.SET_CHUNK_SIZE) this.#setChunkSize(body);
    else if (stream.type === MESSAGE.ABORT) this.#abort(body);
    this.#handler.onMessage(stream.type, stream.streamId, stream.timestamp, body);
  }

  /** RTMP 1.0 §5.4.1. A size no message can reach is as good as the longest message. */
  #setChunkSize(body: Buffer): void {
    if (body.length < 4) throw new ProtocolError('ERR_RTMP_CONTROL', `Set Chunk Size of ${body.length} bytes`);
    const size = Math.min(body.readUInt32BE() & 0x7fff_ffff, MAX_MESSAGE_BYTES);
    const { chunkSizeMin, chunkSizeMax } = this.#limits;
    if (size < chunkSizeMin || size > chunkSizeMax) {
      throw new ProtocolError('ERR_RTMP_CHUNK_SIZE', `chunk size ${size} is not in ${chunkSizeMin} … ${chunkSizeMax}`);
    }
    this.#chunkSize = size;
  }

  /** RTMP 1.0 §5.4.2. */
  #abort(body: Buffer): void {
    if (body.length < 4) throw new ProtocolError('ERR_RTMP_CONTROL', `Abort of ${body.length} bytes`);
    const stream = this.#streams.get(body.readUInt32BE());
    if (stream !== undefined) this.#discard(stream);
  }

  #discard(stream: ChunkStream): void {
    if (stream.body === undefined) return;
    this.#partialBytes -= stream.body.length;
    stream.body = undefined;
    stream.filled = 0;
    this.#handler.onDiscarded();
  }

  /**
   * One chunk header (RTMP 1.0 §5.3.1) at `at`; returns the offset after it, or -1 if it goes past `end`: then nothing has changed.
   *
   *   +-------------+----------------+-------------------+------+
   *   | fmt 2, id 6 | 0, 1, 2 bytes  | 11, 7, 3, 0 bytes | 0, 4 |
   *   +-------------+----------------+-------------------+------+
   *     basic header, rest of the id    message header    extended time
   */
  #readHeader(b: Buffer, at: number, end: number): number {
    const first = b[at] as number;
    const format = first >> 6;
    let id = first & 0x3f;
    let next = at + 1;
    if (id < 2) {
      const bytes = id + 1;
      if (next + bytes > end) return -1;
      id = 64 + (b[next] as number) + (bytes === 2 ? (b[next + 1] as number) * 256 : 0);
      next += bytes;
    }
    const known = this.#streams.get(id);
    if (format === 3) return this.#readType3(known, id, b, next, end);
    const afterHeader = next + (MESSAGE_HEADER_BYTES[format] as number);
    if (afterHeader > end) return -1;
    const field = uint24(b, next);
    const isExtended = field === EXTENDED;
    if (isExtended && afterHeader + 4 > end) return -1;
    const time = isExtended ? b.readUInt32BE(afterHeader) : field;

    // From here on the header is whole.
    if (known === undefined && format === 2) throw this.#withoutPredecessor(format, id);
    const stream = known ?? this.#addStream(id);
    this.#discard(stream);
    stream.extended = isExtended ? time : -1;
    stream.delta = time;
    stream.isAbsolute = format === 0;
    // librtmp starts a chunk stream with type 1 (its ping responses): time and message stream are counted from 0.
    stream.timestamp = format === 0 ? time : (stream.timestamp + time) >>> 0;
    if (format < 2) {
      stream.length = uint24(b, next + 3);
      stream.type = b[next + 6] as number;
      if (format === 0) stream.streamId = b.readUInt32LE(next + 7);
    }
    this.#beginMessage(stream);
    return isExtended ? afterHeader + 4 : afterHeader;
  }

  /** A chunk without a header of its own goes on with the unfinished message, or starts one like the last. */
  #readType3(stream: ChunkStream | undefined, id: number, b: Buffer, at: number, end: number): number {
    if (stream === undefined) throw this.#withoutPredecessor(3, id);
    const isNew = stream.body === undefined;
    let next = at;
    let delta = isNew ? repeatedDelta(stream) : 0;
    if (stream.extended >= 0) {
      if (isNew && !stream.isAbsolute) {
        // A delta this long is written anew each time, by those too who leave the field out of continuations.
        if (at + 4 > end) return -1;
        delta = b.readUInt32BE(at);
        next = at + 4;
      } else {
        const match = matchExtended(stream.extended, b, at, end);
        if (match < 0) return -1;
        next = at + match;
      }
    }
    if (isNew) {
      stream.timestamp = (stream.timestamp + delta) >>> 0;
      this.#beginMessage(stream);
    } else {
      this.#beginChunk(stream);
    }
    return next;
  }

  #beginMessage(stream: ChunkStream): void {
    const limit = this.#limitOf(stream.type);
    if (stream.length > limit) {
      throw new ProtocolError(
        'ERR_RTMP_MESSAGE_TOO_LARGE',
        `a message of type ${stream.type} claims ${stream.length} bytes, the limit is ${limit}`,
      );
    }
    if (stream.length === 0) this.#deliver(stream, Buffer.allocUnsafe(0));
    else this.#beginChunk(stream);
  }

  #beginChunk(stream: ChunkStream): void {
    this.#current = stream;
    this.#chunkLeft = Math.min(this.#chunkSize, stream.length - stream.filled);
  }

  #limitOf(type: number): number {
    switch (type) {
      case MESSAGE.AUDIO:
      case MESSAGE.VIDEO:
      case MESSAGE.AGGREGATE:
        return this.#limits.messageBytes;
      case MESSAGE.DATA:
      case MESSAGE.DATA_AMF3:
        return this.#limits.metadataBytes;
      default:
        return this.#limits.commandBytes;
    }
  }

  #addStream(id: number): ChunkStream {
    if (this.#streams.size >= this.#limits.chunkStreams) {
      throw new ProtocolError(
        'ERR_RTMP_CHUNK_STREAMS',
        `more than ${this.#limits.chunkStreams} chunk streams: too many, or bytes were lost`,
      );
    }
    const stream = new ChunkStream();
    this.#streams.set(id, stream);
    return stream;
  }

  #withoutPredecessor(format: number, id: number): ProtocolError {
    return new ProtocolError('ERR_RTMP_CHUNK_HEADER', `type ${format} is the first chunk of chunk stream ${id}`);
  }
}

/**
 * How a type-3 chunk that starts a message moves the time: by the last delta. After a type-0 chunk that is the time itself
 * (RTMP 1.0 §5.3.1.2.4; FMLE and ffmpeg mean it so: 26, then 52). Others (nginx, librtmp) mean "the same time" there. Only the small
 * times at the beginning of a stream can be a frame's distance: a later one would double the clock.
 */
function repeatedDelta(stream: ChunkStream): number {
  return stream.isAbsolute && stream.delta > MAX_REPEATED_TIME ? 0 : stream.delta;
}

/**
 * Bytes of extended time on a type-3 chunk whose message header had one: 4, or 0, or -1 if it can't be told yet. RTMP 1.0 (2012) §5.3.1.3
 * repeats the field there, its draft of 2009 did not; OBS before 30.1, librtmp and some phones still leave it out. So the value decides:
 * four equal bytes (or equal without the top bit, as servers that mask it send) are the field, anything else is payload already.
 */
function matchExtended(extended: number, b: Buffer, at: number, end: number): 4 | 0 | -1 {
  const have = Math.min(4, end - at);
  for (let i = 0; i < have; i += 1) {
    const expected = (extended >>> (24 - 8 * i)) & 0xff;
    const byte = b[at + i] as number;
    if (byte !== expected && !(i === 0 && byte === (expected & 0x7f))) return 0;
  }
  return have === 4 ? 4 : -1;
}

function uint24(b: Buffer, at: number): number {
  return ((b[at] as number) << 16) | ((b[at + 1] as number) << 8) | (b[at + 2] as number);
}
