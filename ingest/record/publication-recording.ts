import {
  assertNever,
  type ConfigEvent,
  type EndCause,
  type EndEvent,
  type FrameEvent,
  isVideoTrack,
  type MediaEvent,
  TICKS_PER_SECOND,
  type Ticks,
} from '../media/media-event.ts';
import type { MediaSink, PublicationInfo } from '../media/publication.ts';
import { Fault } from '../runtime/fault.ts';
import type { Log } from '../runtime/log.ts';
import { errorCode } from '../spool/disk.ts';
import type { PublicationHeader, RecordingGap } from '../spool/segment-entry.ts';
import type { SpooledPublication } from '../spool/spooled-publication.ts';
import { DiskSide, fullFault } from './disk-side.ts';
import { DurableOrder } from './durable-order.ts';
import { hasMp4Mapping } from './fmp4-encoder.ts';
import { formatOf, headerOf, type RecordingTools } from './recording-plan.ts';
import type { RecordingStatus } from './recording-status.ts';
import type { SegmentWriter } from './segment-writer.ts';
import { AheadFrames, StartBuffer } from './start-buffer.ts';
import { Take } from './take.ts';
import { TrackSurvey } from './track-survey.ts';
import { WallClock } from './wall-clock.ts';

/** Why nothing is recorded at present. */
type StopCause = Extract<RecordingGap['cause'], 'disk-full' | 'disk-error' | 'overload'>;

/** Records one publication, take after take: what goes wrong with the disk ends here, and is tried again until it goes well. */
export class PublicationRecording implements MediaSink {
  readonly info: PublicationInfo;
  /** Settles when its files are closed and its journal says that it ended, or when a disk that refuses is no longer waited for. */
  readonly done: Promise<void>;
  readonly #tools: RecordingTools;
  readonly #log: Log;
  readonly #survey: TrackSurvey;
  readonly #buffer: StartBuffer;
  readonly #ahead = new AheadFrames();
  readonly #order = new DurableOrder();
  readonly #disk: DiskSide;
  readonly #clock: WallClock;
  readonly #stop = new AbortController();
  readonly #resolveDone: () => void;
  #header: PublicationHeader;
  #metadata: ReadonlyMap<string, unknown> = new Map();
  #state: RecordingStatus['state'] = 'settling';
  #take: Take | undefined;
  #isTidying = false;
  #lastDts: number | undefined;
  /** Earliest DTS that came while nothing was recorded. */
  #lostFrom: number | undefined;
  /** Since the last take began, the disk has lost something of it. */
  #hasFailed = false;
  #stopCause: StopCause | undefined;
  #error: string | undefined;
  #hasVideoChanged = false;
  #hasOpened = false;
  #end: { readonly cause: EndCause; readonly at: Date } | undefined;

  constructor(info: PublicationInfo, tools: RecordingTools) {
    this.info = info;
    this.#tools = tools;
    this.#header = headerOf(info, 'fmp4', tools);
    this.#log = tools.log.child({ conn_id: info.connId, stream_key: info.path });
    this.#survey = new TrackSurvey(tools.settings);
    this.#buffer = new StartBuffer(tools.settings.queueBytes);
    this.#disk = new DiskSide(tools);
    this.#clock = new WallClock(tools.nowMs, tools.monotonicMs);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.done = promise;
    this.#resolveDone = resolve;
  }

  get status(): RecordingStatus {
    const { publication, origin, closedEnd } = this.#disk;
    const mark = this.#order.mark;
    const received = this.#lastDts === undefined || origin === undefined ? 0 : this.#lastDts - origin;
    return {
      state: this.#state,
      recording: this.#header.recording,
      pub: this.info.pub,
      seq: this.#take?.current?.plan.seq ?? publication?.lastClosed?.seq ?? 0,
      durable: mark ? { pub: this.info.pub, seq: mark.seq, dts: mark.dts as Ticks } : null,
      receivedSeconds: received / TICKS_PER_SECOND,
      closedSeconds: closedEnd / TICKS_PER_SECOND,
      gaps: publication?.gaps ?? [],
      error: this.#error ?? null,
      file: this.#take?.current?.file ?? null,
    };
  }

