import type { Codec, ConfigEvent, FrameEvent, Track } from '../media/media-event.ts';
import { ticks } from '../media/media-event.ts';
import type { MediaSink } from '../media/publication.ts';
import type { ProtocolFault } from '../protocol/protocol-error.ts';
import { ClockLane, compositionTicks, type SourceClock } from './source-clock.ts';

/** A frame with the times it has at its source. */
export interface SourceFrame {
  /** 33 bits, or beyond them by a little. */
  readonly dts: number;
  readonly pts: number;
  readonly key: boolean;
  readonly data: Buffer;
  readonly arrivedAt: number;
}

/** What {@link TrackOutput} shares with the other tracks of its publication. */
export interface TrackHost {
  readonly sink: MediaSink;
  readonly clock: SourceClock;
  onSkipped(code: ProtocolFault): void;
  /** A track got its first configuration. */
  onConfigured(): void;
}

/** Composition times beyond this are none: 10 s. */
const MAX_COMPOSITION = 900_000;

/** Sends one track's events: puts them on the common clock, and declares what is missing before them. */
export class TrackOutput {
  readonly track: Track;
  readonly #host: TrackHost;
  readonly #lane = new ClockLane();
  #config: ConfigEvent | undefined;
  /** Our time of the first frame that is missing. */
  #lostFrom: number | undefined;

  constructor(track: Track, host: TrackHost) {
    this.track = track;
    this.#host = host;
  }

  get config(): ConfigEvent | undefined {
    return this.#config;
  }

  /** Ticks between the last two frames. */
  get step(): number {
    return this.#lane.step;
  }

  /** Announces a configuration, unless it is the one in force. */
  configure(codec: Codec, record: Buffer): void {
    const before = this.#config;
    if (before?.codec === codec && (before.record === record || before.record.equals(record))) return;
    this.#config = { kind: 'config', track: this.track, codec, record };
    this.#host.sink.onEvent(this.#config);
    if (before === undefined) this.#host.onConfigured();
  }

  frame({ dts: source, pts, key, data, arrivedAt }: SourceFrame): void {
    if (this.#config === undefined) return;
    const before = this.#lane.at;
    const dts = this.#host.clock.advance(this.#lane, source, arrivedAt);
    this.#declareLoss(dts, before);
    const composition = compositionTicks(pts, source);
    const event: FrameEvent = {
      kind: 'frame',
      track: this.track,
      dts,
      pts: ticks(dts + (Math.abs(composition) > MAX_COMPOSITION ? 0 : composition)),
      key,
      data,
      arrivedAt,
      codec: this.#config.codec,
    };
    this.#host.sink.onEvent(event);
  }

  /** Frames are missing from now on. `source`: the first one's DTS, where it is known; else it is the next after the last that came. */
  lose(source: number | undefined): void {
    if (this.#lostFrom !== undefined) return;
    const { clock } = this.#host;
    const known = source === undefined ? undefined : clock.locate(this.#lane, source);
    const next = this.#lane.at === undefined ? clock.first : this.#lane.at + 1;
    this.#lostFrom = known ?? next;
  }

  skip(code: ProtocolFault): void {
    this.#host.onSkipped(code);
  }

  /** No frame follows: what is missing at the end is declared too. */
  end(): void {
    this.#declareLoss(Math.max(this.#host.clock.newest, this.#lostFrom ?? 0) + 1, this.#lane.at);
  }

  #declareLoss(to: number, before: number | undefined): void {
    if (this.#lostFrom === undefined) return;
    // Nothing is missing before the first frame of all; and a clock that was set in between may have left it behind.
    const from = Math.max(this.#lostFrom, before ?? this.#host.clock.first);
    this.#lostFrom = undefined;
    if (Number.isFinite(from) && to > from) {
      this.#host.sink.onEvent({ kind: 'gap', from: ticks(from), to: ticks(to), cause: 'loss' });
    }
  }
}
