/** How long segments are, in 90 kHz ticks. */
export interface CutSettings {
  /** A segment ends at the first keyframe at or past this; 0: never by time. */
  readonly target: number;
  /** Without a keyframe for this long after the target has passed, it ends at any frame. */
  readonly hardLimit: number;
}

/** A frame of the main track: the first video track, or the first audio track where there is no video. Audio frames are keys. */
export interface MainFrame {
  readonly dts: number;
  readonly key: boolean;
}

/** What a change asks for: `main`: the main track's frames can't be decoded before the next keyframe; `other`: a new segment there. */
export type CutRequest = 'main' | 'other';

/** `skip`: not recorded. `stay`: belongs to the open segment. `cut`: begins a new one, on a keyframe or (`cut-unaligned`) not. */
export type CutDecision = 'skip' | 'stay' | 'cut' | 'cut-unaligned';

/** Decides where segments begin. Pure: frames of the main track go in, in order, decisions come out. */
export class CutDecider {
  readonly #settings: CutSettings;
  #start: number | undefined;
  #request: CutRequest | undefined;

  constructor(settings: CutSettings) {
    this.#settings = settings;
  }

  /** Codec parameters changed or a track came: the next keyframe begins a segment. */
  requestCut(request: CutRequest): void {
    if (this.#request !== 'main') this.#request = request;
  }

  /** The open segment has ended for a reason of its own: nothing is recorded before the next keyframe. */
  restart(): void {
    this.#start = undefined;
  }

  decide({ dts, key }: MainFrame): CutDecision {
    const decision = this.#decide(dts, key);
    if (decision === 'cut' || decision === 'cut-unaligned') {
      this.#start = dts;
      this.#request = undefined;
    }
    return decision;
  }

  /** A frame of another track: where the main track has stopped, it cuts at the limit. */
  decideOther(dts: number): 'stay' | 'cut-unaligned' {
    const { target, hardLimit } = this.#settings;
    if (this.#start === undefined || target === 0 || dts - this.#start < target + hardLimit) return 'stay';
    this.#start = dts;
    return 'cut-unaligned';
  }

  #decide(dts: number, key: boolean): CutDecision {
    if (this.#start === undefined) return key ? 'cut' : 'skip';
    if (this.#request !== undefined && key) return 'cut';
    if (this.#request === 'main') return 'skip';
    const { target, hardLimit } = this.#settings;
    if (target === 0) return 'stay';
    const age = dts - this.#start;
    if (key && age >= target) return 'cut';
    return age >= target + hardLimit ? 'cut-unaligned' : 'stay';
  }
}
