import { inbandParameterSets } from '../codec/parameter-sets.ts';
import type { Config } from '../config/schema.ts';
import { type FrameEvent, isVideoTrack, type OpaqueEvent, type Track } from '../media/media-event.ts';
import type { RecordingGap } from '../spool/segment-entry.ts';
import { CutDecider } from './cuts.ts';
import { FlvEncoder } from './flv-encoder.ts';
import { Fmp4Encoder, isMp4Describable } from './fmp4-encoder.ts';
import type { SegmentTrack } from './segment-format.ts';
import { SegmentWriter, type WriterHost } from './segment-writer.ts';
import { type ConfigChange, mainTrackOf, type TrackSet } from './track-set.ts';

const TICKS_PER_MS = 90;
/** Duration of a track's only frame, of which nothing else is known: a 25th of a second. */
const FALLBACK_DURATION = 3600;
/** What lasts longer came before a lull, and says nothing of the frames to come: 2 s. */
const MAX_USUAL_DURATION = 180_000;
/** A keyframe of a second video track that stands this little before the first one's belongs to the same segment. */
const KEY_TOLERANCE = 100 * TICKS_PER_MS;

/** What a take is recorded with. Ticks: 90 kHz. */
export interface TakeHost extends WriterHost {
  readonly settings: Config['record'];
  readonly tracks: TrackSet;
  readonly metadata: ReadonlyMap<string, unknown>;
  /** Source DTS at which the recording's timeline begins. */
  readonly origin: number;
  readonly nextSeq: number;
  /** Since then, keyframes that begin a segment carry their parameter sets. */
  readonly hasVideoChanged: boolean;
  /** Wall clock of a frame. */
  wallClock(frame: FrameEvent): Date;
  declare(gap: RecordingGap): void;
}

/** An open segment and what belongs to it. */
interface OpenSegment {
  readonly writer: SegmentWriter;
  /** Source DTS of its first frame, and of time 0 in its file. */
  readonly start: number;
  readonly base: number;
  /** Its tracks and those of them that are still to get their parameter sets in-band. */
  readonly tracks: ReadonlyMap<Track, SegmentTrack>;
  readonly unprefixed: Set<Track>;
  /** Source DTS at which the next one begins. */
  end: number | undefined;
}

/** A track's last frame waits for the next one, which tells how long it lasts. */
interface Lane {
  segment: OpenSegment;
  pending: FrameEvent | undefined;
  duration: number;
  /** All its frames with an earlier DTS have been handed to their segments. */
  through: number;
  /** How far behind the newest frame of any track its frames have come at most. */
  lag: number;
  /** First frame not recorded since its configuration changed. */
  blockedFrom: number | undefined;
}

/**
 * One uninterrupted stretch of recording: from a keyframe until the publication ends or the disk fails. The whole of it runs on
 * the media path, never waits, and leaves the files to its segment writers.
 */
export class Take {
  readonly #host: TakeHost;
  readonly #cuts: CutDecider;
  readonly #lanes = new Map<Track, Lane>();
  /** Oldest first. All but the last wait for late audio. */
  #open: OpenSegment[] = [];
  /** Writers that are not in the spool's queue yet, oldest first. */
  #unfinished: SegmentWriter[] = [];
  #finished: Promise<void> = Promise.resolve();
  #begun: Promise<void> = Promise.resolve();
  #main: Track | undefined;
  #seq: number;
  #skippedFrom: number | undefined;
  /** Newest DTS of any track. */
  #now = Number.NEGATIVE_INFINITY;

  constructor(host: TakeHost) {
    this.#host = host;
    this.#seq = host.nextSeq;
    const { segmentDuration, hardLimit } = host.settings;
    this.#cuts = new CutDecider({ target: segmentDuration * TICKS_PER_MS, hardLimit: hardLimit * TICKS_PER_MS });
  }

  /** The segment that is being written. */
  get current(): SegmentWriter | undefined {
    return this.#open.at(-1)?.writer;
  }