  onEvent(event: MediaEvent): void {
    try {
      if (this.#state === 'settling' || this.#state === 'opening') this.#hold(event);
      else this.#live(event);
    } catch (error) {
      // Media that no file can hold costs the recording a take, never the publisher its connection.
      this.#fail(error);
    }
  }

  /** Called every 100 ms or so. */
  onTick(): void {
    this.#take?.onTick(this.#tools.monotonicMs());
    if (this.#take && this.#tools.spool.isStopped(this.#header)) this.#pause('disk-full', fullFault());
  }

  /** Ends it if the publisher has not, and waits no longer than one more try for a disk that refuses. */
  stop(): Promise<void> {
    this.onEvent({ kind: 'end', cause: 'shutdown' });
    this.#stop.abort();
    return this.done;
  }

  /** Before its tracks are known and its folder is there. */
  #hold(event: MediaEvent): void {
    this.#buffer.push(event);
    if (this.#state === 'settling') {
      this.#survey.see(event);
      if (event.kind === 'end') this.#endUnsettled(event);
      else if (this.#survey.isSettled) this.#open();
    }
    if (this.#buffer.isFull) this.#giveUpBuffer();
  }

  /** The publication ended before its tracks were settled: what came is recorded all the same. */
  #endUnsettled({ cause }: EndEvent): void {
    if (this.#survey.mainTrack !== undefined) {
      this.#open();
      return;
    }
    this.#end = { cause, at: new Date(this.#tools.nowMs()) };
    this.#state = 'ending';
    this.#resolveDone();
  }

  #open(): void {
    this.#state = 'opening';
    const format = formatOf(this.#survey.tracks, this.#tools.settings, this.#log);
    this.#header = headerOf(this.info, format, this.#tools);
    this.#disk.open(this.#header).then(
      () => {
        this.#state = 'armed';
        for (const event of this.#buffer.take()) this.onEvent(event);
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
    if (this.#end) return;
    switch (event.kind) {
      case 'frame':
        this.#onFrame(event);
        break;
      case 'config':
        this.#onConfig(event);
        break;
      case 'trackMetadata':
        this.#survey.tracks.noteMetadata(event);
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
    const { queuedBytes } = this.#disk;
    if (this.#take && queuedBytes > this.#tools.settings.queueBytes) {
      this.#pause('overload', new Fault('ERR_RECORD_OVERLOAD', `${queuedBytes} bytes wait for the disk`));
    }
  }

  #onConfig(event: ConfigEvent): void {
    if (this.#header.format === 'fmp4' && !hasMp4Mapping(event)) {
      this.#log.warn({ track: event.track, codec: event.codec }, 'track not recorded: no MP4 mapping');
    }
    const change = this.#survey.tracks.configure(event);
    if (change === 'changed' && isVideoTrack(event.track)) this.#hasVideoChanged = true;
    this.#take?.onConfig(event.track, change);
  }

  #onFrame(frame: FrameEvent): void {
    this.#lastDts = Math.max(this.#lastDts ?? frame.dts, frame.dts);
    if (frame.key) this.#survey.tracks.noteKeyframe(frame.track, frame.data);
    if (this.#take) {
      this.#take.onFrame(frame);
      return;
    }
    this.#lostFrom = Math.min(this.#lostFrom ?? frame.dts, frame.dts);
    if (frame.track !== this.#survey.mainTrack) {
      this.#ahead.push(frame);
      return;
    }
    this.#ahead.forgetBefore(frame.dts);
    if (!frame.key) return;
    if (this.#disk.origin === undefined) {
      this.#disk.origin = frame.dts;
      void this.#disk.publication?.base(frame.dts);
    }
    const { publication, origin } = this.#disk;
    if (this.#state === 'armed' && publication) this.#begin(frame, publication, origin);
  }

  #begin(frame: FrameEvent, publication: SpooledPublication, origin: number): void {
    const recording = this;
    const { settings, names, meter } = this.#tools;
    const take = new Take({
      ...{ publication, settings, names, meter, origin },
      tracks: this.#survey.tracks,
      order: this.#order,
      nextSeq: (publication.lastClosed?.seq ?? 0) + 1,
      get metadata() {
        return recording.#metadata;
      },
      get hasVideoChanged() {
        return recording.#hasVideoChanged;
      },
      wallClock: ({ dts, arrivedAt }) => this.#clock.at(dts, arrivedAt),
      declare: (gap) => this.#disk.declare(gap),
      opened: (writer) => this.#onOpened(writer),
      queued: (bytes) => {
        this.#disk.queuedBytes += bytes;
      },
      failed: (error) => this.#fail(error),
    });
    this.#take = take;
    this.#disk.begin(take);
    this.#state = 'recording';
    const from = this.#stoppedFrom;
    this.#hasFailed = false;
    this.#lostFrom = undefined;
    take.onFrame(frame);
    for (const ahead of this.#ahead.take()) take.onFrame(ahead);
    const first = take.current;
    void first?.begun.then(() => {
      if (first.durableEnd !== undefined && this.#disk.has(take)) this.#onBegun(from, first.plan.tfdt);
    });
  }

  /** The first fragment of a take is durable: what had been wrong is over. */
  #onBegun(from: number, to: number): void {
    this.#error = undefined;
    if (this.#stopCause === undefined) return;
    this.#log.info({ seconds: (to - from) / TICKS_PER_SECOND, cause: this.#stopCause }, 'recording resumed');
    this.#declareStop(from, to);
  }

  /** Where on the timeline what is not recorded begins: with the first frame that had no take, or where the disk has lost more, there. */
  get #stoppedFrom(): number {
    const { closedThrough, origin = 0 } = this.#disk;
    return this.#hasFailed || this.#lostFrom === undefined ? closedThrough : Math.max(0, this.#lostFrom - origin);
  }

  #declareStop(from: number, to: number): void {
    const cause = this.#stopCause;
    this.#stopCause = undefined;
    if (cause === undefined || to <= from) return;
    this.#disk.declare({ from, to, cause });
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
    this.#tidy(true);
  }

  #endTake(): void {
    const take = this.#take;
    this.#take = undefined;
    if (take) this.#disk.end(take);
  }

  #pause(cause: StopCause, fault: Fault): void {
    this.#endTake();
    this.#onStopped(cause, fault);
  }

  #fail(error: unknown): void {
    this.#take = undefined;
    this.#hasFailed = true;
    this.#disk.abort();
    this.#order.abandon();
    const isFull = ['ENOSPC', 'EDQUOT'].includes(codeOf(error));
    this.#onStopped(isFull ? 'disk-full' : 'disk-error', error);
  }

  #onStopped(cause: StopCause, error: unknown): void {
    this.#stopCause = cause;
    if (!this.#end) this.#state = 'waiting';
    this.#note(error);
    this.#log.error({ code: codeOf(error), cause, err: error }, 'recording interrupted');
    this.#tidy(false);
  }

  #note(error: unknown): void {
    const code = codeOf(error);
    const message = error instanceof Error ? error.message : String(error);
    this.#error = message.includes(code) ? message : `${code}: ${message}`;
    this.#tools.meter.count('headwater_recording_errors_total', code);
  }

