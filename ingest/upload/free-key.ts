import { posix } from 'node:path';
import { Fault } from '../runtime/fault.ts';
import type { Layout, NumberedNames, SegmentPlace } from '../spool/layout.ts';
import type { ObjectStore, SegmentSource } from './object-store.ts';

/** Where a segment is to be stored instead of under its taken key. */
export interface FreeKey {
  readonly key: string;
  /** What was added to the number of the key it had: most likely right for the publication's next segments too. */
  readonly shift: number;
}

/** The number that the pattern gave a key; undefined where the pattern can't have made it (it was changed since). */
function numberIn(key: string, names: NumberedNames): number | undefined {
  if (!key.startsWith(names.folder)) return undefined;
  return names.numberOf(key.slice(names.folder.length).split('/', 1)[0] ?? '');
}

/** `key` with its number moved on; undefined where it has none. */
export function shiftedKey(layout: Layout, place: SegmentPlace, key: string, shift: number): string | undefined {
  const names = layout.names(place);
  const number = names && numberIn(key, names);
  return number === undefined ? undefined : layout.key(place, number + shift);
}

/**
 * The next name for a segment whose key, `taken`, another object has: numbers of a pattern go on after the highest in the
 * folder. An earlier attempt may have stored it there already, its answer lost: then that is the key.
 * @throws Fault of STORE_FAULTS
 */
export async function findFreeKey(
  store: ObjectStore,
  layout: Layout,
  place: SegmentPlace,
  original: string,
  taken: string,
  source: SegmentSource,
  signal: AbortSignal,
): Promise<FreeKey> {
  const names = layout.names(place);
  const first = names && numberIn(original, names);
  const last = names && numberIn(taken, names);
  if (names === undefined || first === undefined || last === undefined) return { key: suffixed(taken), shift: 0 };
  if (!names.goesOn) return { key: layout.key(place, last + 1), shift: last + 1 - first };
  let highest = last;
  for (const { name, bytes } of await listOrNothing(store, names.folder, signal)) {
    const number = names.numberOf(name);
    if (number === undefined || number <= last) continue;
    highest = Math.max(highest, number);
    const key = names.folder + name;
    if (bytes === source.bytes && (await store.findSegment(key, source, signal))) return { key, shift: number - first };
  }
  return { key: layout.key(place, highest + 1), shift: highest + 1 - first };
}

/** Without the right to list, the numbers are tried one after the other. */
async function listOrNothing(store: ObjectStore, folder: string, signal: AbortSignal) {
  try {
    return await store.list(folder, signal);
  } catch (error) {
    if (error instanceof Fault && error.code === 'ERR_STORE_ACCESS') return [];
    throw error;
  }
}

/** `x.mp4` → `x-2.mp4` → `x-3.mp4`. */
function suffixed(key: string): string {
  const { dir, name, ext } = posix.parse(key);
  const [, stem = name, number = '1'] = /^(.*?)(?:-([1-9]\d{0,6}))?$/s.exec(name) ?? [];
  return posix.join(dir, `${stem}-${Number(number) + 1}${ext}`);
}
