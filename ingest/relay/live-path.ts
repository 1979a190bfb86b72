import { withoutKinds } from '../adapt/honest-metadata.ts';
import { TransportProgram } from '../adapt/media-to-ts.ts';
import {
  type ConfigEvent,
  type FrameEvent,
  isVideoTrack,
  type MediaEvent,
  type MetadataEvent,
  msOfTicks,
  type Track,
} from '../media/media-event.ts';
import type { TransportPart } from '../media/publication.ts';
import { Batch, type SentEvent } from './batch.ts';
import { GopCache, type GopCacheLimits } from './gop-cache.ts';
import { HeaderSet } from './header-set.ts';
import { TrackPromises } from './track-promises.ts';
import { TransportStart } from './transport-start.ts';
import type { Viewer } from './viewer.ts';

/** Where outgoing times start, so that audio which is a little older than the first video keeps its distance. */
const FIRST_MS = 1000;

/** Nobody watches: batches are closed at this size all the same, so that a joiner is served in steps. */
const MAX_UNWATCHED_EVENTS = 64;
const MAX_UNWATCHED_BYTES = 1024 * 1024;

/** What {@link LivePath} needs of the hub. */
export interface LivePathOptions {
  readonly limits: GopCacheLimits;
  readonly chunkSize: number;
  /** `performance.now()`. */
  readonly now: () => number;
  /** Something waits to be sent. */
  readonly onDirty: () => void;
}

/**
 * The media of one path, across publications, as its viewers get it: a list of batches, the headers in force, and where a late joiner starts.
 * Outgoing times begin near 0, have one offset for all tracks, and go on when another publication follows.
 */
export class LivePath {
  readonly viewers = new Set<Viewer>();
  readonly #options: LivePathOptions;
  readonly #gop: GopCache;
  /** Where viewers of the publication's own transport stream start, if it has one. */
  readonly #transport: TransportStart;
  #headers = new HeaderSet();
  /** The end of the list: events are added to it until it is closed. */
  #newest: Batch;
  /** The track whose keyframes decide where one can start; undefined while there is no video. */
  #startTrack: Track | undefined;
  #hasKeyframe = false;
  #promises = new TrackPromises();
  /** As the publisher sent it, and as it stands in the headers: there it loses what it promised in vain, for all who join from then on. */
  #metadata:
    | { readonly sent: MetadataEvent; readonly shown: { -readonly [K in keyof MetadataEvent]: MetadataEvent[K] } }
    | undefined;
  /** Added to a source time in ms gives the outgoing one; undefined before a publication's first frame. */
  #offsetMs: number | undefined;
  #lastMs = 0;
  /** Where the publication before ended: nothing of this one is put earlier. */
  #floorMs = 0;
  #lastAt: number;
  /** Somebody takes a transport stream, at the last flush. */
  #hasTransportViewers = false;
  /** A transport stream made of the events, since somebody wants one of a publication that has none of its own. */
  #program: TransportProgram | undefined;

  constructor(options: LivePathOptions) {
    this.#options = options;
    this.#gop = new GopCache(options.limits, ({ endBytes }) => endBytes);
    this.#transport = new TransportStart(options.limits);
    this.#newest = new Batch(undefined, this.#headers.snapshot, false, options.chunkSize);
    this.#lastAt = options.now();
  }

  /** Outgoing ms = source ms + this; undefined before the first frame. */
  get offsetMs(): number | undefined {
    return this.#offsetMs;
  }

  /** The present publication is a transport stream itself: viewers of one get that, whatever is in it. */
  get hasOwnTransport(): boolean {
    return this.#transport.isPresent;
  }

