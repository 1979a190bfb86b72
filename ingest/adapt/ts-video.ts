import { findNalUnits, prefixLengths } from '../codec/annex-b.ts';
import { isH264FrameOnly } from '../codec/h264-sps.ts';
import {
  h264RecoveryFrames,
  isH264IntraSlice,
  NAL_SYNTAX,
  type NalCodec,
  type NalRole,
  type NalSyntax,
} from '../codec/nal-syntax.ts';
import { ParameterCollection } from '../codec/parameter-collection.ts';
import { TICKS_PER_SECOND } from '../media/media-event.ts';
import type { PesUnit } from '../protocol/mpegts/pes.ts';
import type { TrackOutput } from './track-output.ts';
import type { TsTrack } from './ts-track.ts';

const H264_SPS = 7;
const H264_SEI = 6;
/**
 * How long a stream is given to send an IDR, ticks: then recovery points of one that refreshes its picture bit by bit, and pictures of intra
 * slices with parameter sets, are taken for keyframes.
 */
const IDR_PATIENCE = 5 * TICKS_PER_SECOND;
/** Frame duration where a unit holds several pictures and nothing tells how long one lasts: a 25th of a second. */
const FALLBACK_STEP = 3600;

/** H.264, H.265 and H.266: byte stream in, access units with lengths and configuration records out. */
export class NalTrack implements TsTrack {
  readonly output: TrackOutput;
  readonly #codec: NalCodec;
  readonly #syntax: NalSyntax;
  readonly #parameters: ParameterCollection;
  readonly #bounds: number[] = [];
  readonly #kept: number[] = [];
  /** Both fields of a picture may be in one unit: they stay together. */
  #mayHaveFields = false;
  #lastIdr: number | undefined;
  #hasBegun = false;

  constructor(codec: NalCodec, output: TrackOutput) {
    this.output = output;
    this.#codec = codec;
    this.#syntax = NAL_SYNTAX[codec];
    this.#parameters = new ParameterCollection(codec);
  }

  onUnit(unit: PesUnit): void {
    const { bytes } = unit;
    if (unit.dts === undefined) {
      this.output.skip('ERR_TS_PES'); // nothing tells when it is shown
      return;
    }
    const count = findNalUnits(bytes, unit.from, unit.to, this.#bounds);
    let first = 0;
    let hasPicture = false;
    let pictures = 0;
    for (let i = 0; i < count; i++) {
      const role = this.#roleOf(bytes, i);
      if (hasPicture && !this.#mayHaveFields && role !== 'slice' && role !== 'other') {
        this.#picture(unit, first, i, pictures);
        first = i;
        hasPicture = false;
        pictures++;
      }
      if (role === 'firstSlice' || role === 'slice') hasPicture = true;
    }
    if (count > 0) this.#picture(unit, first, count, pictures);
    else this.output.skip('ERR_TS_PES');
  }

  onDamage(partial: PesUnit | undefined): void {
    this.output.lose(partial?.dts);
  }

  /** Sends the picture in the units [first, end) of `#bounds`: the `index`th of its PES unit. */
  #picture(unit: PesUnit, first: number, end: number, index: number): void {
    const { bytes } = unit;
    const bounds = this.#bounds;
    let hasSlice = false;
    let isKey = false;
    let isIntra = this.#codec === 'h264';
    let recovery: number | undefined;
    let parameters = 0;
    for (let i = first; i < end; i++) {
      const at = bounds[2 * i]!;
      const role = this.#roleOf(bytes, i);
      const type = this.#syntax.typeOf(bytes, at);
      if (role === 'parameters') {
        parameters++;
        this.#noteParameters(bytes.subarray(at, bounds[2 * i + 1]!), type);
      } else if (role === 'firstSlice' || role === 'slice') {
        hasSlice = true;
        if (this.#syntax.isKeySlice(type)) isKey = true;
        isIntra = isIntra && parameters > 0 && !isKey && isH264IntraSlice(bytes.subarray(at, bounds[2 * i + 1]!));
      } else if (role === 'front' && this.#codec === 'h264' && type === H264_SEI) {
        recovery ??= h264RecoveryFrames(bytes.subarray(at, bounds[2 * i + 1]!));
      }
    }
    if (!hasSlice) return; // parameter sets alone
    const delay = index * (this.output.step || FALLBACK_STEP);
    const dts = unit.dts! + delay;
    const key = isKey || recovery === 0 || ((recovery !== undefined || isIntra) && this.#isPatienceOver(dts));
    if (isKey) this.#lastIdr = dts;
    this.#lastIdr ??= dts;
    if (key && !this.#begin()) return;
    if (!this.#hasBegun) {
      this.output.skip('ERR_TS_NO_KEYFRAME');
      return;
    }
    const kept = this.#keep(bytes, first, end, parameters > 0);
    const floor = index === 0 ? unit.floor : bounds[2 * first]!;
    const data = prefixLengths(bytes, floor, this.#kept, kept);
    this.output.frame({ dts, pts: unit.pts! + delay, key, data, arrivedAt: unit.arrivedAt });
  }

  /** A header alone says nothing, and what lies behind it belongs to another unit. */
  #roleOf(bytes: Buffer, unit: number): NalRole {
    const at = this.#bounds[2 * unit]!;
    return this.#bounds[2 * unit + 1]! - at > this.#syntax.headerBytes ? this.#syntax.roleOf(bytes, at) : 'other';
  }

  #noteParameters(set: Buffer, type: number): void {
    this.#parameters.note(set);
    if (this.#codec === 'h264' && type === H264_SPS) this.#mayHaveFields = !isH264FrameOnly(set);
  }

  #isPatienceOver(dts: number): boolean {
    return this.#lastIdr !== undefined && Math.abs(dts - this.#lastIdr) > IDR_PATIENCE;
  }

  /** Before a keyframe: the configuration that is in force with it. False while a parameter set is missing. */
  #begin(): boolean {
    const { record } = this.#parameters;
    if (record === undefined) {
      this.output.skip('ERR_TS_NO_KEYFRAME');
      return false;
    }
    this.output.configure(this.#codec, record);
    this.#hasBegun = true;
    return true;
  }

  /** Puts into `#kept` what goes on: not delimiters, and not parameter sets that the configuration record has. */
  #keep(bytes: Buffer, first: number, end: number, hasParameters: boolean): number {
    const bounds = this.#bounds;
    const kept = this.#kept;
    let count = 0;
    for (let i = first; i < end; i++) {
      const from = bounds[2 * i]!;
      const to = bounds[2 * i + 1]!;
      const role = this.#roleOf(bytes, i);
      if (role === 'delimiter' || from === to) continue;
      if (hasParameters && role === 'parameters' && this.#parameters.has(bytes.subarray(from, to))) continue;
      kept[2 * count] = from;
      kept[2 * count + 1] = to;
      count++;
    }
    return count;
  }
}
