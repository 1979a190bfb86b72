import {
  assertNever,
  type ConfigEvent,
  type EndCause,
  type EndEvent,
  type FrameEvent,
  isVideoTrack,
  type MediaEvent,
  type Ticks,
} from '../media/media-event.ts';
import type { MediaSink, PublicationInfo } from '../media/publication.ts';
import { Fault } from '../runtime/fault.ts';
import type { Log } from '../runtime/log.ts';
import { errorCode } from '../spool/disk.ts';
import type { PublicationHeader, RecordingGap } from '../spool/segment-entry.ts';
import type { SpooledPublication } from '../spool/spooled-publication.ts';
import { DurableOrder } from './durable-order.ts';
import { ExpectedTracks } from './expected-tracks.ts';
import { hasMp4Mapping, isMp4Describable } from './fmp4-encoder.ts';
import { formatOf, headerOf, type RecordingTools } from './recording-plan.ts';
import type { RecordingStatus } from './recording-status.ts';
import type { SegmentTrack } from './segment-format.ts';
import type { SegmentWriter } from './segment-writer.ts';
import { AheadFrames, StartBuffer } from './start-buffer.ts';
import { Take } from './take.ts';
import { mainTrackOf, TrackSet } from './track-set.ts';
import { untilWritable } from './until-writable.ts';
import { WallClock } from './wall-clock.ts';

const TICKS_PER_MS = 90;
const TICKS_PER_SECOND = 90_000;

/** Why nothing is recorded at present. */
type StopCause = Extract<RecordingGap['cause'], 'disk-full' | 'disk-error' | 'overload'>;

/** Records one publication, take after take: what goes wrong with the disk ends here, and is tried again until it goes well. */
export class PublicationRecording implements MediaSink {
  readonly info: PublicationInfo;
  /** Settles when its files are closed and its journal says that it ended, or when a disk that refuses is no longer waited for. */
  readonly done: Promise<void>;
  readonly #tools: RecordingTools;
  readonly #log: Log;
  readonly #tracks = new TrackSet();
  readonly #expected: ExpectedTracks;
  readonly #buffer: StartBuffer;
  readonly #ahead = new AheadFrames();
  readonly #order = new DurableOrder();
  readonly #clock: WallClock;
  readonly #stop = new AbortController();
  readonly #resolveDone: () => void;
  #header: PublicationHeader;
  #metadata: ReadonlyMap<string, unknown> = new Map();
  #state: RecordingStatus['state'] = 'settling';
  #publication: SpooledPublication | undefined;
  #take: Take | undefined;
  /** Takes whose files are not all closed. */
  readonly #takes = new Set<Take>();
  /** Writers that failed, or were given up with one that did, oldest first. */
  #failed: SegmentWriter[] = [];
  #ending: Promise<unknown> = Promise.resolve();
  #working = false;
  #origin: number | undefined;
  #lastDts: number | undefined;
  #queuedBytes = 0;
  #stopCause: StopCause | undefined;
  #error: string | undefined;
  #hasVideoChanged = false;
  #hasOpened = false;
  #end: { readonly cause: EndCause; readonly at: Date } | undefined;

  constructor(info: PublicationInfo, tools: RecordingTools) {
    this.info = info;
    this.#tools = tools;
    this.#header = headerOf(info, 'fmp4', tools.settings);
    this.#log = tools.log.child({ conn_id: info.connId, stream_key: info.path });
    this.#expected = new ExpectedTracks(tools.settings.trackSettle * TICKS_PER_MS);
    this.#buffer = new StartBuffer(tools.settings.queueBytes);
    this.#clock = new WallClock(tools.nowMs, tools.monotonicMs);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.done = promise;
    this.#resolveDone = resolve;
  }

  get status(): RecordingStatus {
    const mark = this.#order.mark;
    const received = this.#lastDts === undefined || this.#origin === undefined ? 0 : this.#lastDts - this.#origin;
    return {
      state: this.#state,
      recording: this.#header.recording,
      pub: this.info.pub,
      seq: this.#take?.current?.plan.seq ?? this.#publication?.entries.at(-1)?.seq ?? 0,
      durable: mark ? { pub: this.info.pub, seq: mark.seq, dts: mark.dts as Ticks } : null,
      receivedSeconds: received / TICKS_PER_SECOND,
      closedSeconds: this.#closedEnd() / TICKS_PER_SECOND,
      gaps: this.#publication?.gaps ?? [],
      error: this.#error ?? null,
      file: this.#take?.current?.file ?? null,
    };
  }

