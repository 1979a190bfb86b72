import type { StoredDescription } from './segment-description.ts';
import {
  type Damage,
  ScanBudget,
  type ScannedFragment,
  type ScanOptions,
  type ScanSource,
  type SegmentScan,
} from './segment-scan.ts';

/** A header that is whole. */
export interface ScannedHeader {
  readonly bytes: number;
  readonly crc: number;
  readonly description: StoredDescription;
}

/** How a container's fragments are found. */
export interface FragmentFinder {
  /** The fragment that starts at `offset`, or why there is none. */
  readAt(source: ScanSource, offset: number): Promise<ScannedFragment | string>;
  /** The first whole fragment after damage at `from`, within the budget. */
  findAfter(source: ScanSource, from: number, budget: ScanBudget): Promise<ScannedFragment | undefined>;
}

/** Walks a file's fragments behind its header; a string instead of a header says why there is none. */
export async function walkFragments(
  source: ScanSource,
  header: ScannedHeader | string,
  finder: FragmentFinder,
  { salvage = false }: ScanOptions,
): Promise<SegmentScan> {
  const { size } = source;
  if (typeof header === 'string') {
    const damage = size === 0 ? [] : [{ offset: 0, bytes: size, why: header }];
    return { headerBytes: 0, headerCrc: 0, description: undefined, fragments: [], validBytes: 0, damage };
  }
  const budget = new ScanBudget(size);
  const fragments: ScannedFragment[] = [];
  const damage: Damage[] = [];
  let validBytes = header.bytes;
  for (let at = header.bytes; at < size; ) {
    const found = await finder.readAt(source, at);
    if (typeof found !== 'string') {
      fragments.push(found);
      at += found.bytes;
      if (damage.length === 0) validBytes = at;
      continue;
    }
    const next = salvage ? await finder.findAfter(source, at, budget) : undefined;
    damage.push({ offset: at, bytes: (next?.offset ?? size) - at, why: found });
    if (next === undefined) break;
    fragments.push(next);
    at = next.offset + next.bytes;
  }
  const { bytes: headerBytes, crc: headerCrc, description } = header;
  return { headerBytes, headerCrc, description, fragments, validBytes, damage };
}
