import type { Config } from '../config/schema.ts';
import { assertNever, type MediaEvent, TICKS_PER_MS, type Track } from '../media/media-event.ts';
import { ExpectedTracks } from './expected-tracks.ts';
import { hasMp4Mapping, isMp4Describable } from './fmp4-encoder.ts';
import type { SegmentTrack } from './segment-format.ts';
import { mainTrackOf, TrackSet } from './track-set.ts';

/** Before recording begins: finds out which tracks there are and what describes them. */
export class TrackSurvey {
  readonly tracks = new TrackSet();
  readonly #expected: ExpectedTracks;
  readonly #settings: Config['record'];

  constructor(settings: Config['record']) {
    this.#settings = settings;
    this.#expected = new ExpectedTracks(settings.trackSettle * TICKS_PER_MS);
  }

  /** Whether all tracks that are waited for are there. */
  get isSettled(): boolean {
    return this.#expected.isSettled;
  }

  /** The track on which cuts are decided, if recording began now. */
  get mainTrack(): Track | undefined {
    return mainTrackOf(this.tracks.list((track) => this.#isReady(track)));
  }

  see(event: MediaEvent): void {
    switch (event.kind) {
      case 'metadata':
        this.#expected.promise(event.values);
        return;
      case 'config':
        this.tracks.configure(event);
        this.#announce(event.track);
        return;
      case 'frame':
        if (event.key && this.tracks.has(event.track)) {
          this.tracks.noteKeyframe(event.track, event.data);
          this.#announce(event.track);
        }
        this.#expected.pass(event.dts);
        return;
      case 'trackMetadata':
        this.tracks.noteMetadata(event);
        return;
      case 'opaque':
      case 'gap':
      case 'end':
        return;
      default:
        assertNever(event);
    }
  }

  #announce(track: Track): void {
    const known = this.tracks.get(track);
    this.#expected.announce(track, known !== undefined && this.#isReady(known));
  }

  #isReady(track: SegmentTrack): boolean {
    return !hasMp4Mapping(track.config) || this.#settings.format === 'flv' || isMp4Describable(track);
  }
}
