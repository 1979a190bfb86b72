import { TICKS_PER_SECOND } from '../media/media-event.ts';
import type { PesUnit } from '../protocol/mpegts/pes.ts';
import type { TrackOutput } from './track-output.ts';
import type { AudioFrame, AudioSyntax } from './ts-audio-syntax.ts';
import type { TsTrack } from './ts-track.ts';

/** Audio whose frames begin with a sync word: finds them, also where they straddle PES packets, and gives each its time. */
export class FramedAudioTrack implements TsTrack {
  readonly output: TrackOutput;
  readonly #syntax: AudioSyntax;
  /** The beginning of a frame whose rest the next unit brings. */
  #carry: Buffer | undefined;
  /** Source time that frames are counted from, and what has passed since: samples at `#rate`. Never added up in ticks. */
  #base: number | undefined;
  #samples = 0;
  #rate = 1;
  /** What the frames of one configuration have in common. */
  #format: number | undefined;
  /** A frame was found where the one before ended. */
  #isInSync = false;

  constructor(syntax: AudioSyntax, output: TrackOutput) {
    this.#syntax = syntax;
    this.output = output;
  }

  onUnit(unit: PesUnit): void {
    const carry = this.#carry;
    if (carry === undefined) {
      this.#read(unit.bytes, unit.from, unit.to, unit.from, unit);
      return;
    }
    this.#carry = undefined;
    const joined = Buffer.concat([carry, unit.bytes.subarray(unit.from, unit.to)]);
    this.#read(joined, 0, joined.length, carry.length, unit);
  }

  onDamage(partial: PesUnit | undefined): void {
    if (partial !== undefined) this.onUnit(partial); // what has come of it whole, is
    this.#carry = undefined;
    this.#isInSync = false;
    this.output.lose(this.#base === undefined ? undefined : this.#now);
  }

  /** Source time of the next frame. */
  get #now(): number {
    return this.#base! + Math.round((this.#samples * TICKS_PER_SECOND) / this.#rate);
  }

  /** Reads frames from `bytes[from, to)`. The unit's time is that of the first one that begins at or behind `fresh` (ISO 13818-1 §2.4.3.7). */
  #read(bytes: Buffer, from: number, to: number, fresh: number, unit: PesUnit): void {
    const { headerBytes } = this.#syntax;
    let isTimed = unit.pts === undefined;
    let at = from;
    while (at < to) {
      if (to - at < headerBytes) break;
      const frame = this.#frameAt(bytes, at, to);
      if (frame === undefined) {
        if (this.#isInSync) this.#lostSync();
        at++;
        continue;
      }
      if (at + frame.bytes > to) break;
      if (!isTimed && at >= fresh) {
        isTimed = true;
        this.#base = unit.pts;
        this.#samples = 0;
      }
      this.#isInSync = true;
      this.#send(frame, frame.data ?? bytes.subarray(at + frame.dataFrom, at + frame.bytes), unit.arrivedAt);
      at += frame.bytes;
    }
    if (at >= to) return;
    this.#carry = Buffer.from(bytes.subarray(at, to));
    // It began in this unit: its time has to be known when its rest comes.
    if (!isTimed && at >= fresh) {
      this.#base = unit.pts;
      this.#samples = 0;
    }
  }

  #frameAt(bytes: Buffer, at: number, to: number): AudioFrame | undefined {
    const frame = this.#syntax.read(bytes, at, to);
    if (frame === undefined || this.#isInSync) return frame;
    const next = at + frame.bytes;
    // Out of step, a sync word is believed when another one follows, as far as that can be seen.
    return next + this.#syntax.headerBytes > to || this.#syntax.read(bytes, next, to) ? frame : undefined;
  }

  #lostSync(): void {
    this.#isInSync = false;
    this.output.skip('ERR_TS_AUDIO_SYNC');
    this.output.lose(this.#base === undefined ? undefined : this.#now);
  }

  #send(frame: AudioFrame, data: Buffer, arrivedAt: number): void {
    if (this.#base === undefined) return;
    if (frame.samples === 0) {
      this.output.skip('ERR_TS_UNSUPPORTED');
      return;
    }
    if (frame.sampleRate !== this.#rate) {
      this.#base = this.#now;
      this.#samples = 0;
      this.#rate = frame.sampleRate;
    }
    if (data.length === 0) {
      this.output.skip('ERR_TS_UNSUPPORTED');
      this.output.lose(this.#now);
      this.#samples += frame.samples;
      return;
    }
    if (frame.format !== this.#format || this.output.config === undefined) {
      const record = this.#syntax.recordOf(data, frame);
      if (record === undefined) {
        this.output.skip('ERR_TS_UNSUPPORTED');
        this.#samples += frame.samples;
        return;
      }
      this.#format = frame.format;
      this.output.configure(this.#syntax.codec, record);
    }
    const time = this.#now;
    this.#samples += frame.samples;
    this.output.frame({ dts: time, pts: time, key: true, data, arrivedAt });
  }
}
