import { type GapEvent, ticksOfMs } from './media-event.ts';

/** Back steps up to this, in ms, are how tracks are interleaved; longer ones are a clock that was set. */
const MAX_BACK_MS = 3_000;
/** Forward steps over this, in ms, are a pause if as much time passed here (give or take as much again), else a clock that was set. */
const MAX_FORWARD_MS = 10_000;

/** One run of the publisher's clock: the last time seen on it, and where we put it. */
interface Clock {
  /** 32 bits, as on the wire. */
  wire: number;
  /** Unwrapped, ms. */
  ms: number;
}

/**
 * Unwraps a publisher's 32-bit millisecond timestamps, of all tracks together, onto one clock that goes on: through wraps at 2³¹ (ffmpeg)
 * and 2³², pauses, and clocks that are set back or forth. The first time stays as it is, so that without jumps our times are the source's;
 * another track that begins up to 3 s earlier may then have times below 0.
 */
export class Timeline {
  readonly #onGap: (gap: GapEvent) => void;
  #clock: Clock | undefined;
  /** The clock before the last jump: of two tracks one may still be on it for a while, or for ever. */
  #earlier: Clock | undefined;
  /** Where the last message was put, and when it arrived, ms. */
  #lastMs = 0;
  #lastArrival = 0;

  constructor(onGap: (gap: GapEvent) => void) {
    this.#onGap = onGap;
  }

  /** Unwrapped time in ms of a frame with `timestamp` that arrived at `arrivedAt` (ms). Declares pauses over 10 s and clock jumps as gaps. */
  advance(timestamp: number, arrivedAt: number): number {
    const elapsed = arrivedAt - this.#lastArrival;
    this.#lastArrival = arrivedAt;
    const clock = this.#clock;
    if (clock === undefined) {
      this.#clock = { wire: timestamp, ms: timestamp };
      this.#lastMs = timestamp;
      return timestamp;
    }
    const step = stepFrom(clock, timestamp);
    if (isNear(step)) return this.#move(clock, timestamp, clock.ms + step);
    const earlier = this.#earlier;
    if (earlier !== undefined) {
      const earlierStep = stepFrom(earlier, timestamp);
      const ms = earlier.ms + earlierStep;
      if (isNear(earlierStep) && isNear(ms - this.#lastMs)) return this.#move(earlier, timestamp, ms);
    }
    const before = this.#lastMs;
    if (step > 0 && Math.abs(step - elapsed) <= MAX_FORWARD_MS) {
      this.#move(clock, timestamp, clock.ms + step);
      this.#declare(before, 'stall');
    } else {
      this.#earlier = clock;
      this.#clock = { wire: timestamp, ms: 0 };
      this.#move(this.#clock, timestamp, before + Math.max(1, Math.round(elapsed)));
      this.#declare(before, 'clock');
    }
    return this.#lastMs;
  }

  /** Unwrapped time in ms of something that must not move the clock: a data message. What does not fit the clock is put at the last frame. */
  locate(timestamp: number): number {
    if (this.#clock === undefined) return timestamp;
    const step = stepFrom(this.#clock, timestamp);
    return isNear(step) ? this.#clock.ms + step : this.#lastMs;
  }

  #move(clock: Clock, timestamp: number, ms: number): number {
    clock.wire = timestamp;
    clock.ms = ms;
    this.#lastMs = ms;
    return ms;
  }

  #declare(fromMs: number, cause: 'stall' | 'clock'): void {
    this.#onGap({ kind: 'gap', from: ticksOfMs(fromMs), to: ticksOfMs(this.#lastMs), cause });
  }
}

/** Signed difference in 31 bits: the same for a wrap at 2³¹, a wrap at 2³², and none. Half its range is twelve days. */
function stepFrom(clock: Clock, timestamp: number): number {
  return ((timestamp - clock.wire) << 1) >> 1;
}

function isNear(step: number): boolean {
  return step >= -MAX_BACK_MS && step <= MAX_FORWARD_MS;
}
