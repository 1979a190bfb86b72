import { crc32 } from 'node:zlib';
import type { FragmentMark } from './integrity-box.ts';
import {
  findAll,
  readExactly,
  type ScanBudget,
  type ScannedFragment,
  type ScanSource,
  sumBytes,
} from './segment-scan.ts';

/** How a container marks the end of each fragment. */
export interface MarkFormat {
  /** Bytes of a mark, and of the part that its CRC covers, which is over the fragment's bytes before. */
  readonly bytes: number;
  readonly crcAt: number;
  /** What a search looks for, and where that stands in a mark. */
  readonly pattern: Buffer;
  readonly patternAt: number;
  /** Undefined where it is no mark of a fragment. */
  parse(mark: Buffer): (FragmentMark & { readonly crc: number }) | undefined;
}

/** The fragment from `offset` whose mark stands at `markAt`, or why it is not whole. */
export async function checkFragment(
  { read, readHead, size }: ScanSource,
  format: MarkFormat,
  offset: number,
  markAt: number,
): Promise<ScannedFragment | string> {
  const bytes = await readExactly(readHead, markAt, format.bytes, size);
  if (bytes === undefined) return `cut off in the mark at ${markAt}`;
  const mark = format.parse(bytes);
  if (mark === undefined || mark.bytes !== markAt - offset) return `no valid mark at ${markAt}`;
  const crc = await sumBytes(read, offset, mark.bytes, 0);
  if (crc === undefined) return `cut off in the fragment at ${offset}`;
  if (crc32(bytes.subarray(0, format.crcAt), crc) !== mark.crc) return `wrong CRC of the fragment at ${offset}`;
  const { crc: _, ...said } = mark;
  return { ...said, offset, bytes: mark.bytes + format.bytes };
}

/**
 * The whole fragments after damage at `from`, within the budget. A mark says how long its fragment is, so each is found from its end: no
 * size before it matters.
 */
export async function* findFragments(
  source: ScanSource,
  format: MarkFormat,
  from: number,
  budget: ScanBudget,
): AsyncGenerator<ScannedFragment, void, undefined> {
  const { read, readHead, size } = source;
  for await (const patternAt of findAll(read, format.pattern, from, size)) {
    const markAt = patternAt - format.patternAt;
    const bytes = markAt <= from ? undefined : await readExactly(readHead, markAt, format.bytes, size);
    const mark = bytes && format.parse(bytes);
    if (mark === undefined || markAt - mark.bytes < from) continue;
    if (!budget.spend(mark.bytes)) return;
    const found = await checkFragment(source, format, markAt - mark.bytes, markAt);
    if (typeof found !== 'string') yield found;
  }
}
