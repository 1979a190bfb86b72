import { isVideoTrack, type Track } from '../media/media-event.ts';
import { promisedKinds } from '../media/promised-kinds.ts';

/** How long a publication's promises are believed, ms of media. */
const BELIEVED_MS = 2_000;

/** Tracks that a publication's metadata promises: joiners wait for them for a while, as players who are told of a track wait for it too. */
export class TrackPromises {
  #promised = { video: false, audio: false };
  readonly #came = { video: false, audio: false };
  #firstMs: number | undefined;
  #isLate = false;

  /** Something promised has not come, and may still. */
  get isOpen(): boolean {
    return !this.#isLate && (this.missing.video || this.missing.audio);
  }

  /** It is late: nobody waits any more for what is missing. */
  get isLate(): boolean {
    return this.#isLate;
  }

  get missing(): { readonly video: boolean; readonly audio: boolean } {
    const { video, audio } = this.#promised;
    return { video: video && !this.#came.video, audio: audio && !this.#came.audio };
  }

  /** onMetaData came; it replaces what came before. */
  promise(values: ReadonlyMap<string, unknown>): void {
    this.#promised = promisedKinds(values);
  }

  /** A track was configured. */
  keep(track: Track): void {
    this.#came[isVideoTrack(track) ? 'video' : 'audio'] = true;
  }

  /** A frame stands at `timeMs`. */
  pass(timeMs: number): void {
    this.#firstMs ??= timeMs;
    if (timeMs - this.#firstMs >= BELIEVED_MS) this.#isLate = true;
  }
}
