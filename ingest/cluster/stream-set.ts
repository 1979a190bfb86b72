import type { StreamConfig } from '../../crds/stream-config.ts';

/** What is known of one stream. */
export interface KnownStream {
  readonly uid: string;
  readonly path: string;
  /** The configuration that is obeyed; undefined where none was ever fit for it. */
  readonly config: StreamConfig | undefined;
  /** Why a newer one is not obeyed. */
  readonly refusal: string | undefined;
}

/** The stream that a path leads to is another, or has changed; `config` is undefined where there is none any more. */
export interface PathChange {
  readonly path: string;
  readonly config: StreamConfig | undefined;
}

/** The streams that this process serves, whoever says so: the API server, a folder, or what was on the disk at the start. */
export class StreamSet {
  readonly #streams = new Map<string, KnownStream>();
  /** Uids by path, the newest last: an object made again under the same name finds the old one still being deleted. */
  readonly #byPath = new Map<string, string[]>();
  readonly #listeners = new Set<(change: PathChange) => void>();
  readonly #refused = new Set<(uid: string) => void>();
  readonly #problemOf: (config: StreamConfig) => string | undefined;

  /** @param problemOf why a configuration can't be obeyed here, as a sentence */
  constructor(problemOf: (config: StreamConfig) => string | undefined) {
    this.#problemOf = problemOf;
  }

  /** All of them, those that are refused or being deleted too. */
  get streams(): Iterable<KnownStream> {
    return this.#streams.values();
  }

  get size(): number {
    return this.#streams.size;
  }

  /** The configuration in force for a path. */
  of(path: string): StreamConfig | undefined {
    let found: StreamConfig | undefined;
    for (const uid of this.#byPath.get(path) ?? []) {
      const config = this.#streams.get(uid)?.config;
      if (config !== undefined && (found === undefined || config.state !== 'deleting')) found = config;
    }
    return found;
  }

  byUid(uid: string): KnownStream | undefined {
    return this.#streams.get(uid);
  }

  /** Puts a configuration in force; one that can't be obeyed leaves the one before in force. Returns why, if so. */
  apply(config: StreamConfig): string | undefined {
    const { uid, path } = config;
    const known = this.#streams.get(uid);
    const moved =
      known !== undefined && known.path !== path ? `its path was ${known.path} and can't change` : undefined;
    const problem = moved ?? this.#problemOf(config);
    if (problem !== undefined) {
      this.refuse(uid, path, problem);
      return problem;
    }
    if (known === undefined) this.#name(uid, path);
    this.#streams.set(uid, { uid, path, config, refusal: undefined });
    if (known?.config?.revision !== config.revision) this.#tell(path);
    else if (known.refusal !== undefined) for (const listener of this.#refused) listener(uid);
    return undefined;
  }

  /** A newer configuration of this stream can't be read or obeyed. */
  refuse(uid: string, path: string, refusal: string): void {
    const known = this.#streams.get(uid);
    if (known === undefined) this.#name(uid, path);
    this.#streams.set(uid, { uid, path: known?.path ?? path, config: known?.config, refusal });
    if (known?.refusal !== refusal) for (const listener of this.#refused) listener(uid);
  }

  remove(uid: string): void {
    const known = this.#streams.get(uid);
    if (known === undefined) return;
    this.#streams.delete(uid);
    const others = (this.#byPath.get(known.path) ?? []).filter((other) => other !== uid);
    if (others.length > 0) this.#byPath.set(known.path, others);
    else this.#byPath.delete(known.path);
    this.#tell(known.path);
  }

  /** Calls back after each change of what a path leads to. Returns the function that stops it. */
  onChange(listener: (change: PathChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Calls back when a newer configuration is not obeyed, and when that is over. Returns the function that stops it. */
  onRefusal(listener: (uid: string) => void): () => void {
    this.#refused.add(listener);
    return () => this.#refused.delete(listener);
  }

  #name(uid: string, path: string): void {
    this.#byPath.set(path, [...(this.#byPath.get(path) ?? []), uid]);
  }

  #tell(path: string): void {
    const change = { path, config: this.of(path) };
    for (const listener of this.#listeners) listener(change);
  }
}
