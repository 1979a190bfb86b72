const TICKS_PER_MS = 90;
/** Beyond this the media clock and the wall clock are not drifting but have parted: a stall, a jump. */
const MAX_DRIFT_MS = 1000;

/** Tells the wall clock of media: that of its first frame plus media time, anchored anew where the two have parted. */
export class WallClock {
  readonly #nowMs: () => number;
  readonly #monotonicMs: () => number;
  #anchor: { readonly wallMs: number; readonly dts: number } | undefined;

  /** `nowMs`: the wall clock; `monotonicMs`: the clock of `arrivedAt`. */
  constructor(nowMs: () => number, monotonicMs: () => number) {
    this.#nowMs = nowMs;
    this.#monotonicMs = monotonicMs;
  }

  /** When the media at `dts` (90 kHz ticks) was, as it arrived at `arrivedAt`. */
  at(dts: number, arrivedAt: number): Date {
    const arrivedMs = this.#nowMs() - (this.#monotonicMs() - arrivedAt);
    this.#anchor ??= { wallMs: arrivedMs, dts };
    const expectedMs = this.#anchor.wallMs + (dts - this.#anchor.dts) / TICKS_PER_MS;
    if (Math.abs(expectedMs - arrivedMs) <= MAX_DRIFT_MS) return new Date(Math.round(expectedMs));
    this.#anchor = { wallMs: arrivedMs, dts };
    return new Date(Math.round(arrivedMs));
  }
}
