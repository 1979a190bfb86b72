import { ByteReader } from '../../bytes/byte-reader.ts';
import { ByteWriter } from '../../bytes/byte-writer.ts';

/**
 * Our two `uuid` boxes (ISO 14496-12 §4.2; players skip what they do not know). All integers are big-endian.
 *
 * Header box, the last box in `moov`, so that its CRC is the last four bytes of the header:
 * ```
 *  size32 'uuid' 9e0f3b52-6a41-4d6f-8c1d-48656164 7761 ("Headwa")
 *  description: UTF-8 JSON (segment-description.ts)
 *  crc32       over every byte of the file before this field
 * ```
 * Fragment box, after each `mdat`; 72 bytes:
 * ```
 *  size32=72 'uuid' 5d27c1e8-0b94-4f3a-a7d2-48656164 7761
 *  version8=1 flags24 (bit 0: the main track starts on a keyframe)
 *  sequence32  as in the `mfhd` of the fragment
 *  bytes32     of the fragment before this box: emsg*, moof, mdat
 *  start64 end64   first DTS and end of the last sample, all tracks, 90 kHz ticks on the file's own time
 *  allFrom64 allThrough64   what every track has: see FragmentMark
 *  crc32       over every byte from the fragment's first to the one before this field
 * ```
 */
export const HEADER_UUID = Buffer.from('9e0f3b526a414d6f8c1d486561647761', 'hex');
export const FRAGMENT_UUID = Buffer.from('5d27c1e80b944f3aa7d2486561647761', 'hex');

/** Bytes of a fragment box, and of the part that its CRC covers. */
export const FRAGMENT_BOX_BYTES = 72;
export const FRAGMENT_BOX_CRC_AT = FRAGMENT_BOX_BYTES - 4;
/** Where the UUID stands in its box. */
export const UUID_AT = 8;
const VERSION = 1;
const KEY_FLAG = 1;

/** What a fragment says of itself beside its media. */
export interface FragmentMark {
  readonly sequence: number;
  /** Bytes of the fragment before its mark. */
  readonly bytes: number;
  /** First DTS and end of the last sample, all tracks, 90 kHz ticks on the file's own time. */
  readonly start: number;
  readonly end: number;
  /** Every frame of the file from this DTS on is in this fragment or behind it: what is missing before it stands before this. */
  readonly allFrom: number;
  /** Every frame of the file before this DTS is in this fragment or before it: what is missing behind it stands here or later. */
  readonly allThrough: number;
  /** The main track starts on a keyframe. */
  readonly key: boolean;
}

/** What a fragment's neighbours have nothing of. */
export type FragmentReach = Pick<FragmentMark, 'allFrom' | 'allThrough'>;

/** The fragment box with its CRC field still 0: the CRC covers the other fields too, see FRAGMENT_BOX_CRC_AT. */
export function encodeFragmentBox(mark: FragmentMark): Buffer {
  const writer = new ByteWriter(FRAGMENT_BOX_BYTES).u32(FRAGMENT_BOX_BYTES).latin1('uuid').bytes(FRAGMENT_UUID);
  writer.u8(VERSION).u24(mark.key ? KEY_FLAG : 0);
  return writer
    .u32(mark.sequence)
    .u32(mark.bytes)
    .u64(mark.start)
    .u64(mark.end)
    .u64(mark.allFrom)
    .u64(mark.allThrough)
    .u32(0)
    .finish();
}

/** Reads a fragment box at offset 0 of `box`; undefined where it is none. */
export function parseFragmentBox(box: Buffer): (FragmentMark & { readonly crc: number }) | undefined {
  if (box.length < FRAGMENT_BOX_BYTES) return undefined;
  const reader = new ByteReader(box);
  if (reader.u32() !== FRAGMENT_BOX_BYTES || reader.latin1(4) !== 'uuid') return undefined;
  if (!reader.view(FRAGMENT_UUID.length).equals(FRAGMENT_UUID) || reader.u8() !== VERSION) return undefined;
  const key = (reader.u24() & KEY_FLAG) !== 0;
  const sequence = reader.u32();
  const bytes = reader.u32();
  const start = reader.u64();
  const end = reader.u64();
  const allFrom = reader.u64();
  const allThrough = reader.u64();
  return { sequence, bytes, start, end, allFrom, allThrough, key, crc: reader.u32() };
}
