import { createHash } from 'node:crypto';
import type { Track } from '../media/media-event.ts';
import type { Meter } from '../runtime/meter.ts';
import { BufferPool } from '../spool/buffer-pool.ts';
import type { PartFile } from '../spool/part-file.ts';
import { type ListedFragment, listFragments } from '../spool/scanned-entry.ts';
import type { SegmentEntry } from '../spool/segment-entry.ts';
import type { NameSource } from '../spool/segment-names.ts';
import type { SpooledPublication } from '../spool/spooled-publication.ts';
import type { DurableOrder, Ticket } from './durable-order.ts';
import type { FragmentBytes, RecordedFrame, RecordedMessage, SegmentEncoder } from './segment-format.ts';

/** What is fixed of a segment when it begins. Times are 90 kHz ticks. */
export interface SegmentPlan {
  readonly seq: number;
  /** Wall clock of its first frame. */
  readonly start: Date;
  /** DTS of its first frame on the recording's timeline. */
  readonly tfdt: number;
  /** Time on the timeline = time in the file + timelineOffset; source DTS = time in the file + sourceDtsOffset. */
  readonly timelineOffset: number;
  readonly sourceDtsOffset: number;
  readonly aligned: boolean;
}

/** What a segment writer works with. */
export interface WriterHost {
  readonly publication: SpooledPublication;
  readonly names: NameSource;
  readonly meter: Meter;
  readonly order: DurableOrder;
  /** The file is there, still empty. */
  opened(writer: SegmentWriter): void;
  /** Bytes of media waiting for the disk, more or (negative) less. */
  queued(bytes: number): void;
  /** The disk refused something. Called once; the writer then does nothing before `conclude`. */
  failed(error: unknown): void;
}

/** What holds of a publication once a fragment is durable; source DTS. */
export interface FragmentBounds {
  /** Everything received before it is durable, whatever segment it is in. */
  readonly received: number;
  /** No frame of the segment from before it is still to come. */
  readonly allThrough: number;
}

/** Up to this size a write is put together before: some hundred small buffers cost the system more than the copy does. */
const MAX_JOINED_BYTES = 4 * 1024 * 1024;
const WRITE_BUFFERS = new BufferPool(32, 64 * 1024);

function joined(parts: readonly Buffer[]): Buffer | undefined {
  const bytes = parts.reduce((sum, part) => sum + part.length, 0);
  if (bytes > MAX_JOINED_BYTES) return undefined;
  const whole = WRITE_BUFFERS.take(bytes);
  let at = 0;
  for (const part of parts) at += part.copy(whole, at);
  return whole;
}

interface Queued {
  readonly fragment: FragmentBytes;
  readonly allThrough: number;
  readonly ticket: Ticket;
  readonly closedAt: number;
  /** What the fragment counted in the queue while it was open. */
  readonly mediaBytes: number;
}

/**
 * One segment on its way to the disk. The media path calls `add` and `closeFragment`, which never wait; the file's operations
 * follow on their own, one after the other, all fragments that have gathered meanwhile with one write and one sync.
 */
export class SegmentWriter {
  readonly plan: SegmentPlan;
  /** Resolves when its first fragment is durable: the next segment's file waits for that, so that numbers have no holes. */
  readonly begun: Promise<void>;
  readonly #host: WriterHost;
  readonly #encoder: SegmentEncoder;
  readonly #after: Promise<unknown>;
  readonly #hash = createHash('sha256');
  /** Where each track's last frame ends. */
  readonly #trackEnds = new Map<Track, number>();
  /** Where its first frame in the open fragment stands; where that has none, the end of the last one before. */
  #trackFroms = new Map<Track, number>();
  readonly #durable: ListedFragment[] = [];
  #durableThrough: number | undefined;
  #frames: RecordedFrame[] = [];
  #messages: RecordedMessage[] = [];
  #openBytes = 0;
  #openFrom = Number.POSITIVE_INFINITY;
  #queue: Queued[] = [];
  #part: PartFile | undefined;
  #key = '';
  #draining: Promise<void> | undefined;
  #finishing: Promise<void> | undefined;
  #hasFailed = false;
  #isConcluded = false;
  #cutAt: number | undefined;
  #finishedThrough = 0;
  #begin: () => void = () => {};

