import { BitReader } from '../bytes/bit-reader.ts';
import { attempt } from './attempt.ts';
import { rbspOf } from './nal-units.ts';

/** Codecs whose streams are NAL units. */
export type NalCodec = 'h264' | 'h265' | 'h266';

/**
 * What a NAL unit is to those who only sort them. `front`: what stands before a picture's slices (SEI, picture header); `firstSlice`: with
 * it a picture begins; `slice`: of any other; `other`: all the rest.
 */
export type NalRole = 'delimiter' | 'parameters' | 'front' | 'firstSlice' | 'slice' | 'other';

/** How one codec's NAL units are told apart, each by its bytes from `at` on. */
export interface NalSyntax {
  readonly headerBytes: 1 | 2;
  typeOf(bytes: Uint8Array, at: number): number;
  roleOf(bytes: Uint8Array, at: number): NalRole;
  /** Whether a decoder can start at a picture with this slice. */
  isKeySlice(type: number): boolean;
  /** Access unit delimiters that allow all slice types, without start code: of any picture, and of one that decoders can start at. */
  readonly delimiter: Buffer;
  readonly keyDelimiter: Buffer;
  /** What tells parameter sets of one type apart; undefined where the unit is broken. */
  parameterSetId(unit: Buffer): number | undefined;
}

const H264: NalSyntax = {
  headerBytes: 1,
  typeOf: (bytes, at) => bytes[at]! & 0x1f,
  roleOf(bytes, at) {
    const type = bytes[at]! & 0x1f;
    // first_mb_in_slice is 0: the first bit is 1.
    if (type === 1 || type === 5 || type === 2) return (bytes[at + 1]! & 0x80) !== 0 ? 'firstSlice' : 'slice';
    if (type === 7 || type === 8) return 'parameters';
    if (type === 9) return 'delimiter';
    if (type === 6 || type === 13 || type === 15) return 'front'; // not 14, which stands before every slice
    return 'other';
  },
  isKeySlice: (type) => type === 5,
  delimiter: Buffer.from([0x09, 0xf0]),
  keyDelimiter: Buffer.from([0x09, 0xf0]),
  parameterSetId(unit) {
    const isSps = (unit[0]! & 0x1f) === 7;
    return readId(unit, isSps ? 4 : 1, (r) => r.ue());
  },
};

const H265: NalSyntax = {
  headerBytes: 2,
  typeOf: (bytes, at) => (bytes[at]! >> 1) & 0x3f,
  roleOf(bytes, at) {
    const type = (bytes[at]! >> 1) & 0x3f;
    if (type < 32) return (bytes[at + 2]! & 0x80) !== 0 ? 'firstSlice' : 'slice';
    if (type <= 34) return 'parameters';
    if (type === 35) return 'delimiter';
    return type === 39 ? 'front' : 'other';
  },
  isKeySlice: (type) => type >= 16 && type <= 23,
  delimiter: Buffer.from([0x46, 0x01, 0x50]),
  keyDelimiter: Buffer.from([0x46, 0x01, 0x50]),
  parameterSetId(unit) {
    const type = (unit[0]! >> 1) & 0x3f;
    if (type === 32) return readId(unit, 2, (r) => r.bits(4));
    if (type === 34) return readId(unit, 2, (r) => r.ue());
    return readId(unit, 2, (r) => {
      r.skip(4);
      const subLayers = r.bits(3);
      r.skip(1 + 96);
      skipSubLayers(r, subLayers);
      return r.ue();
    });
  },
};

/** Levels and profiles of sub-layers in an H.265 profile_tier_level (H.265 §7.3.3). */
function skipSubLayers(r: BitReader, count: number): void {
  let bits = 0;
  for (let i = 0; i < count; i++) bits += (r.flag() ? 88 : 0) + (r.flag() ? 8 : 0);
  if (count > 0) r.skip(2 * (8 - count) + bits);
}

const H266: NalSyntax = {
  headerBytes: 2,
  typeOf: (bytes, at) => bytes[at + 1]! >> 3,
  roleOf(bytes, at) {
    const type = bytes[at + 1]! >> 3;
    // A slice that holds its picture's header is the only one of the picture; else the header is a unit of its own, in front.
    if (type < 12) return (bytes[at + 2]! & 0x80) !== 0 ? 'firstSlice' : 'slice';
    if (type >= 14 && type <= 16) return 'parameters';
    if (type === 20) return 'delimiter';
    return type === 17 || type === 19 || type === 23 || type === 12 || type === 13 ? 'front' : 'other';
  },
  isKeySlice: (type) => type >= 7 && type <= 10,
  delimiter: Buffer.from([0x00, 0xa1, 0x28]),
  keyDelimiter: Buffer.from([0x00, 0xa1, 0xa8]),
  parameterSetId(unit) {
    const type = unit[1]! >> 3;
    return readId(unit, 2, (r) => r.bits(type === 16 ? 6 : 4));
  },
};

/** What is kept of a parameter set to find its id: no id stands further back. */
const ID_BYTES = 128;

function readId(unit: Buffer, from: number, read: (r: BitReader) => number): number | undefined {
  return attempt(() => read(new BitReader(rbspOf(unit.subarray(0, ID_BYTES), from))));
}

export const NAL_SYNTAX: { readonly [C in NalCodec]: NalSyntax } = { h264: H264, h265: H265, h266: H266 };

/**
 * recovery_frame_cnt of a recovery point SEI in an H.264 SEI unit (ISO 14496-10 §D.1.8): 0 where all is right at once, as with open GOPs;
 * undefined where there is none. Streams of intra refresh, which have no IDR after the first, may be joined at one.
 */
export function h264RecoveryFrames(sei: Buffer): number | undefined {
  return attempt(() => {
    const r = new BitReader(rbspOf(sei, 1));
    while (r.left > 16) {
      const type = readRun(r);
      const size = readRun(r);
      if (type === RECOVERY_POINT) return r.ue();
      r.skip(size * 8);
    }
    return undefined;
  });
}

const RECOVERY_POINT = 6;

/** Whether the H.264 slice at `bytes[at]` refers to no other picture: slice_type I or SI (ISO 14496-10 §7.3.3). */
export function isH264IntraSlice(slice: Buffer): boolean {
  const type = readId(slice, 1, (r) => {
    r.ue();
    return r.ue() % 5;
  });
  return type === 2 || type === 4;
}

/** ISO 14496-10 §7.3.2.3.1: a run of ff and a last byte. */
function readRun(r: BitReader): number {
  let value = 0;
  let byte = r.bits(8);
  for (; byte === 0xff; byte = r.bits(8)) value += byte;
  return value + byte;
}
