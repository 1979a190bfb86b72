import { crc32 } from 'node:zlib';
import { ByteWriter } from '../../bytes/byte-writer.ts';
import { Fault } from '../../runtime/fault.ts';
import type { FragmentMark } from '../fmp4/integrity-box.ts';
import { encodeDescription, type SegmentDescription } from '../fmp4/segment-description.ts';
import { type AmfInput, EcmaArray } from '../rtmp/amf-value.ts';
import { encodeAmf0 } from '../rtmp/amf0.ts';
import { encodeMark, MARK_BYTES, MARK_CRC_AT } from './file-mark.ts';
import {
  encodeTagHead,
  encodeTagTrailer,
  type FlvTag,
  SCRIPT_TAG,
  TAG_HEAD_BYTES,
  TAG_TRAILER_BYTES,
} from './file-tag.ts';

/** What an FLV file starts with. */
export interface FlvFileStart {
  readonly description: SegmentDescription;
  /** Of the publication's onMetaData, AMF values; `duration`, `filesize` and `headwater` are replaced. */
  readonly metadata: ReadonlyMap<string, unknown>;
  /** Codec names of the tracks, for the description. */
  readonly codecs: readonly string[];
  readonly hasVideo: boolean;
  readonly hasAudio: boolean;
  /** Sequence headers and track metadata, in the order of the file, all at time 0. */
  readonly headers: readonly Pick<FlvTag, 'type' | 'body'>[];
}

/** The start of an FLV file. */
export interface EncodedFlvStart {
  readonly bytes: Buffer;
  /** CRC-32 of the sequence headers: equal in two segments with the same tracks. */
  readonly crc: number;
}

/** Tags of a fragment with their mark, as they go into the file: one writev. The bodies are the caller's own buffers. */
export interface EncodedFlvFragment {
  readonly buffers: readonly Buffer[];
  readonly bytes: number;
}

/** Where, from the file's start, the f64s (big-endian) stand that are known only at its end: duration in seconds, size in bytes. */
export const FLV_DURATION_AT = 53;
export const FLV_FILESIZE_AT = 72;
/** Where the key after them stands: the description's. */
export const FLV_DESCRIPTION_AT = FLV_FILESIZE_AT + 8;
export const FLV_DESCRIPTION_KEY = 'headwater';
/** File header and PreviousTagSize0 (FLV 10.1 §E.2, §E.3). */
export const FLV_HEAD_BYTES = 13;

const MAX_BODY_BYTES = 0xff_ffff;
const AUDIO_FLAG = 4;
const VIDEO_FLAG = 1;

/**
 * FLV header, onMetaData with `duration` and `filesize` (both 0 for now, to be patched when the file is closed) and the description,
 * the sequence headers, and the header's mark. A file that was never patched plays all the same.
 * @throws Fault ERR_FLV_FILE when a body does not fit into a tag.
 */
export function encodeFlvStart(start: FlvFileStart): EncodedFlvStart {
  const tracks = start.codecs.map((codec, index) => ({ id: index + 1, codec }));
  const values = new EcmaArray<AmfInput>([
    ['duration', 0],
    ['filesize', 0],
    [FLV_DESCRIPTION_KEY, encodeDescription(start.description, tracks)],
  ]);
  for (const [key, value] of start.metadata) if (!isOurs(key)) values.set(key, value as AmfInput);
  const writer = new ByteWriter(4096);
  writer
    .latin1('FLV')
    .u8(1)
    .u8((start.hasAudio ? AUDIO_FLAG : 0) | (start.hasVideo ? VIDEO_FLAG : 0))
    .u32(9)
    .u32(0);
  writeTag(writer, { type: SCRIPT_TAG, body: encodeAmf0('onMetaData', values) });
  const headersAt = writer.length;
  for (const header of start.headers) writeTag(writer, header);
  const bytes = writer.length;
  const mark = encodeMark({ sequence: 0, bytes, start: 0, end: 0, allFrom: 0, allThrough: 0, key: false }, 0);
  const whole = writer.bytes(mark).finish();
  whole.writeDoubleBE(crc32(whole.subarray(0, bytes + MARK_CRC_AT)), bytes + MARK_CRC_AT);
  return { bytes: whole, crc: crc32(whole.subarray(headersAt, bytes)) };
}

/**
 * The tags with views of their bodies, then the mark (file-mark.ts) with the CRC-32 over them. Times: 90 kHz ticks on the file's own time. `sequence` counts the file's fragments from 1.
 * @throws Fault ERR_FLV_FILE when there is no tag, or a body does not fit into one.
 */
export function encodeFlvFragment(
  sequence: number,
  tags: readonly FlvTag[],
  mark: Omit<FragmentMark, 'sequence' | 'bytes'>,
): EncodedFlvFragment {
  const last = tags.at(-1);
  if (last === undefined) throw new Fault('ERR_FLV_FILE', 'a fragment needs at least one tag');
  const buffers: Buffer[] = [];
  let bytes = 0;
  let crc = 0;
  for (const { type, timestamp, body } of tags) {
    checkBody(body);
    const [head, trailer] = [encodeTagHead(type, body.length, timestamp), encodeTagTrailer(body.length)];
    crc = crc32(trailer, crc32(body, crc32(head, crc)));
    buffers.push(head, body, trailer);
    bytes += TAG_HEAD_BYTES + body.length + TAG_TRAILER_BYTES;
  }
  const tag = encodeMark({ ...mark, sequence, bytes }, last.timestamp);
  tag.writeDoubleBE(crc32(tag.subarray(0, MARK_CRC_AT), crc), MARK_CRC_AT);
  buffers.push(tag);
  return { buffers, bytes: bytes + MARK_BYTES };
}

function writeTag(writer: ByteWriter, { type, body }: Pick<FlvTag, 'type' | 'body'>): void {
  checkBody(body);
  writer
    .bytes(encodeTagHead(type, body.length, 0))
    .bytes(body)
    .bytes(encodeTagTrailer(body.length));
}

function checkBody(body: Buffer): void {
  if (body.length > MAX_BODY_BYTES) throw new Fault('ERR_FLV_FILE', `a tag of ${body.length} bytes`);
}

function isOurs(key: string): boolean {
  return key === 'duration' || key === 'filesize' || key === FLV_DESCRIPTION_KEY;
}
