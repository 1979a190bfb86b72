import type { Tombstone } from '../../crds/tombstone.ts';

/** Recordings that are to be deleted, and those that have been. */
export class TombstoneSet {
  readonly #pending = new Map<string, Tombstone>();
  readonly #finished = new Set<string>();
  readonly #listeners = new Set<() => void>();

  get pending(): readonly Tombstone[] {
    return [...this.#pending.values()];
  }

  /** Uids whose recordings are gone; repeated until `remove`. */
  get finished(): readonly string[] {
    return [...this.#finished];
  }

  add(tombstone: Tombstone): void {
    if (this.#finished.has(tombstone.uid)) return;
    this.#pending.set(tombstone.uid, tombstone);
    this.#tell();
  }

  /** Its recordings are gone. */
  finish(uid: string): void {
    if (!this.#pending.delete(uid)) return;
    this.#finished.add(uid);
    this.#tell();
  }

  /** Nobody waits for it any more. */
  remove(uid: string): void {
    const wasThere = this.#pending.delete(uid);
    if (this.#finished.delete(uid) || wasThere) this.#tell();
  }

  /** Calls back after each change. Returns the function that stops it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}
