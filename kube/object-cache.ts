import { compareVersions, type KubeObject, keyOf, type ManagedFields } from './kube-object.ts';

/** Called for each change, after the cache has it. It must only take note of the key: an error here would stop a watch. */
export type ChangeHandler<T> = (key: string, now: T | undefined, before: T | undefined) => void;

/** How long a deletion is remembered, so that the late answer to a write does not bring the object back. */
const DELETION_MEMORY_MS = 60_000;

/**
 * The newest known state of each object of a kind. Changes may come twice, late, or from our own writes before the watch
 * tells of them: an older version never replaces a newer one.
 */
export class ObjectCache<T extends KubeObject> {
  readonly #objects = new Map<string, T>();
  readonly #deleted = new Map<string, { readonly version: string; readonly at: number }>();
  #newest = '0';
  readonly #changed: ChangeHandler<T>;
  readonly #shape: (object: T) => T;
  readonly #now: () => number;

  /** `shape` is applied to what is kept: drop there what nobody reads. */
  constructor(changed: ChangeHandler<T>, shape: (object: T) => T, now: () => number = () => performance.now()) {
    this.#changed = changed;
    this.#shape = shape;
    this.#now = now;
  }

  get objects(): ReadonlyMap<string, T> {
    return this.#objects;
  }

  /** The newest version of all that was taken in. A list that is asked for after it is no older, unless the server's storage was restored. */
  get newest(): string {
    return this.#newest;
  }

  /** An object as the server has it now. Gives whether it was news. */
  set(object: T): boolean {
    const key = keyOf(object);
    const before = this.#objects.get(key);
    const version = versionOf(object);
    this.#see(version);
    if (before && compareVersions(version, versionOf(before)) <= 0) return false;
    const deleted = this.#deleted.get(key);
    if (deleted && compareVersions(version, deleted.version) <= 0) return false;
    const now = this.#shape(object);
    this.#objects.set(key, now);
    this.#changed(key, now, before);
    return true;
  }

  /** The object is gone, as of `version`. Gives whether it was news. */
  delete(key: string, version: string): boolean {
    const before = this.#objects.get(key);
    this.#see(version);
    if (before && compareVersions(version, versionOf(before)) < 0) return false;
    this.#remember(key, version);
    if (!before) return false;
    this.#objects.delete(key);
    this.#changed(key, undefined, before);
    return true;
  }

  /**
   * A whole list as of `version`: what it does not hold, and is no newer than the list, is gone. `newestBefore` is what `newest` was when
   * it was asked for.
   */
  replace(listed: readonly T[], version: string, newestBefore: string): void {
    const keys = new Set(listed.map(keyOf));
    // Versions that went back: the server's storage was restored from a copy, and what is kept here is of no time it knows.
    if (compareVersions(version, newestBefore) < 0) {
      for (const [key, object] of [...this.#objects]) this.delete(key, versionOf(object));
      this.#deleted.clear();
      this.#newest = '0';
    }
    this.#see(version);
    for (const object of listed) this.set(object);
    for (const [key, object] of [...this.#objects]) {
      if (!keys.has(key) && compareVersions(versionOf(object), version) <= 0) this.delete(key, version);
    }
  }

  #see(version: string): void {
    if (compareVersions(version, this.#newest) > 0) this.#newest = version;
  }

  #remember(key: string, version: string): void {
    const now = this.#now();
    for (const [old, { at }] of this.#deleted) {
      if (now - at < DELETION_MEMORY_MS) break;
      this.#deleted.delete(old);
    }
    this.#deleted.delete(key);
    this.#deleted.set(key, { version, at: now });
  }
}

/** What `shape` is unless given: of the managed fields only those of `manager` are kept, which `apply` compares. */
export function keepFieldsOf<T extends KubeObject>(manager: string): (object: T) => T {
  const isOurs = (entry: ManagedFields): boolean => entry.manager === manager;
  return (object) => {
    const { managedFields, ...metadata } = object.metadata;
    const ours = managedFields?.filter(isOurs) ?? [];
    return { ...object, metadata: ours.length > 0 ? { ...metadata, managedFields: ours } : metadata };
  };
}

const versionOf = (object: KubeObject): string => object.metadata.resourceVersion ?? '0';
