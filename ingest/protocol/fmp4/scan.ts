import { ByteReader } from '../../bytes/byte-reader.ts';
import { walkFragments } from './fragment-walk.ts';
import { readInitSegment } from './init-reader.ts';
import { FRAGMENT_BOX_BYTES, FRAGMENT_BOX_CRC_AT, FRAGMENT_UUID, parseFragmentBox, UUID_AT } from './integrity-box.ts';
import { checkFragment, findFragments, type MarkFormat } from './marked-fragment.ts';
import {
  type ReadAt,
  readExactly,
  type ScanBudget,
  type ScannedFragment,
  type ScanOptions,
  type ScanSource,
  type SegmentScan,
  scanSource,
} from './segment-scan.ts';

const BOX_HEAD_BYTES = 8;
/** Boxes of one fragment: far more event messages than half a second of a stream has. */
const MAX_FRAGMENT_BOXES = 65_536;

const MARK: MarkFormat = {
  bytes: FRAGMENT_BOX_BYTES,
  crcAt: FRAGMENT_BOX_CRC_AT,
  pattern: FRAGMENT_UUID,
  patternAt: UUID_AT,
  parse: parseFragmentBox,
};

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
    if (last === 'mdat' && type === 'uuid') return checkFragment(source, MARK, offset, at);
    const expected = last === 'emsg' ? type === 'emsg' || type === 'moof' : last === 'moof' && type === 'mdat';
    if (!expected) return `a box that does not belong at ${at}`;
    if (bytes < BOX_HEAD_BYTES) return `an impossible box size at ${at}`;
    if (at + bytes > size) return `cut off in the ${type} at ${at}`;
    last = type;
    at += bytes;
  }
  return `too many boxes in the fragment at ${offset}`;
}

/** The first whole fragment after damage at `from`. Where the CRC is right, the boxes are walked too: they must lead to this very mark. */
async function nextFragment(
  source: ScanSource,
  from: number,
  budget: ScanBudget,
): Promise<ScannedFragment | undefined> {
  for await (const found of findFragments(source, MARK, from, budget)) {
    const walked = await readFragment(source, found.offset);
    if (typeof walked !== 'string' && walked.bytes === found.bytes) return walked;
  }
  return undefined;
}
