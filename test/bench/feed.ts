import type { Socket } from 'node:net';
import { type MarkedCycle, markClock, writeMark } from '../support/marked-media.ts';
import { encodeChunks } from '../support/rtmp-chunks.ts';
import type { RtmpPublisher } from '../support/rtmp-client.ts';

const TICK_MS = 2;
const BODY_AT = 12; // after the header of a type-0 chunk
const CHUNK_STREAM = { 8: 4, 9: 6, 18: 5 } as const;
/** As OBS cuts its messages. */
const FORM = { chunkSize: 4096, extTimestampOnType3: true };

interface Prepared {
  readonly dueMs: number;
  readonly isVideo: boolean;
  readonly wire: Buffer;
}

interface Running {
  readonly socket: Socket;
  readonly startsAt: number;
  next: number;
  round: number;
  videoFrames: number;
}

/**
 * Sends one marked cycle over and over through many publishers, each message by a write of its own at its time, as encoders do.
 * Chunks are cut once; a message costs one copy, in which time and mark are set. Runs until disposed; good for 4 hours.
 */
export class Feed implements Disposable {
  readonly #cycle: MarkedCycle;
  readonly #messages: readonly Prepared[];
  readonly #running: Running[] = [];
  readonly #timer: NodeJS.Timeout;

  /** `publishers` must use chunks of 4096 bytes and message stream 1. They start one after another, spread over `spreadMs`. */
  constructor(publishers: readonly RtmpPublisher[], cycle: MarkedCycle, spreadMs: number) {
    this.#cycle = cycle;
    this.#messages = cycle.frames.map(({ type, timestamp, body }) => ({
      dueMs: timestamp,
      isVideo: type === 9,
      wire: prepare(type, body),
    }));
    const now = performance.now();
    for (const [i, { connection }] of publishers.entries()) {
      for (const { type, body } of cycle.headers) connection.socket.write(prepare(type, body));
      const startsAt = now + (i * spreadMs) / publishers.length;
      this.#running.push({ socket: connection.socket, startsAt, next: 0, round: 0, videoFrames: 0 });
    }
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    const now = performance.now();
    for (const publisher of this.#running) {
      for (;;) {
        const message = this.#messages[publisher.next]!;
        const dueMs = message.dueMs + publisher.round * this.#cycle.durationMs;
        if (publisher.startsAt + dueMs > now) break;
        send(publisher, message, dueMs);
        publisher.next = (publisher.next + 1) % this.#messages.length;
        if (publisher.next === 0) publisher.round++;
      }
    }
  }
}

function prepare(type: 8 | 9 | 18, body: Buffer): Buffer {
  return encodeChunks({ chunkStreamId: CHUNK_STREAM[type], type, timestamp: 0, messageStreamId: 1, body }, FORM);
}

function send(publisher: Running, { wire, isVideo }: Prepared, timestamp: number): void {
  const copy = Buffer.allocUnsafe(wire.length);
  wire.copy(copy);
  copy.writeUIntBE(timestamp, 1, 3);
  if (isVideo) writeMark(copy, BODY_AT, { frame: publisher.videoFrames++, sentAtMs: markClock() });
  publisher.socket.write(copy);
}
