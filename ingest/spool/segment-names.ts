import { posix } from 'node:path';
import type { Layout, NumberedNames, SegmentPlace } from './layout.ts';

/** What exists under a store's prefix, where that can be seen cheaply (a `file://` store). */
export interface ExistingNames {
  /** Names in a folder ('' or ending in '/'); none where it does not exist. */
  list(folder: string): Promise<readonly string[]>;
  /** Whether an object has this key. */
  has(key: string): Promise<boolean>;
}

/** For stores that are not asked while recording (S3): numbers are provisional, the uploader settles them. */
export const NOTHING_KNOWN: ExistingNames = { list: async () => [], has: async () => false };

/** Hands out the keys of segments. */
export interface NameSource {
  /** Learns that a key is taken, such as one of a segment that waits in the spool since before a restart. */
  note(place: SegmentPlace, key: string): void;
  /** The key for a segment. A look at the store that fails counts as nothing found. */
  take(place: SegmentPlace): Promise<string>;
}

/** Groups of names whose highest number is remembered; for a forgotten one the store is asked again. */
const GROUPS = 4096;
/** Keys handed out of late that are remembered. */
const GIVEN = 16_384;

/**
 * Hands out the keys of this process's segments, one after the other: no two of them are equal, and where the store can be
 * looked at none exists there. A key stays provisional until the segment is stored (its name may be taken by then).
 */
export class SegmentNames implements NameSource {
  readonly #layout: Layout;
  readonly #existing: ExistingNames;
  /** Highest number handed out or found, by group; the least recently used first. */
  readonly #highest = new Map<string, number>();
  /** Names of two groups can be equal: with `%s%d`, number 1 of `cam1` and number 11 of `cam`. */
  readonly #given = new Set<string>();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(layout: Layout, existing: ExistingNames = NOTHING_KNOWN) {
    this.#layout = layout;
    this.#existing = existing;
  }

  note(place: SegmentPlace, key: string): void {
    const names = this.#layout.names(place);
    if (!names || !key.startsWith(names.folder)) return;
    const number = names.numberOf(key.slice(names.folder.length).split('/', 1)[0] ?? '');
    if (number !== undefined) this.#remember(names.group, Math.max(number, this.#highest.get(names.group) ?? 0));
  }

  async take(place: SegmentPlace): Promise<string> {
    const names = this.#layout.names(place);
    if (!names) return this.#layout.key(place, place.seq);
    const taken = this.#turn.then(async () => {
      let number = await this.#free(place, names);
      while (this.#given.has(this.#layout.key(place, number))) number += 1;
      this.#remember(names.group, number);
      const key = this.#layout.key(place, number);
      this.#given.add(key);
      if (this.#given.size > GIVEN) this.#given.delete(this.#given.values().next().value!);
      return key;
    });
    this.#turn = taken.catch(() => {});
    return taken;
  }

  async #free(place: SegmentPlace, names: NumberedNames): Promise<number> {
    const known = this.#highest.get(names.group);
    if (known !== undefined) return Math.max(known + 1, names.least);
    let number = names.least;
    if (names.goesOn) {
      for (const entry of await this.#existing.list(names.folder).catch(() => [])) {
        number = Math.max(number, (names.numberOf(entry) ?? 0) + 1);
      }
      return number;
    }
    while (await this.#existing.has(this.#layout.key(place, number)).catch(() => false)) number += 1;
    return number;
  }

  #remember(group: string, number: number): void {
    this.#highest.delete(group);
    this.#highest.set(group, number);
    if (this.#highest.size > GROUPS) this.#highest.delete(this.#highest.keys().next().value!);
  }
}

/** The name a segment has in its publication's spool folder: that of its key, with its `<seq>` where another file there has it. */
export function localName(key: string, seq: number, isTaken: (name: string) => boolean): string {
  const name = posix.basename(key);
  if (!isTaken(name)) return name;
  const { name: stem, ext } = posix.parse(name);
  return `${stem}~${seq}${ext}`;
}
