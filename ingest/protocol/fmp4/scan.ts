import { crc32 } from 'node:zlib';
import { ByteReader } from '../../bytes/byte-reader.ts';
import { walkFragments } from './fragment-walk.ts';
import { readInitSegment } from './init-reader.ts';
import { FRAGMENT_BOX_BYTES, FRAGMENT_BOX_CRC_AT, FRAGMENT_UUID, parseFragmentBox, UUID_AT } from './integrity-box.ts';
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
  sumBytes,
} from './segment-scan.ts';

const BOX_HEAD_BYTES = 8;
/** Boxes of one fragment: far more event messages than half a second of a stream has. */
const MAX_FRAGMENT_BOXES = 65_536;

/**
 * Walks a fragmented MP4 segment of `size` bytes, trusting only what a CRC covers: sizes say where to look, never how much to allocate.
 * Throws nothing but what `read` throws.
 */
export async function scanMp4(read: ReadAt, size: number, options: ScanOptions = {}): Promise<SegmentScan> {
  const header = await readInitSegment(read, size);
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
  let last = 'emsg';
  for (let boxes = 0; boxes < MAX_FRAGMENT_BOXES; boxes += 1) {
    const head = await readExactly(readHead, at, BOX_HEAD_BYTES, size);
    if (head === undefined) return `cut off in the box header at ${at}`;
    const reader = new ByteReader(head);
    const bytes = reader.u32();
    const type = reader.latin1(4);
    if (last === 'mdat' && type === 'uuid') return checkFragment(source, offset, at);
    const expected = last === 'emsg' ? type === 'emsg' || type === 'moof' : last === 'moof' && type === 'mdat';
    if (!expected) return `a box that does not belong at ${at}`;
    if (bytes < BOX_HEAD_BYTES) return `an impossible box size at ${at}`;
    if (at + bytes > size) return `cut off in the ${type} at ${at}`;
    last = type;
    at += bytes;
  }
  return `too many boxes in the fragment at ${offset}`;
}

/** The fragment from `offset` whose mark stands at `markAt`, or why it is not whole. */
async function checkFragment(
  { read, readHead, size }: ScanSource,
  offset: number,
  markAt: number,
): Promise<ScannedFragment | string> {
  const box = await readExactly(readHead, markAt, FRAGMENT_BOX_BYTES, size);
  if (box === undefined) return `cut off in the mark at ${markAt}`;
  const mark = parseFragmentBox(box);
  if (mark === undefined || mark.bytes !== markAt - offset) return `no valid mark at ${markAt}`;
  const crc = await sumBytes(read, offset, mark.bytes, 0);
  if (crc === undefined) return `cut off in the fragment at ${offset}`;
  if (crc32(box.subarray(0, FRAGMENT_BOX_CRC_AT), crc) !== mark.crc) return `wrong CRC of the fragment at ${offset}`;
  const { sequence, start, end, key } = mark;
  return { offset, bytes: mark.bytes + FRAGMENT_BOX_BYTES, sequence, start, end, key };
}

/** The first whole fragment after damage at `from`. A mark says how long its fragment is, so it is found from its end: no box size before it matters. */
async function nextFragment(
  source: ScanSource,
  from: number,
  budget: ScanBudget,
): Promise<ScannedFragment | undefined> {
  const { read, readHead, size } = source;
  for await (const uuidAt of findAll(read, FRAGMENT_UUID, from, size)) {
    const markAt = uuidAt - UUID_AT;
    if (markAt <= from) continue;
    const box = await readExactly(readHead, markAt, FRAGMENT_BOX_BYTES, size);
    const mark = box && parseFragmentBox(box);
    if (mark === undefined || markAt - mark.bytes < from) continue;
    if (!budget.spend(mark.bytes)) return undefined;
    const found = await checkFragment(source, markAt - mark.bytes, markAt);
    if (typeof found === 'string') continue;
    // The CRC is right, so this costs a second reading at most once per fragment: its boxes must lead to this very mark.
    const walked = await readFragment(source, found.offset);
    if (typeof walked !== 'string' && walked.bytes === found.bytes) return walked;
  }
  return undefined;
}
