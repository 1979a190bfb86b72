import { crc32 } from 'node:zlib';
import { ByteReader, NeedMoreBytes } from '../../bytes/byte-reader.ts';
import { type ScannedHeader, walkFragments } from '../fmp4/fragment-walk.ts';
import { checkFragment, findFragments, type MarkFormat } from '../fmp4/marked-fragment.ts';
import { parseDescription, type StoredDescription } from '../fmp4/segment-description.ts';
import {
  findAll,
  type ReadAt,
  readExactly,
  type ScanBudget,
  type ScannedFragment,
  type ScanOptions,
  type ScanSource,
  type SegmentScan,
  scanSource,
} from '../fmp4/segment-scan.ts';
import { FLV_DESCRIPTION_AT, FLV_DESCRIPTION_KEY, FLV_DURATION_AT, FLV_FILESIZE_AT, FLV_HEAD_BYTES } from './file.ts';
import { MARK_BYTES, MARK_CRC_AT, MARK_PATTERN, MARK_PATTERN_AT, parseMark } from './file-mark.ts';
import { AMF3_SCRIPT_TAG, AUDIO_TAG, SCRIPT_TAG, TAG_HEAD_BYTES, TAG_TRAILER_BYTES, VIDEO_TAG } from './file-tag.ts';

/** Metadata and sequence headers of many tracks stay below it. */
const MAX_HEADER_BYTES = 4 * 1024 * 1024;
const LONG_STRING = 0x0c;

const MARK: MarkFormat = {
  bytes: MARK_BYTES,
  crcAt: MARK_CRC_AT,
  pattern: MARK_PATTERN,
  patternAt: MARK_PATTERN_AT,
  parse(tag) {
    const mark = parseMark(tag);
    return mark?.sequence === 0 ? undefined : mark; // that one marks the header
  },
};

/** Walks an FLV segment of `size` bytes, trusting only what a CRC covers. Throws nothing but what `read` throws. */
export async function scanFlv(read: ReadAt, size: number, options: ScanOptions = {}): Promise<SegmentScan> {
  const header = await readHeader(read, size);
  return await walkFragments(
    scanSource(read, size),
    header,
    { readAt: readFragment, findAfter: nextFragment },
    options,
  );
}

/** The fragment that starts at `offset`, or why there is none. */
async function readFragment(source: ScanSource, offset: number): Promise<ScannedFragment | string> {
  const { readHead, size } = source;
  let at = offset;
  for (;;) {
    const head = await readExactly(readHead, at, MARK_PATTERN_AT + MARK_PATTERN.length, size);
    if (head === undefined) return `cut off in the tag at ${at}`;
    const bodyBytes = head.readUIntBE(1, 3);
    const type = head[0];
    if (type === AMF3_SCRIPT_TAG && head.subarray(MARK_PATTERN_AT).equals(MARK_PATTERN)) {
      return checkFragment(source, MARK, offset, at);
    }
    if (type !== AUDIO_TAG && type !== VIDEO_TAG && type !== SCRIPT_TAG) return `no tag at ${at}`;
    at += TAG_HEAD_BYTES + bodyBytes + TAG_TRAILER_BYTES;
  }
}

/** The first whole fragment after damage at `from`. */
async function nextFragment(
  source: ScanSource,
  from: number,
  budget: ScanBudget,
): Promise<ScannedFragment | undefined> {
  for await (const found of findFragments(source, MARK, from, budget)) return found;
  return undefined;
}

/** Reads and checks everything up to the header's mark; a string says why it is not whole. */
async function readHeader(read: ReadAt, size: number): Promise<ScannedHeader | string> {
  const limit = Math.min(size, MAX_HEADER_BYTES);
  for await (const patternAt of findAll(read, MARK_PATTERN, 0, limit)) {
    const header = await checkHeader(read, patternAt - MARK_PATTERN_AT, size);
    // The words may stand in a path or in metadata too: only a mark that marks the header ends the search.
    if (header !== undefined) return header;
  }
  return 'the header is cut off or damaged';
}

/** The header whose mark stands at `markAt`; undefined where that is none, or it is not whole. */
async function checkHeader(read: ReadAt, markAt: number, size: number): Promise<ScannedHeader | undefined> {
  if (markAt < FLV_DESCRIPTION_AT) return undefined;
  const bytes = markAt + MARK_BYTES;
  const tag = await readExactly(read, markAt, MARK_BYTES, size);
  const mark = tag && parseMark(tag);
  if (mark === undefined || mark.sequence !== 0 || mark.bytes !== markAt) return undefined;
  const found = await readExactly(read, 0, bytes, size);
  if (found === undefined) return undefined;
  const header = Buffer.from(found);
  header.fill(0, FLV_DURATION_AT, FLV_DURATION_AT + 8).fill(0, FLV_FILESIZE_AT, FLV_FILESIZE_AT + 8);
  if (crc32(header.subarray(0, markAt + MARK_CRC_AT)) !== mark.crc) return undefined;
  const description = readDescription(header);
  if (description === undefined) return undefined;
  const metadataBytes = TAG_HEAD_BYTES + header.readUIntBE(FLV_HEAD_BYTES + 1, 3) + TAG_TRAILER_BYTES;
  return { bytes, crc: crc32(header.subarray(FLV_HEAD_BYTES + metadataBytes, markAt)), description };
}

function readDescription(header: Buffer): StoredDescription | undefined {
  const reader = new ByteReader(header, FLV_DESCRIPTION_AT);
  try {
    if (reader.utf8(reader.u16()) !== FLV_DESCRIPTION_KEY) return undefined;
    const length = reader.u8() === LONG_STRING ? reader.u32() : reader.u16();
    return parseDescription(reader.utf8(length));
  } catch (fault) {
    if (fault instanceof NeedMoreBytes) return undefined;
    throw fault;
  }
}
