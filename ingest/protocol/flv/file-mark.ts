import type { FragmentMark } from '../fmp4/integrity-box.ts';
import { encodeAmf0 } from '../rtmp/amf0.ts';
import { AMF3_SCRIPT_TAG, encodeTagHead, TAG_HEAD_BYTES, TAG_TRAILER_BYTES } from './file-tag.ts';

/**
 * The mark after each fragment of an FLV segment: an AMF3 script tag of fixed size. Of an AMF0 one (18) that it does not know
 * ffmpeg makes a data stream; one of AMF3 (15) every player skips.
 * ```
 *  tag head (11)   time: that of the tag before
 *  0               AMF0 values follow, as in RTMP's AMF3 data message
 *  AMF0 string     "onHeadwaterFragment"
 *  AMF0 object     sequence, bytes, start, end, allFrom, allThrough, key (0 or 1), crc; numbers all
 *  PreviousTagSize (4)
 * ```
 * The fields are those of `FragmentMark`; `crc` is a CRC-32 over every byte from the fragment's first to the one before its own f64.
 * Sequence 0 marks the header; there `duration` and `filesize` count as 0, since they are written last.
 */
const MARK_NAME = 'onHeadwaterFragment';

/** What a search for marks looks for, and where it stands in a mark. */
export const MARK_PATTERN = Buffer.from(MARK_NAME, 'latin1');
export const MARK_PATTERN_AT = TAG_HEAD_BYTES + 4;

const FIELDS = ['sequence', 'bytes', 'start', 'end', 'allFrom', 'allThrough', 'key', 'crc'] as const;
const NUMBER_BYTES = 9;
const OBJECT_END_BYTES = 3;

/** Where each field's f64 stands in a mark: their names have fixed lengths. */
const FIELD_AT = new Map<string, number>();
let at = MARK_PATTERN_AT + MARK_NAME.length + 1;
for (const field of FIELDS) {
  FIELD_AT.set(field, at + 2 + field.length + 1);
  at += 2 + field.length + NUMBER_BYTES;
}

/** Bytes of a mark, and of the part that its CRC covers. */
export const MARK_BYTES = at + OBJECT_END_BYTES + TAG_TRAILER_BYTES;
export const MARK_CRC_AT = FIELD_AT.get('crc') as number;

/** The mark with a CRC; 0 while it is not known, see `MARK_CRC_AT`. `timestamp` in ms. */
export function encodeMark(mark: FragmentMark, timestamp: number, crc = 0): Buffer {
  const { sequence, bytes, start, end, allFrom, allThrough, key } = mark;
  const values = encodeAmf0(MARK_NAME, { sequence, bytes, start, end, allFrom, allThrough, key: key ? 1 : 0, crc });
  const bodyBytes = 1 + values.length;
  const tag = Buffer.alloc(MARK_BYTES);
  encodeTagHead(AMF3_SCRIPT_TAG, bodyBytes, timestamp).copy(tag);
  values.copy(tag, TAG_HEAD_BYTES + 1);
  tag.writeUInt32BE(TAG_HEAD_BYTES + bodyBytes, TAG_HEAD_BYTES + bodyBytes);
  return tag;
}

/** Reads a mark that fills `tag`; undefined where it is none: it must be, byte for byte, what `encodeMark` writes. */
export function parseMark(tag: Buffer): (FragmentMark & { readonly crc: number }) | undefined {
  if (tag.length !== MARK_BYTES) return undefined;
  const field = (name: (typeof FIELDS)[number]) => tag.readDoubleBE(FIELD_AT.get(name) as number);
  if (!FIELDS.every((name) => Number.isSafeInteger(field(name)) && field(name) >= 0)) return undefined;
  const [allFrom, allThrough, crc] = [field('allFrom'), field('allThrough'), field('crc')];
  const times = { start: field('start'), end: field('end'), allFrom, allThrough };
  const mark = { sequence: field('sequence'), bytes: field('bytes'), ...times, key: field('key') === 1 };
  const timestamp = tag.readUIntBE(4, 3) + tag.readUInt8(7) * 0x100_0000;
  return tag.equals(encodeMark(mark, timestamp, crc)) ? { ...mark, crc } : undefined;
}
