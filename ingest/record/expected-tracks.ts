import { isVideoTrack, type Track } from '../media/media-event.ts';
import { promisedKinds } from '../media/promised-kinds.ts';

/** Which kinds of track a publication has or has promised, and whether it is time to begin with what there is. */
export class ExpectedTracks {
  readonly #settleTicks: number;
  readonly #configured = new Set<Track>();
  readonly #waiting = new Set<Track>();
  #promised: { readonly video: boolean; readonly audio: boolean } | undefined;
  #firstDts: number | undefined;
  #isTimeUp = false;
  /** Media has begun behind the configurations so far: publishers send those of all their tracks first. */
  #hasBegun = false;

  /** `settleTicks`: media time after which nothing more is waited for. */
  constructor(settleTicks: number) {
    this.#settleTicks = settleTicks;
  }

  /** onMetaData came. Its promises are often wrong, hence the time limit. */
  promise(values: ReadonlyMap<string, unknown>): void {
    this.#promised = promisedKinds(values);
  }

  /** A track has been seen; `isReady`: all that a header needs is known of it. */
  announce(track: Track, isReady: boolean): void {
    if (!this.#configured.has(track)) this.#hasBegun = false;
    if (isReady) {
      this.#configured.add(track);
      this.#waiting.delete(track);
    } else if (!this.#configured.has(track)) this.#waiting.add(track);
  }

  /** A frame with this DTS came. */
  pass(dts: number): void {
    this.#hasBegun = true;
    this.#firstDts = Math.min(this.#firstDts ?? dts, dts);
    if (dts - this.#firstDts >= this.#settleTicks) this.#isTimeUp = true;
  }

  /**
   * All that was announced is there, or the time is up and anything is. Without promises pictures and sound are enough; where one
   * of them is missing, only the time tells that it will not come.
   */
  get isSettled(): boolean {
    if (this.#configured.size === 0) return false;
    if (this.#isTimeUp) return true;
    if (this.#waiting.size > 0) return false;
    const has = (video: boolean) => [...this.#configured].some((track) => isVideoTrack(track) === video);
    if (this.#promised === undefined) return this.#hasBegun && has(true) && has(false);
    return (has(true) || !this.#promised.video) && (has(false) || !this.#promised.audio);
  }
}