  /** `after`: settles when the file may be made. */
  constructor(plan: SegmentPlan, encoder: SegmentEncoder, host: WriterHost, after: Promise<unknown>) {
    this.plan = plan;
    this.#encoder = encoder;
    this.#host = host;
    this.#after = after;
    this.begun = new Promise((resolve) => {
      this.#begin = resolve;
    });
  }

  /** Earliest DTS in the file of the open fragment; Infinity while it has no frame. */
  get openFrom(): number {
    return this.#openFrom;
  }

  /** `performance.now()` of its arrival. */
  get openSince(): number | undefined {
    return this.#frames[0]?.event.arrivedAt;
  }

  /** Neither in the spool's queue nor removed. */
  get isUnfinished(): boolean {
    return !this.#isConcluded;
  }

  /** Name of the file it will be, once that is known. */
  get file(): string | undefined {
    return this.#part?.path;
  }

  /** End of what is durable in it, on the recording's timeline. */
  get durableEnd(): number | undefined {
    return this.#durable.reduce<number | undefined>(
      (end, [, tfdt, duration]) => Math.max(end ?? 0, tfdt + duration),
      undefined,
    );
  }

  /** Where on the recording's timeline something may be missing behind what is durable in it: what was on its way then is. */
  get durableThrough(): number | undefined {
    return this.#durableThrough;
  }

  /** Whether a frame that stands there may join the open fragment: each track's frames follow one another without a hole within one. */
  fits(track: Track, dts: number): boolean {
    const end = this.#trackEnds.get(track);
    return end === undefined || end === dts || this.#frames.length === 0;
  }

  /** Takes a frame that fits. */
  add(frame: RecordedFrame): void {
    const { track, data } = frame.event;
    if (this.#trackFroms.get(track) === this.#trackEnds.get(track)) this.#trackFroms.set(track, frame.dts);
    this.#trackEnds.set(track, frame.dts + frame.duration);
    this.#frames.push(frame);
    if (frame.dts < this.#openFrom) this.#openFrom = frame.dts;
    this.#take(data.length + (frame.prefix?.length ?? 0));
  }

  addMessage(message: RecordedMessage): void {
    this.#messages.push(message);
    this.#take(message.data.length);
  }

  /** Hands the open fragment to the disk. */
  closeFragment({ received, allThrough }: FragmentBounds): void {
    if (this.#frames.length === 0 || this.#hasFailed) return;
    const [frames, messages, mediaBytes] = [this.#frames, this.#messages, this.#openBytes];
    this.#frames = [];
    this.#messages = [];
    this.#openBytes = 0;
    this.#openFrom = Number.POSITIVE_INFINITY;
    const through = Math.max(0, allThrough - this.plan.sourceDtsOffset);
    const allFrom = Math.max(...this.#trackFroms.values());
    this.#trackFroms = new Map(this.#trackEnds);
    let fragment: FragmentBytes;
    try {
      fragment = this.#encoder.fragment(frames, messages, { allFrom, allThrough: through });
    } catch (error) {
      // Called on the media path and by a timer: neither may end for a frame that fits no container.
      this.#host.queued(-mediaBytes);
      this.#fail(error);
      return;
    }
    const ticket = this.#host.order.issue(this.plan.seq, received);
    const inTimeline = through + this.plan.timelineOffset;
    this.#queue.push({ fragment, allThrough: inTimeline, ticket, closedAt: performance.now(), mediaBytes });
    this.#draining ??= this.#drain();
  }

  /**
   * No more frames follow. Times on the recording's timeline: `cutAt`: where the next segment begins, undefined at the end;
   * `through`: behind which media may be missing then. Resolves when it is in the spool's queue, or has failed.
   */
  finish(cutAt: number | undefined, through: number, after: Promise<unknown>): Promise<void> {
    this.#cutAt = cutAt;
    this.#finishedThrough = through;
    this.#finishing ??= this.#finish(after);
    return this.#finishing;
  }

  async #finish(after: Promise<unknown>): Promise<void> {
    await this.#draining;
    await after;
    if (this.#hasFailed) return;
    try {
      await this.#close(this.#encoder.patches(0, 0).length === 0 ? this.#hash.digest('hex') : undefined);
    } catch (error) {
      this.#fail(error);
    }
    // Messages without a frame after them have no fragment.
    this.#release();
  }

  /** Another segment of the publication failed: nothing more is written. */
  abort(): void {
    this.#hasFailed = true;
    this.#begin();
  }

  /**
   * After a failure: closes the file with what is durable in it, or removes it where nothing is. May be called again when it
   * throws. @throws the disk's errors
   */
  async conclude(): Promise<void> {
    await this.#draining;
    await this.#finishing;
    this.#release();
    if (this.#isConcluded) return;
    if (this.#part !== undefined && this.#durable.length === 0) await this.#host.publication.discardPart(this.#part);
    else if (this.#part !== undefined) {
      await this.#part.cutToDurable();
      await this.#close(undefined);
    }
    this.#isConcluded = true;
  }

  #take(bytes: number): void {
    this.#openBytes += bytes;
    this.#host.queued(bytes);
  }

  async #drain(): Promise<void> {
    try {
      while (this.#queue.length > 0 && !this.#hasFailed) await this.#commit();
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#draining = undefined;
    }
  }

  async #commit(): Promise<void> {
    const part = this.#part ?? (await this.#createPart());
    if (part === undefined || this.#hasFailed) return;
    const batch = this.#queue;
    this.#queue = [];
    const parts: Buffer[] = part.durableBytes === 0 ? [this.#encoder.start.bytes] : [];
    for (const { fragment } of batch) parts.push(...fragment.buffers);
    const whole = joined(parts);
    const writing = part.commit(whole ? [whole] : parts);
    for (const bytes of whole ? [whole] : parts) this.#hash.update(bytes);
    let at = part.durableBytes || this.#encoder.start.bytes.length;
    try {
      await writing;
      // Not after a failure: then the system may still read it.
      if (whole) WRITE_BUFFERS.give(whole);
    } finally {
      this.#host.queued(-batch.reduce((sum, { mediaBytes }) => sum + mediaBytes, 0));
    }
    for (const { fragment, allThrough, ticket, closedAt } of batch) {
      this.#durableThrough = allThrough;
      this.#durable.push([at, fragment.start + this.plan.timelineOffset, fragment.end - fragment.start]);
      at += fragment.bytes;
      this.#host.order.acknowledge(ticket);
      this.#host.meter.observe('headwater_fragment_sync_seconds', (performance.now() - closedAt) / 1000);
    }
    this.#begin();
  }

  async #createPart(): Promise<PartFile | undefined> {
    const { publication, names } = this.#host;
    await this.#after;
    if (this.#hasFailed) return undefined;
    if (this.#key === '') this.#key = await names.take({ ...publication.header, ...this.plan });
    this.#part = await publication.createPart(this.#key, this.plan.seq);
    this.#host.opened(this);
    return this.#part;
  }

  async #close(sha256: string | undefined): Promise<void> {
    const part = this.#part;
    if (part === undefined || this.#isConcluded) return;
    const end = this.#cutAt !== undefined && !this.#hasFailed ? this.#cutAt : (this.durableEnd ?? this.plan.tfdt);
    const duration = end - this.plan.tfdt;
    for (const { offset, bytes } of this.#encoder.patches(duration, part.durableBytes)) await part.patch(offset, bytes);
    await part.finish();
    const { publication } = this.#host;
    const digest = sha256 ?? (await publication.hash(part));
    const through = this.#hasFailed ? this.#durableThrough : this.#finishedThrough;
    await publication.closed(part.path, this.#entry(part, digest, duration), {
      ...(through !== undefined && through < end && { through }),
    });
    this.#isConcluded = true;
    this.#host.meter.count('headwater_segments_total', 'closed');
  }

  #entry(part: PartFile, sha256: string, duration: number): SegmentEntry {
    const { header } = this.#host.publication;
    const { seq, tfdt, start, aligned } = this.plan;
    return {
      seq,
      key: this.#key,
      tfdt,
      duration,
      start: start.toISOString(),
      bytes: part.durableBytes,
      sha256,
      headerBytes: header.format === 'flv' ? 0 : this.#encoder.start.bytes.length,
      headerCrc: this.#encoder.start.crc,
      ...listFragments(this.#durable, duration, header.segmentDuration),
      aligned,
      recovered: false,
    };
  }

  #fail(error: unknown): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.#begin();
    this.#host.failed(error);
  }

  /** What was never written no longer counts as waiting. */
  #release(): void {
    const waiting = this.#queue.reduce((sum, { mediaBytes }) => sum + mediaBytes, this.#openBytes);
    this.#queue = [];
    this.#frames = [];
    this.#messages = [];
    this.#openBytes = 0;
    if (waiting > 0) this.#host.queued(-waiting);
  }
}
