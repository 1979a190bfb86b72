import { type GapEvent, TICKS_PER_MS, TICKS_PER_SECOND, type Ticks, ticks } from '../media/media-event.ts';

/** MPEG-TS times have 33 bits and wrap after 26.5 hours (ISO 13818-1 §2.4.3.7). */
const WRAP = 2 ** 33;
/** Steps back up to this are how tracks are interleaved; longer ones are a clock that was set. */
const MAX_BACK = 3 * TICKS_PER_SECOND;
/** Forward steps over this are a pause if as much time passed here (give or take as much again), else a clock that was set. */
const MAX_FORWARD = 10 * TICKS_PER_SECOND;
/** A track goes back by this at most, if its times are merely in disorder. */
const MAX_OWN_BACK = TICKS_PER_SECOND;
/** Where the stream says that its clock may be set, a track's next times go on within this, or else it was. */
const MAX_FLAGGED_STEP = TICKS_PER_SECOND;
/** How many frames of each track are looked at so closely: the first of them may have begun before. */
const FLAGGED_FRAMES = 2;

/** One run of the source's clock. */
interface Run {
  /** The last time seen on it, unwrapped. */
  source: number;
  /** Added to a source time gives ours. */
  offset: number;
}

/** What the clock keeps of a track. */
export class ClockLane {
  /** Our time of its last frame; undefined before the first. */
  at: number | undefined;
  /** Ticks between its last two frames; 0 while there are none. */
  step = 0;
  run: Run | undefined;
  flag = 0;
  closely = 0;
}

/**
 * Unwraps the 33-bit times of all tracks of a transport stream onto one clock that goes on: through wraps, pauses, loops of a file and clocks
 * that are set. The first time stays as it is, so that without jumps our times are the source's. After a jump all tracks have one new offset.
 */
export class SourceClock {
  readonly #onGap: (gap: GapEvent) => void;
  #run: Run | undefined;
  /** The run before the last jump: of two tracks one may still be on it for a while. */
  #earlier: Run | undefined;
  #first = Number.NEGATIVE_INFINITY;
  #newest = Number.NEGATIVE_INFINITY;
  #lastArrival = 0;
  #flag = 0;

  constructor(onGap: (gap: GapEvent) => void) {
    this.#onGap = onGap;
  }

  /** Our time of the first frame; -∞ before it. */
  get first(): number {
    return this.#first;
  }

  /** Our newest time of any track; -∞ before the first. */
  get newest(): number {
    return this.#newest;
  }

  /** The stream says that the times to come may not go on from those before. */
  flag(): void {
    this.#flag++;
  }

  /** Our time of a frame whose DTS is `time` and that arrived at `arrivedAt` (ms): never before the track's last one. Declares pauses and jumps. */
  advance(lane: ClockLane, time: number, arrivedAt: number): Ticks {
    const elapsed = Math.max(0, arrivedAt - this.#lastArrival) * TICKS_PER_MS;
    this.#lastArrival = arrivedAt;
    this.#run ??= { source: time, offset: 0 };
    if (lane.flag !== this.#flag) {
      lane.flag = this.#flag;
      lane.closely = FLAGGED_FRAMES;
    }
    const at = this.#place(lane, time, elapsed);
    if (lane.closely > 0) lane.closely--;
    const dts = lane.at === undefined ? at : Math.max(lane.at, at);
    if (lane.at !== undefined && dts > lane.at) lane.step = dts - lane.at;
    lane.at = dts;
    if (this.#first === Number.NEGATIVE_INFINITY) this.#first = dts;
    if (dts > this.#newest) this.#newest = dts;
    return ticks(dts);
  }

  /** Our time of something that must not move the clock; undefined where it does not fit. */
  locate(lane: ClockLane, time: number): Ticks | undefined {
    const run = lane.run ?? this.#run;
    return run !== undefined && this.#fits(run, lane, time) ? ticks(unwrap(run, time) + run.offset) : undefined;
  }

  #place(lane: ClockLane, time: number, elapsed: number): number {
    const run = this.#run!;
    if (this.#fits(run, lane, time)) return this.#move(lane, run, time);
    const earlier = this.#earlier;
    if (earlier !== undefined && lane.run !== run && this.#fits(earlier, lane, time)) {
      return this.#move(lane, earlier, time);
    }
    const step = unwrap(run, time) - run.source;
    if (step > 0 && lane.closely === 0 && Math.abs(step - elapsed) <= MAX_FORWARD) {
      const before = this.#newest;
      const at = this.#move(lane, run, time);
      if (at > before) this.#onGap({ kind: 'gap', from: ticks(before), to: ticks(at), cause: 'stall' });
      return at;
    }
    return this.#jump(lane, time, elapsed);
  }

  /** The track that brings the new clock goes on where it was; the others keep the distance from it that they have in the source. */
  #jump(lane: ClockLane, time: number, elapsed: number): number {
    const before = lane.at ?? this.#newest;
    const at = Math.round(before + Math.max(1, lane.step, elapsed));
    this.#earlier = this.#run;
    this.#run = { source: time, offset: at - time };
    lane.run = this.#run;
    this.#onGap({ kind: 'gap', from: ticks(before), to: ticks(at), cause: 'clock' });
    return at;
  }

  #fits(run: Run, lane: ClockLane, time: number): boolean {
    const source = unwrap(run, time);
    const step = source - run.source;
    if (step < -MAX_BACK || step > MAX_FORWARD) return false;
    if (lane.at === undefined) return true;
    const own = source + run.offset - lane.at;
    return lane.closely > 0 ? own > 0 && own <= MAX_FLAGGED_STEP : own >= -MAX_OWN_BACK;
  }

  #move(lane: ClockLane, run: Run, time: number): number {
    run.source = unwrap(run, time);
    const at = run.source + run.offset;
    // The first frame of a track behind a jump that would step back takes the whole clock with it: one offset for all.
    const isFirst = lane.run !== undefined && lane.run !== run && run === this.#run;
    if (isFirst && at <= lane.at!) run.offset += lane.at! + Math.max(1, lane.step) - at;
    lane.run = run;
    return run.source + run.offset;
  }
}

/** The time nearest to the last one of `run` that is `time` in 33 bits. */
function unwrap(run: Run, time: number): number {
  const step = (((time - run.source) % WRAP) + WRAP) % WRAP;
  return run.source + (step >= WRAP / 2 ? step - WRAP : step);
}

/** PTS minus DTS, both of 33 bits. */
export function compositionTicks(pts: number, dts: number): number {
  const step = (((pts - dts) % WRAP) + WRAP) % WRAP;
  return step >= WRAP / 2 ? step - WRAP : step;
}