  onEvent(event: MediaEvent): void {
    if (this.#end) return;
    if (this.#state !== 'settling' && this.#state !== 'opening') {
      this.#live(event);
      return;
    }
    this.#buffer.push(event);
    if (event.kind === 'end' && this.#state === 'settling') this.#settle(event);
    else if (this.#state === 'settling') this.#getToKnow(event);
    if (this.#buffer.isFull) this.#giveUpBuffer();
  }

  /** Called every 100 ms or so. */
  onTick(): void {
    this.#take?.onTick(this.#tools.monotonicMs());
    if (this.#take && this.#tools.spool.isStopped) {
      this.#pause('disk-full', new Fault('ERR_SPOOL_FULL', 'the spool is full, and spool.onFull is StopRecording'));
    }
  }

  /** Ends it if the publisher has not, and waits no longer than one more try for a disk that refuses. */
  stop(): Promise<void> {
    this.onEvent({ kind: 'end', cause: 'shutdown' });
    this.#stop.abort();
    return this.done;
  }

  /** Before recording begins: which tracks there are, and what describes them. */
  #getToKnow(event: MediaEvent): void {
    switch (event.kind) {
      case 'metadata':
        this.#expected.promise(event.values);
        break;
      case 'config':
        this.#tracks.configure(event);
        this.#expected.announce(event.track, this.#isReady(this.#tracks.get(event.track)));
        break;
      case 'frame':
        if (event.key) this.#tracks.noteKeyframe(event.track, event.data);
        if (event.key && this.#tracks.has(event.track)) {
          this.#expected.announce(event.track, this.#isReady(this.#tracks.get(event.track)));
        }
        this.#expected.pass(event.dts);
        break;
      case 'trackMetadata':
        this.#tracks.noteMetadata(event);
        break;
      case 'opaque':
      case 'gap':
      case 'end':
        return;
      default:
        assertNever(event);
    }
    if (this.#expected.isSettled) this.#open();
  }

  /** The publication ended before its tracks were settled: what came is recorded all the same. */
  #settle(end: EndEvent): void {
    if (this.#tracks.list((track) => this.#isReady(track)).length > 0) this.#open();
    else {
      this.#end = { cause: end.cause, at: new Date(this.#tools.nowMs()) };
      this.#state = 'ending';
      this.#resolveDone();
    }
  }

  #open(): void {
    this.#state = 'opening';
    const format = formatOf(this.#tracks, this.#tools.settings, this.#log);
    this.#header = headerOf(this.info, format, this.#tools.settings);
    this.#tools.spool.openPublication(this.#header).then(
      (publication) => {
        this.#publication = publication;
        this.#arm();
        for (const event of this.#buffer.take()) this.#live(event);
      },
      (error: unknown) => {
        this.#giveUpBuffer();
        this.#fail(error);
      },
    );
  }

  /** The buffer's frames are lost; what they say of the publication is not. */
  #giveUpBuffer(): void {
    this.#stopCause ??= 'overload';
    const state = this.#state;
    this.#state = 'waiting';
    for (const event of this.#buffer.take()) this.#live(event);
    if (!this.#end) this.#state = state;
  }

  #live(event: MediaEvent): void {
    switch (event.kind) {
      case 'frame':
        this.#onFrame(event);
        break;
      case 'config':
        this.#onConfig(event);
        break;
      case 'trackMetadata':
        this.#tracks.noteMetadata(event);
        break;
      case 'metadata':
        this.#metadata = event.values;
        break;
      case 'opaque':
        this.#take?.onMessage(event);
        break;
      case 'gap':
        this.#take?.onGap();
        if (this.#take) this.#declare(event.from, event.to, event.cause);
        break;
      case 'end':
        this.#onEnd(event);
        return;
      default:
        assertNever(event);
    }
    const limit = this.#tools.settings.queueBytes;
    if (this.#take && this.#queuedBytes > limit) {
      this.#pause('overload', new Fault('ERR_RECORD_OVERLOAD', `${this.#queuedBytes} bytes wait for the disk`));
    }
  }

  #onConfig(event: ConfigEvent): void {
    if (this.#header.format === 'fmp4' && !hasMp4Mapping(event)) {
      this.#log.warn({ track: event.track, codec: event.codec }, 'track not recorded: no MP4 mapping');
    }
    const change = this.#tracks.configure(event);
    if (change === 'changed' && isVideoTrack(event.track)) this.#hasVideoChanged = true;
    this.#take?.onConfig(event.track, change);
  }

  #onFrame(frame: FrameEvent): void {
    this.#lastDts = Math.max(this.#lastDts ?? frame.dts, frame.dts);
    if (frame.key) this.#tracks.noteKeyframe(frame.track, frame.data);
    if (this.#take) {
      this.#take.onFrame(frame);
      return;
    }
    const main = mainTrackOf(this.#tracks.list((track) => this.#isReady(track)));
    if (frame.track !== main) {
      this.#ahead.push(frame);
      return;
    }
    this.#ahead.forgetBefore(frame.dts);
    if (!frame.key) return;
    if (this.#origin === undefined) {
      this.#origin = frame.dts;
      void this.#publication?.base(frame.dts);
    }
    if (this.#state === 'armed') this.#begin(frame, this.#origin);
  }

  #begin(frame: FrameEvent, origin: number): void {
    const publication = this.#publication as SpooledPublication;
    const recording = this;
    const { settings, names, meter } = this.#tools;
    const take = new Take({
      ...{ publication, settings, names, meter, origin },
      tracks: this.#tracks,
      order: this.#order,
      nextSeq: (publication.entries.at(-1)?.seq ?? 0) + 1,
      get metadata() {
        return recording.#metadata;
      },
      get hasVideoChanged() {
        return recording.#hasVideoChanged;
      },
      wallClock: ({ dts, arrivedAt }) => this.#clock.at(dts, arrivedAt),
      declare: (gap) => void publication.gap(gap),
      opened: (writer) => this.#onOpened(writer),
      queued: (bytes) => {
        this.#queuedBytes += bytes;
      },
      failed: (error) => this.#fail(error),
    });
    this.#take = take;
    this.#takes.add(take);
    this.#state = 'recording';
    take.onFrame(frame);
    for (const ahead of this.#ahead.take()) take.onFrame(ahead);
    const first = take.current;
    const from = this.#closedEnd();
    void first?.begun.then(() => {
      if (first.durableEnd !== undefined && this.#takes.has(take)) this.#onBegun(from, first.plan.tfdt);
    });
  }

  /** The first fragment of a take is durable: what had been wrong is over. */
  #onBegun(from: number, to: number): void {
    this.#error = undefined;
    if (this.#stopCause === undefined) return;
    this.#log.info({ seconds: (to - from) / TICKS_PER_SECOND, cause: this.#stopCause }, 'recording resumed');
    this.#declareStop(from, to);
  }

  #declareStop(from: number, to: number): void {
    const cause = this.#stopCause;
    this.#stopCause = undefined;
    if (cause === undefined || to <= from) return;
    void this.#publication?.gap({ from, to, cause });
    this.#tools.meter.count('headwater_recording_dropped_seconds_total', cause, (to - from) / TICKS_PER_SECOND);
  }

  #onOpened(writer: SegmentWriter): void {
    if (this.#hasOpened) return;
    this.#hasOpened = true;
    this.#log.info({ file: writer.file, recording: this.#header.recording }, 'recorder initialized');
    void writer.begun.then(() => this.#log.info({ file: writer.file }, 'recording started'));
  }

  #onEnd({ cause }: EndEvent): void {
    this.#end = { cause, at: new Date(this.#tools.nowMs()) };
    this.#endTake();
    this.#state = 'ending';
    this.#work(false);
  }

  /** Ends the take in order: what is in memory still goes to the disk. */
  #endTake(): void {
    const take = this.#take;
    this.#take = undefined;
    if (!take) return;
    this.#ending = take.end().then(() => {
      if (this.#failed.length === 0) this.#takes.delete(take);
    });
  }

  #pause(cause: StopCause, fault: Fault): void {
    this.#endTake();
    this.#stopped(cause, fault);
    this.#work(true);
  }

  /** The disk refused something: the take is given up, what is durable of it is kept. */
  #fail(error: unknown): void {
    for (const take of this.#takes) this.#failed.push(...take.abort());
    this.#takes.clear();
    this.#take = undefined;
    this.#order.abandon();
    const isFull = ['ENOSPC', 'EDQUOT'].includes(codeOf(error));
    this.#stopped(isFull ? 'disk-full' : 'disk-error', error);
    this.#work(true);
  }

  #stopped(cause: StopCause, error: unknown): void {
    this.#stopCause = cause;
    if (!this.#end) this.#state = 'waiting';
    this.#note(error);
    this.#log.error({ code: codeOf(error), cause, err: error }, 'recording interrupted');
  }

  #note(error: unknown): void {
    const code = codeOf(error);
    const message = error instanceof Error ? error.message : String(error);
    this.#error = message.includes(code) ? message : `${code}: ${message}`;
    this.#tools.meter.count('headwater_recording_errors_total', code);
  }

  /** Brings the disk's side in order, then arms or concludes. `wasStopped`: first wait a little. */
  #work(wasStopped: boolean): void {
    if (this.#working) return;
    this.#working = true;
    void this.#tidy(wasStopped).then((isTidy) => {
      this.#working = false;
      if (!isTidy) this.#resolveDone();
      else if (this.#failed.length > 0) this.#work(true);
      else if (this.#end) void this.#conclude();
      else this.#arm();
    });
  }

  async #tidy(wasStopped: boolean): Promise<boolean> {
    if (!wasStopped) {
      try {
        await this.#putInOrder();
        return true;
      } catch (error) {
        this.#note(error);
      }
    }
    return untilWritable(() => this.#putInOrder(), {
      signal: this.#stop.signal,
      onFault: (error) => this.#note(error),
    });
  }

  async #putInOrder(): Promise<void> {
    const { spool, settings } = this.#tools;
    this.#publication ??= await spool.openPublication(this.#header);
    if (this.#origin !== undefined) await this.#publication.base(this.#origin);
    await this.#ending;
    for (let writer = this.#failed[0]; writer !== undefined; writer = this.#failed[0]) {
      await writer.conclude();
      this.#failed.shift();
    }
    await this.#publication.flush();
    if (this.#end) return;
    await spool.makeRoom();
    if (spool.isStopped) throw new Fault('ERR_SPOOL_FULL', 'the spool is full, and spool.onFull is StopRecording');
    if (this.#queuedBytes > settings.queueBytes / 2) throw new Fault('ERR_RECORD_OVERLOAD', 'the disk is too slow');
    await this.#publication.probe();
  }

  #arm(): void {
    if (this.#state !== 'ending') this.#state = 'armed';
    if (this.#origin !== undefined) void this.#publication?.base(this.#origin);
  }

  /** Says that it ended, once; where the disk delays that line, waits on. */
  async #conclude(): Promise<void> {
    const { cause, at } = this.#end as { cause: EndCause; at: Date };
    const publication = this.#publication as SpooledPublication;
    if (publication.ended === undefined) {
      if (this.#lastDts !== undefined && this.#origin !== undefined) {
        this.#declareStop(this.#closedEnd(), this.#lastDts - this.#origin);
      }
      await publication.end(cause, at);
    }
    if (publication.hasUnwritten) this.#work(true);
    else this.#resolveDone();
  }

  #declare(from: number, to: number, cause: RecordingGap['cause']): void {
    if (this.#origin === undefined) return;
    const gap = { from: Math.max(0, from - this.#origin), to: to - this.#origin, cause };
    if (gap.to > gap.from) void this.#publication?.gap(gap);
  }

  /** Where the closed segments end on the timeline. */
  #closedEnd(): number {
    const last = this.#publication?.entries.at(-1);
    return last ? last.tfdt + last.duration : 0;
  }

  #isReady(track: SegmentTrack | undefined): boolean {
    if (track === undefined) return false;
    return !hasMp4Mapping(track.config) || this.#tools.settings.format === 'flv' || isMp4Describable(track);
  }
}

/** The system error beneath a fault says more than the fault. */
function codeOf(error: unknown): string {
  const cause = error instanceof Fault ? error.cause : undefined;
  return errorCode(cause ?? error);
}
