import { type FrameEvent, isVideoTrack, type MediaEvent } from '../media/media-event.ts';

/** Holds a publication's media until its tracks are known and its folder is durable. Bounded in bytes. */
export class StartBuffer {
  readonly #maxBytes: number;
  #events: MediaEvent[] = [];
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Whether it has taken all it may: what is in it must be used or given up now. */
  get isFull(): boolean {
    return this.#bytes >= this.#maxBytes;
  }

  push(event: MediaEvent): void {
    this.#events.push(event);
    if (event.kind === 'frame' || event.kind === 'opaque') this.#bytes += event.data.length;
  }

  /** Gives all of it, in order, and is empty. */
  take(): MediaEvent[] {
    const events = this.#events;
    this.#events = [];
    this.#bytes = 0;
    return events;
  }
}

/** Most sound that is held: seconds of it, in frames of any codec. */
const MAX_AHEAD = 512;

/** Sound that came before the keyframe it belongs behind: publishers interleave loosely. */
export class AheadFrames {
  #frames: FrameEvent[] = [];

  push(frame: FrameEvent): void {
    if (isVideoTrack(frame.track) && !frame.key) return;
    this.#frames.push(frame);
    if (this.#frames.length > MAX_AHEAD) this.#frames.shift();
  }

  /** Recording begins no earlier than `dts`. */
  forgetBefore(dts: number): void {
    if (this.#frames.length > 0 && this.#frames[0]!.dts < dts) this.#frames = this.#frames.filter((f) => f.dts >= dts);
  }

  take(): FrameEvent[] {
    const frames = this.#frames;
    this.#frames = [];
    return frames;
  }
}
