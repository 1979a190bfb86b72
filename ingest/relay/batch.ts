import {
  encodeFlvTags,
  encodeRtmpChunks,
  messageOf,
  type TimedMessage,
  type TrackSelection,
} from '../adapt/media-to-rtmp.ts';
import type { TransportProgram } from '../adapt/media-to-ts.ts';
import { beginsWithTables, joinParts } from '../adapt/transport-parts.ts';
import type { ConfigEvent, FrameEvent, MetadataEvent, OpaqueEvent, TrackMetadataEvent } from '../media/media-event.ts';
import type { TransportPart } from '../media/publication.ts';

/** Events that viewers receive. */
export type SentEvent = ConfigEvent | FrameEvent | TrackMetadataEvent | MetadataEvent | OpaqueEvent;

/** How a viewer wants the media: the container, and for two of them whether it takes more than track 0 of each kind. `ts` has all tracks. */
export type Encoding = `${'rtmp' | 'flv'}-${TrackSelection}` | 'ts';

/** What a decoder needs before the first frame, in the order players want it. Immutable: a change makes a new one. */
export type Headers = readonly SentEvent[];

/** Serialises events at their outgoing times (ms) as messages. Events outside the encoding's track selection are left out. */
function encodeMessages(
  events: readonly SentEvent[],
  times: readonly number[],
  encoding: Exclude<Encoding, 'ts'>,
  chunkSize: number,
): Buffer {
  const selection: TrackSelection = encoding.endsWith('full') ? 'full' : 'base';
  const messages: TimedMessage[] = [];
  for (let i = 0; i < events.length; i++) {
    const event = events[i]!;
    const message = messageOf(event, selection);
    // ffmpeg takes onMetaData at any other time than 0 for a track of subtitles.
    if (message !== undefined) messages.push({ message, timestamp: event.kind === 'metadata' ? 0 : times[i]! });
  }
  return encoding.startsWith('rtmp') ? encodeRtmpChunks(messages, chunkSize) : encodeFlvTags(messages);
}

function bytesOf(event: SentEvent): number {
  switch (event.kind) {
    case 'frame':
    case 'opaque':
      return event.data.length;
    case 'config':
      return (event.flvBody ?? event.record).length;
    case 'trackMetadata':
      return event.flvBody.length;
    case 'metadata':
      return event.body.length;
  }
}

const NOTHING = Buffer.alloc(0);

/**
 * The media of one flush tick. Serialised at most once for each encoding that somebody watches, into one immutable Buffer which every
 * viewer is sent. Batches form a list by `next`: a viewer holds the one it has reached, so what all have passed is collected by itself.
 */
export class Batch {
  /** Counts up along the list. */
  readonly seq: number;
  /** The headers in force when it began, and after its last event. */
  readonly headers: Headers;
  headersAfter: Headers;
  /** A decoder that has `headers` can start here. */
  readonly isStart: boolean;
  next: Batch | undefined;
  /** Bytes of all events, and frames, of all batches up to the end of this one: backlogs are differences of these. */
  endBytes: number;
  endFrames: number;
  /** The same of what viewers of a transport stream are sent: of the publication's own, where it has one, else of its events. */
  endTransportBytes: number;
  readonly startFrames: number;
  /** Outgoing time of its first and last event, ms. */
  firstMs: number;
  lastMs: number;
  /** No event will be added. */
  closed = false;
  readonly #startTransportBytes: number;
  readonly #chunkSize: number;
  readonly #events: SentEvent[] = [];
  readonly #times: number[] = [];
  /** The transport stream of a publication that has one of its own. */
  readonly #parts: TransportPart[] = [];
  /** Where a transport stream made of the events stood at the batch's beginning, and the packets it takes; undefined while nobody wants one. */
  #program: { readonly now: TransportProgram; readonly before: TransportProgram; packets: number } | undefined;
  readonly #encoded = new Map<Encoding, Buffer>();

  constructor(before: Batch | undefined, headers: Headers, isStart: boolean, chunkSize: number) {
    this.seq = before === undefined ? 0 : before.seq + 1;
    this.endBytes = before?.endBytes ?? 0;
    this.endFrames = before?.endFrames ?? 0;
    this.endTransportBytes = before?.endTransportBytes ?? 0;
    this.#startTransportBytes = this.endTransportBytes;
    this.startFrames = this.endFrames;
    this.firstMs = before?.lastMs ?? 0;
    this.lastMs = this.firstMs;
    this.headers = headers;
    this.headersAfter = headers;
    this.isStart = isStart;
    this.#chunkSize = chunkSize;
  }

  get isEmpty(): boolean {
    return this.#events.length === 0 && this.#parts.length === 0;
  }

  get size(): number {
    return this.#events.length;
  }

  get transportBytes(): number {
    return this.endTransportBytes - this.#startTransportBytes;
  }

  /** Adds an event at its outgoing time in ms. `isTransport`: viewers of a transport stream are sent it. */
  add(event: SentEvent, timeMs: number, isTransport = true): void {
    if (this.#events.length === 0) this.firstMs = timeMs;
    this.#events.push(event);
    this.#times.push(timeMs);
    if (this.#program !== undefined) this.#program.packets += this.#program.now.advance(event, timeMs);
    this.lastMs = timeMs;
    const bytes = bytesOf(event);
    this.endBytes += bytes;
    if (isTransport) this.endTransportBytes += bytes;
    if (event.kind === 'frame') this.endFrames++;
  }

  /** From now on counts what a transport stream of its events takes, `program` being where that stands before them. */
  follow(program: TransportProgram): void {
    this.#program = { now: program, before: program.clone(), packets: 0 };
    for (let i = 0; i < this.#events.length; i++) {
      this.#program.packets += program.advance(this.#events[i]!, this.#times[i]!);
    }
  }

  addPart(part: TransportPart): void {
    this.#parts.push(part);
    this.endTransportBytes += part.data.length;
  }

  /** What a viewer that starts with this batch is sent before it. */
  opening(encoding: Encoding): Buffer {
    if (encoding !== 'ts') {
      const times = this.headers.map(() => this.firstMs);
      return encodeMessages(this.headers, times, encoding, this.#chunkSize);
    }
    const first = this.#parts[0];
    return first === undefined || beginsWithTables(first) ? NOTHING : first.tables;
  }

  /** The batch as `encoding`'s viewers are sent it: made at the first call, the same Buffer at each later one. Only once closed. */
  encoded(encoding: Encoding): Buffer {
    let bytes = this.#encoded.get(encoding);
    if (bytes === undefined) {
      bytes =
        encoding === 'ts' ? this.#transport() : encodeMessages(this.#events, this.#times, encoding, this.#chunkSize);
      this.#encoded.set(encoding, bytes);
    }
    return bytes;
  }

  /** The publication's own, or one made of its events. */
  #transport(): Buffer {
    if (this.#parts.length > 0 || this.#program === undefined) return joinParts(this.#parts);
    const { before, packets } = this.#program;
    return before.write(this.#events, this.#times, packets);
  }
}
