import type { Codec, ConfigEvent, Track } from '../media/media-event.ts';
import { isSameCodec, isSameRecord, readConfig, recordFromFrame } from './config-record.ts';

/** What becomes of a frame. `config`, where present, is to be sent before it. */
export interface Admission {
  /** The codec it really has. */
  readonly codec: Codec;
  readonly config?: ConfigEvent;
}

/** One track of an RTMP publisher: which codec it has, whether its decoder is configured, how far its time has come. */
export class RtmpTrack {
  readonly track: Track;
  #codec: Codec | undefined;
  #record: Buffer | undefined;
  /** Announced, but its record has to be made of a frame. */
  #pending: { readonly codec: Codec; readonly flvBody: Buffer | undefined } | undefined;
  #metadata: Buffer | undefined;
  #lastMs = Number.NEGATIVE_INFINITY;

  constructor(track: Track) {
    this.track = track;
  }

  /**
   * Takes a sequence start. Returns the event it makes, none for a repeat of what is known or for one that waits for a frame,
   * and `broken` for one that no decoder could start with.
   */
  announce(named: Codec, payload: Buffer, flvBody: Buffer | undefined): ConfigEvent | 'broken' | undefined {
    if (named === 'aac' && payload.length === 0) return undefined; // sent by some encoders before the real one
    const config = readConfig(named, payload);
    if (config === undefined) return 'broken';
    const { codec, record } = config;
    // Under a wrong name it can't be passed on as it came.
    const body = codec === named ? flvBody : undefined;
    this.#pending = record === 'later' ? { codec, flvBody: body } : undefined;
    return record === 'later' ? undefined : this.#configure(codec, record, body);
  }

  /** Whether, and as what, a frame can be passed on; undefined where no decoder was configured for it. */
  admit(named: Codec, data: Buffer): Admission | undefined {
    const codec = named === 'h264' && this.#codec === 'h265' ? 'h265' : named;
    const isKnown = isSameCodec(this.#codec, codec);
    if (this.#pending === undefined && isKnown && codec !== 'mp3') return { codec };
    // MP3 is never announced: each of its frames says what it is.
    const record = recordFromFrame(codec, data);
    if (record === undefined) return isKnown ? { codec } : undefined;
    const flvBody = this.#pending && isSameCodec(this.#pending.codec, codec) ? this.#pending.flvBody : undefined;
    const config = this.#configure(codec, record, flvBody);
    return config === undefined ? { codec } : { codec, config };
  }

  /** Whether this metadata message differs from the one before. */
  isNewMetadata(body: Buffer): boolean {
    if (this.#metadata?.equals(body)) return false;
    this.#metadata = body;
    return true;
  }

  /** DTS in ms that does not go back within the track. */
  clamp(ms: number): number {
    this.#lastMs = Math.max(this.#lastMs, ms);
    return this.#lastMs;
  }

  #configure(codec: Codec, record: Buffer, flvBody: Buffer | undefined): ConfigEvent | undefined {
    if (this.#pending && isSameCodec(this.#pending.codec, codec)) this.#pending = undefined;
    const isRepeat =
      this.#record !== undefined && isSameCodec(this.#codec, codec) && isSameRecord(codec, this.#record, record);
    if (isRepeat) return undefined;
    this.#codec = codec;
    this.#record = record;
    return { kind: 'config', track: this.track, codec, record, ...(flvBody && { flvBody }) };
  }
}