  /** Brings the disk's side in order, then arms or concludes. */
  #tidy(isCalm: boolean): void {
    if (this.#isTidying) return;
    this.#isTidying = true;
    const options = { isCalm, signal: this.#stop.signal, onFault: (error: unknown) => this.#note(error) };
    const hasEnded = () => this.#end !== undefined;
    void this.#disk.tidy(this.#header, hasEnded, options).then((isTidy) => {
      this.#isTidying = false;
      if (!isTidy) this.#resolveDone();
      else if (this.#disk.hasFailed) this.#tidy(false);
      else if (this.#end) void this.#conclude(this.#end);
      else this.#state = 'armed';
    });
  }

  /** Says that it ended, once; where the disk delays that line, waits on. */
  async #conclude({ cause, at }: { readonly cause: EndCause; readonly at: Date }): Promise<void> {
    const { publication, origin } = this.#disk;
    if (publication?.ended === undefined) {
      if (this.#lastDts !== undefined && origin !== undefined)
        this.#declareStop(this.#stoppedFrom, this.#lastDts + 1 - origin);
      await publication?.end(cause, at);
    }
    if (publication?.hasUnwritten) this.#tidy(false);
    else this.#resolveDone();
  }

  #declare(from: number, to: number, cause: RecordingGap['cause']): void {
    const { origin } = this.#disk;
    if (origin === undefined || to <= Math.max(from, origin)) return;
    this.#disk.declare({ from: Math.max(0, from - origin), to: to - origin, cause });
  }
}

/** The system error beneath a fault says more than the fault. */
function codeOf(error: unknown): string {
  const cause = error instanceof Fault ? error.cause : undefined;
  return errorCode(cause ?? error);
}