  /** A track's configuration came or changed. */
  onConfig(track: Track, change: ConfigChange): void {
    if (change === 'same') return;
    // The first picture of a publication that had none begins a segment by itself.
    if (change === 'new' && isVideoTrack(track) && this.#main !== undefined && !isVideoTrack(this.#main)) return;
    this.#cuts.requestCut(track === this.#main ? 'main' : 'other');
  }

  onFrame(frame: FrameEvent): void {
    if (frame.dts > this.#now) this.#now = frame.dts;
    if (this.#isMain(frame)) {
      if (!this.#decide(frame)) return;
    } else if (this.#cuts.decideOther(frame.dts) !== 'stay') this.#begin(frame, false);
    const lane = this.#laneOf(frame);
    if (lane === undefined) return;
    lane.lag = Math.max(lane.lag, this.#now - frame.dts);
    this.#release(lane, frame.dts);
    const segment = this.#segmentFor(lane, frame);
    lane.segment = segment;
    // Not described by its segment, or older than its file: later than late.
    if (
      segment.tracks.get(frame.track)?.config !== this.#host.tracks.configOf(frame.track) ||
      frame.dts < segment.base
    ) {
      lane.blockedFrom ??= frame.dts;
      return;
    }
    this.#endBlock(lane, frame.dts);
    const isEarly = segment.writer.openFrom + this.#ticks('fragmentMinimum') > frame.dts - segment.base;
    if (frame.key && frame.track === this.#main && !isEarly) this.#closeFragment(segment, frame.dts);
    lane.pending = frame;
    this.#settle();
  }

  onMessage(message: OpaqueEvent): void {
    const segment = this.#open.at(-1);
    segment?.writer.addMessage({ dts: Math.max(0, message.dts - segment.base), data: message.data });
  }

  /** Media is missing: nothing lasts until what comes after it. */
  onGap(): void {
    for (const lane of this.#lanes.values()) this.#release(lane, undefined);
  }

  /** Called every 100 ms or so: media that stopped coming must not stay undurable. */
  onTick(nowMs: number): void {
    const late = nowMs - this.#host.settings.fragmentDuration;
    for (const lane of this.#lanes.values()) {
      if (lane.pending !== undefined && lane.pending.arrivedAt < late) this.#release(lane, undefined);
    }
    for (const segment of this.#open) {
      const since = segment.writer.openSince;
      if (since !== undefined && since < late) this.#closeFragment(segment);
    }
  }

  /** Ends it in order. Resolves when all its segments are in the spool's queue or have failed. */
  end(): Promise<void> {
    for (const lane of this.#lanes.values()) {
      this.#release(lane, undefined);
      this.#endBlock(lane, this.#now + 1);
    }
    if (this.#skippedFrom !== undefined) this.#declareMissing(this.#skippedFrom, this.#now + 1);
    for (const segment of [...this.#open]) this.#finish(segment);
    return this.#finished;
  }

  /** The disk failed: nothing more is written. Gives the writers that are to be concluded, oldest first. */
  abort(): SegmentWriter[] {
    const writers = this.#unfinished.filter((writer) => writer.isUnfinished);
    for (const writer of writers) writer.abort();
    return writers;
  }

  #isMain(frame: FrameEvent): boolean {
    if (frame.track === this.#main || this.#main === undefined) return true;
    // Video that comes to a publication of sound takes over with its first keyframe.
    const takesOver = isVideoTrack(frame.track) && !isVideoTrack(this.#main) && frame.key;
    if (takesOver && this.#isReady(this.#host.tracks.get(frame.track))) this.#cuts.restart();
    else return false;
    return true;
  }

  /** Whether the frame is recorded; begins a segment where it is time. */
  #decide(frame: FrameEvent): boolean {
    const decision = this.#cuts.decide(frame);
    if (decision === 'skip') {
      this.#skippedFrom ??= frame.dts;
      return false;
    }
    if (decision === 'stay') return true;
    if (this.#skippedFrom !== undefined && this.#open.length > 0) this.#declareMissing(this.#skippedFrom, frame.dts);
    this.#skippedFrom = undefined;
    this.#begin(frame, decision === 'cut');
    return true;
  }

  #begin(frame: FrameEvent, aligned: boolean): void {
    const host = this.#host;
    const tracks = host.tracks.list((track) => this.#isReady(track));
    const before = this.#open.at(-1);
    if (before) before.end = frame.dts;
    this.#main = mainTrackOf(tracks);
    const { header } = host.publication;
    const base = header.timeline === 'file' ? frame.dts : host.origin;
    const plan = {
      seq: this.#seq,
      start: host.wallClock(frame),
      tfdt: frame.dts - host.origin,
      timelineOffset: base - host.origin,
      sourceDtsOffset: base,
      aligned,
    };
    this.#seq += 1;
    const { path, owner, recording, epoch, pub } = header;
    const { seq, start, timelineOffset, sourceDtsOffset } = plan;
    const description = {
      ...({ version: 1, path, owner, recording, epoch, pub, seq } as const),
      ...{ start: start.toISOString(), sourceDtsOffset, timelineOffset, aligned },
    };
    const Encoder = header.format === 'flv' ? FlvEncoder : Fmp4Encoder;
    const encoder = new Encoder({
      tracks,
      description,
      inBandParameterSets: host.hasVideoChanged,
      metadata: host.metadata,
    });
    const writer = new SegmentWriter(plan, encoder, host, this.#begun);
    this.#begun = writer.begun;
    const needPrefix = host.hasVideoChanged && header.format === 'fmp4';
    const own = new Map(tracks.map((track) => [track.config.track, track]));
    const unprefixed = new Set(needPrefix ? own.keys() : []);
    this.#open.push({ writer, start: frame.dts, base, tracks: own, unprefixed, end: undefined });
    this.#unfinished.push(writer);
  }

  #isReady(track: SegmentTrack | undefined): boolean {
    if (track === undefined) return false;
    return this.#host.publication.header.format === 'flv' || isMp4Describable(track);
  }

  #laneOf(frame: FrameEvent): Lane | undefined {
    const known = this.#lanes.get(frame.track);
    if (known) return known;
    const segment = this.#open.find((open) => open.tracks.has(frame.track));
    if (segment === undefined || frame.dts < segment.start) return undefined;
    const times = { duration: FALLBACK_DURATION, through: frame.dts, lag: 0 };
    const lane = { segment, pending: undefined, ...times, blockedFrom: undefined };
    this.#lanes.set(frame.track, lane);
    return lane;
  }

  /** The segment a frame belongs to: by its time, but a second video track goes on to its own keyframe. */
  #segmentFor(lane: Lane, frame: FrameEvent): OpenSegment {
    let at = Math.max(0, this.#open.indexOf(lane.segment));
    for (let next = this.#open[at + 1]; next !== undefined; next = this.#open[at + 1]) {
      const isSecondVideo = isVideoTrack(frame.track) && frame.track !== this.#main;
      const isDue = isSecondVideo
        ? (frame.key && frame.dts >= next.start - KEY_TOLERANCE) || frame.dts >= next.start + this.#ticks('lateAudio')
        : frame.dts >= next.start;
      if (!isDue) break;
      at += 1;
    }
    return this.#open[at]!;
  }

  /** Hands the waiting frame of a lane to its segment. `nextDts`: when the track's next frame stands; else it lasts as long as the one before. */
  #release(lane: Lane, nextDts: number | undefined): void {
    const { pending, segment } = lane;
    if (pending === undefined) return;
    lane.pending = undefined;
    if (!segment.writer.fits(pending.track, pending.dts - segment.base)) this.#closeFragment(segment, pending.dts);
    // Where it is not known how long the frame lasts, the next one may stand anywhere behind it.
    lane.through = nextDts ?? pending.dts + 1;
    const exact = nextDts === undefined ? lane.duration : Math.max(0, nextDts - pending.dts);
    if (exact <= MAX_USUAL_DURATION) lane.duration = exact;
    const prefix =
      pending.key && segment.unprefixed.delete(pending.track) ? this.#parameterSets(segment, pending) : undefined;
    const frame = { event: pending, dts: pending.dts - segment.base, duration: exact, prefix };
    segment.writer.add(frame);
  }

  #parameterSets(segment: OpenSegment, frame: FrameEvent): Buffer | undefined {
    const config = segment.tracks.get(frame.track)?.config;
    return typeof config?.codec === 'string' ? inbandParameterSets(config.codec, config.record) : undefined;
  }

  /** Closes what is old enough: fragments by their age, segments when no late audio is waited for any more. */
  #settle(): void {
    const late = this.#now - this.#ticks('lateAudio');
    for (const lane of this.#lanes.values()) {
      if (lane.pending !== undefined && lane.pending.dts < late) this.#release(lane, undefined);
    }
    const old = this.#now - this.#ticks('fragmentDuration');
    for (let i = 0; i < this.#open.length; i++) {
      const segment = this.#open[i]!;
      if (segment.writer.openFrom + segment.base <= old) this.#closeFragment(segment);
    }
    while (this.#open.length > 1 && this.#isOver(this.#open[0]!, late)) this.#finish(this.#open[0]!);
  }

  #isOver(segment: OpenSegment, late: number): boolean {
    if (segment.end !== undefined && segment.end <= late) return true;
    for (const track of segment.tracks.keys()) {
      const lane = this.#lanes.get(track);
      if (lane === undefined || lane.segment === segment) return false;
    }
    return true;
  }

  #finish(segment: OpenSegment): void {
    const next = this.#open[this.#open.indexOf(segment) + 1];
    for (const lane of this.#lanes.values()) {
      if (lane.segment !== segment) continue;
      this.#release(lane, undefined);
      if (next) lane.segment = next;
    }
    this.#closeFragment(segment);
    const through = this.#allThrough(segment) - this.#host.origin;
    this.#open = this.#open.filter((open) => open !== segment);
    const cutAt = segment.end === undefined ? undefined : segment.end - this.#host.origin;
    const { writer } = segment;
    this.#finished = writer.finish(cutAt, through, this.#finished).then(() => {
      this.#unfinished = this.#unfinished.filter((other) => other !== writer || writer.isUnfinished);
    });
  }

  /** `before`: where a frame stands that is not in a lane yet. */
  #closeFragment(segment: OpenSegment, before = Number.POSITIVE_INFINITY): void {
    segment.writer.closeFragment({
      received: Math.min(before, this.#receivedThrough(segment)),
      allThrough: Math.min(before, this.#allThrough(segment)),
    });
  }

  /** Source DTS before which everything received is durable once the open fragment of `closing` is: what else is in memory bounds it. */
  #receivedThrough(closing: OpenSegment): number {
    let through = Number.POSITIVE_INFINITY;
    for (const lane of this.#lanes.values()) through = Math.min(through, this.#nextOf(lane));
    for (const other of this.#open) {
      if (other !== closing) through = Math.min(through, other.writer.openFrom + other.base);
    }
    return through;
  }

  /** Source DTS before which no frame of the segment is still to come: a kill after its open fragment loses nothing from before it. */
  #allThrough(segment: OpenSegment): number {
    let through = Math.min(segment.end ?? Number.POSITIVE_INFINITY, this.#skippedFrom ?? Number.POSITIVE_INFINITY);
    const at = this.#open.indexOf(segment);
    for (const lane of this.#lanes.values()) {
      const laneAt = this.#open.indexOf(lane.segment);
      if (laneAt > at) continue;
      const next = Math.min(this.#nextOf(lane), lane.blockedFrom ?? Number.POSITIVE_INFINITY);
      through = Math.min(through, laneAt < at ? Math.max(segment.start, next) : next);
    }
    return through;
  }

  /** Source DTS of the track's earliest frame that no segment has: the one that waits, or else one no later than its frames have been so far. */
  #nextOf(lane: Lane): number {
    return lane.pending ? lane.pending.dts : Math.max(lane.through, this.#now - lane.lag);
  }

  /** Frames whose decoder parameters no segment had are missing in it. */
  #endBlock(lane: Lane, dts: number): void {
    if (lane.blockedFrom === undefined) return;
    this.#declareMissing(lane.blockedFrom, dts);
    lane.blockedFrom = undefined;
  }

  #declareMissing(from: number, to: number): void {
    const { origin } = this.#host;
    if (to > from) this.#host.declare({ from: from - origin, to: to - origin, cause: 'no-keyframe' });
  }

  #ticks(setting: 'fragmentDuration' | 'fragmentMinimum' | 'lateAudio'): number {
    return this.#host.settings[setting] * TICKS_PER_MS;
  }
}