  /** Another publisher's media follows: other headers, other times, a keyframe first. */
  beginPublication(): void {
    this.#headers = new HeaderSet();
    this.#gop.clear();
    this.#transport.clear();
    this.#program?.clear();
    if (this.#hasTransportViewers) this.#program ??= new TransportProgram();
    this.#startTrack = undefined;
    this.#hasKeyframe = false;
    this.#promises = new TrackPromises();
    this.#metadata = undefined;
    this.#offsetMs = undefined;
  }

  /** Takes one event of the present publication. */
  add(event: MediaEvent): void {
    switch (event.kind) {
      case 'frame':
        this.#addFrame(event);
        break;
      case 'config':
        this.#addConfig(event);
        break;
      case 'metadata':
        this.#addMetadata(event);
        break;
      case 'trackMetadata':
        this.#addHeader(event);
        break;
      case 'opaque':
        if (this.#offsetMs !== undefined) this.#append(event, this.#outgoing(msOfTicks(event.dts)));
        break;
      case 'gap':
      case 'end':
        break;
    }
  }

  /** Takes the next part of the transport stream that the present publication is: its viewers get that instead of the events. */
  addTransport(part: TransportPart): void {
    const isFirst = !this.#transport.isPresent;
    this.#transport.isPresent = true;
    this.#program = undefined;
    if (isFirst || part.isStart || this.#newest.closed) this.#follow(false);
    if (part.isStart) this.#transport.restart(this.#newest);
    // Who was here before the publisher gets all of it.
    if (isFirst || part.isStart) this.#startWaiting(true);
    this.#newest.addPart(part);
    this.#transport.grew(this.#newest);
    if (this.#hasTransportViewers) this.#options.onDirty();
    else if (this.#newest.transportBytes >= MAX_UNWATCHED_BYTES) this.#closeBatch();
  }

  /** Adds a viewer: it starts at the cached keyframe, or at the next one. */
  join(viewer: Viewer): void {
    this.viewers.add(viewer);
    if (viewer.encoding === 'ts') this.#hasTransportViewers = true;
    if (viewer.encoding === 'ts' && !this.#transport.isPresent) this.#makeProgram();
    this.#startAll([viewer]);
  }

  /** Closes the running batch and hands every viewer what its kernel takes. Returns those that have stalled, and whether others lag. */
  flush(now: number): { readonly stalled: readonly Viewer[]; readonly lagging: boolean } {
    this.#closeBatch();
    if (this.#startTrack === undefined && this.#offsetMs !== undefined && !this.#promises.isOpen) {
      this.#startWaiting(false);
      this.#startWaiting(true);
    }
    const stalled: Viewer[] = [];
    let lagging = false;
    this.#hasTransportViewers = false;
    for (const viewer of this.viewers) {
      if (viewer.encoding === 'ts') this.#hasTransportViewers = true;
      const restart = this.#takesTransport(viewer) ? this.#transport.start : this.#gop.start;
      if (viewer.advance(now, this.#newest, restart) === 'stalled') stalled.push(viewer);
      else if (!viewer.isCurrent) lagging = true;
    }
    return { stalled, lagging };
  }

  #addFrame(frame: FrameEvent): void {
    const timeMs = this.#outgoing(msOfTicks(frame.dts));
    if (this.#startTrack === undefined) {
      if (isVideoTrack(frame.track)) return; // no configuration yet: nothing could decode it
    } else if (frame.track === this.#startTrack && frame.key) {
      this.#startHere();
    } else if (!this.#hasKeyframe && isVideoTrack(frame.track)) {
      return;
    }
    this.#append(frame, timeMs);
    if (!this.#promises.isLate) this.#followPromises(timeMs);
  }

  #followPromises(timeMs: number): void {
    const wasOpen = this.#promises.isOpen;
    this.#promises.pass(timeMs);
    if (!wasOpen || this.#promises.isOpen) return;
    this.#correctMetadata();
    this.#startJoiners();
  }

  #addConfig(event: ConfigEvent): void {
    if (isVideoTrack(event.track)) this.#expectKeyframe(event.track);
    const wasOpen = this.#promises.isOpen;
    this.#promises.keep(event.track);
    this.#correctMetadata();
    this.#addHeader(event);
    if (wasOpen && !this.#promises.isOpen) this.#startJoiners();
  }

  #addMetadata(event: MetadataEvent): void {
    this.#promises.promise(event.values);
    this.#metadata = { sent: event, shown: { ...event } };
    this.#correctMetadata();
    this.#addHeader(this.#metadata.shown);
  }

  #correctMetadata(): void {
    if (this.#metadata === undefined || !this.#promises.isLate) return;
    const { sent, shown } = this.#metadata;
    const { missing } = this.#promises;
    const { values, body } = missing.video || missing.audio ? withoutKinds(sent, missing) : sent;
    shown.values = values;
    shown.body = body;
  }

  #startHere(): void {
    this.#hasKeyframe = true;
    this.#follow(true);
    this.#gop.restart(this.#newest);
    if (this.#promises.isOpen) return;
    this.#startWaiting(false);
    // A transport stream that never says where its keyframes begin is joined wherever one has ended.
    if (!this.#transport.hasMarks) this.#startWaiting(true);
  }

  /** They begin where a joiner does, if there is such a place; else they wait for one. */
  #startAll(joiners: readonly Viewer[]): void {
    for (const viewer of joiners) {
      const start = this.#startOf(viewer);
      if (start === undefined) continue;
      viewer.startAt(start, this.#newest);
      this.#options.onDirty();
    }
  }

  /** What was promised has come, or is not waited for any more. */
  #startJoiners(): void {
    this.#startAll([...this.viewers].filter((viewer) => viewer.waitsForStart));
  }

  /** Those who take the publication's own transport stream, or those who do not. */
  #startWaiting(takesTransport: boolean): void {
    for (const viewer of this.viewers) {
      if (!viewer.waitsForStart || this.#takesTransport(viewer) !== takesTransport) continue;
      viewer.startAt(this.#newest, this.#newest);
    }
  }

  #takesTransport(viewer: Viewer): boolean {
    return viewer.encoding === 'ts' && this.#transport.isPresent;
  }

  /** A video configuration: what was cached fits it no more. */
  #expectKeyframe(track: Track): void {
    this.#startTrack ??= track;
    if (track === this.#startTrack) this.#gop.clear();
  }

  #addHeader(event: Exclude<SentEvent, FrameEvent>): void {
    // Before the first frame they are only remembered: whoever starts is sent them first.
    if (this.#offsetMs !== undefined) this.#append(event, this.#lastMs);
    this.#headers.set(event);
    if (this.#offsetMs !== undefined) this.#newest.headersAfter = this.#headers.snapshot;
  }

  #append(event: SentEvent, timeMs: number): void {
    if (this.#newest.closed) this.#follow(false);
    this.#newest.add(event, timeMs, !this.#transport.isPresent);
    this.#gop.grew(this.#newest);
    this.#lastAt = this.#options.now();
    if (timeMs > this.#lastMs) this.#lastMs = timeMs;
    if (this.viewers.size > 0) this.#options.onDirty();
    else if (this.#newest.size >= MAX_UNWATCHED_EVENTS) this.#closeBatch();
  }

  /** Closes the newest batch, whatever is in it, and opens the next. */
  #follow(isStart: boolean): void {
    const batch = new Batch(this.#newest, this.#headers.snapshot, isStart, this.#options.chunkSize);
    this.#newest.closed = true;
    this.#newest.next = batch;
    this.#newest = batch;
    if (this.#program !== undefined) batch.follow(this.#program);
  }

  /** Begins to count packets: with the batch a joiner starts with, so that it need not wait for a keyframe. */
  #makeProgram(): void {
    if (this.#program !== undefined) return;
    const program = new TransportProgram();
    this.#program = program;
    let batch: Batch | undefined = this.#gop.start ?? this.#newest;
    for (const header of batch.headers) program.advance(header, batch.firstMs);
    for (; batch !== undefined; batch = batch.next) batch.follow(program);
  }

  #closeBatch(): void {
    if (!this.#newest.isEmpty) this.#newest.closed = true;
  }

  /** Where a joiner starts; for audio alone that is anywhere. */
  #startOf(viewer: Viewer): Batch | undefined {
    const takesTransport = this.#takesTransport(viewer);
    if (takesTransport && this.#transport.start !== undefined) return this.#transport.start;
    if (this.#promises.isOpen) return undefined;
    if (this.#startTrack !== undefined) return takesTransport ? undefined : this.#gop.start;
    if (this.#offsetMs === undefined) return undefined;
    if (!this.#newest.isEmpty) this.#follow(true);
    return this.#newest;
  }

  #outgoing(sourceMs: number): number {
    if (this.#offsetMs === undefined) this.#beginTimes(sourceMs);
    return Math.max(this.#floorMs, sourceMs + this.#offsetMs!);
  }

  #beginTimes(sourceMs: number): void {
    const passed =
      this.#lastMs === 0 ? FIRST_MS : this.#lastMs + Math.max(1, Math.round(this.#options.now() - this.#lastAt));
    this.#offsetMs = passed - sourceMs;
    this.#floorMs = this.#lastMs;
    for (const header of this.#headers.snapshot) this.#program?.advance(header, passed);
    this.#follow(this.#startTrack === undefined);
  }
}
