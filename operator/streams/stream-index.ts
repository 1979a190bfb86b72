import { keyOf } from '../../kube/kube-object.ts';
import type { StoredStream } from '../compile/manifest.ts';

/** What one stream names in its namespace, by `<namespace>/<name>`. */
export interface StreamUses {
  readonly policy: string | undefined;
  readonly secrets: readonly string[];
}

/** Finds streams by what they have and by what they name, so that a change elsewhere reaches those that it concerns and no others. */
export class StreamIndex {
  readonly #keys = new Map<string, string>();
  readonly #namespaces = new Map<string, Map<string, StoredStream>>();
  readonly #uses = new Map<string, StreamUses>();
  readonly #users = new Map<string, Set<string>>();
  readonly #onUnused: (secret: string) => void;

  /** @param onUnused told of a Secret that no stream names any more */
  constructor(onUnused: (secret: string) => void) {
    this.#onUnused = onUnused;
  }

  /** A stream was seen, or seen to be gone. */
  note(key: string, now: StoredStream | undefined, before: StoredStream | undefined): void {
    if (before !== undefined && before.metadata.uid !== now?.metadata.uid) this.#keys.delete(before.metadata.uid);
    const namespace = (now ?? before)!.metadata.namespace;
    const streams = this.#namespaces.get(namespace) ?? new Map<string, StoredStream>();
    this.#namespaces.set(namespace, streams);
    if (now !== undefined) {
      this.#keys.set(now.metadata.uid, key);
      streams.set(key, now);
      return;
    }
    streams.delete(key);
    if (streams.size === 0) this.#namespaces.delete(namespace);
    this.noteUses(key, { policy: undefined, secrets: [] });
    this.#uses.delete(key);
  }

  /** Key of the stream with this uid; undefined: there is none. */
  keyOf(uid: string): string | undefined {
    return this.#keys.get(uid);
  }

  /** Keys of a namespace. */
  inNamespace(namespace: string): readonly string[] {
    return [...(this.#namespaces.get(namespace)?.keys() ?? [])];
  }

  /** How many streams of its namespace are older: creation time decides, then the name. */
  olderThan(stream: StoredStream): number {
    let older = 0;
    for (const other of this.#namespaces.get(stream.metadata.namespace)?.values() ?? []) {
      if (isOlder(other, stream)) older += 1;
    }
    return older;
  }

  /** What the stream names now. */
  noteUses(key: string, uses: StreamUses): void {
    const before = this.#uses.get(key);
    const named = targetsOf(uses);
    for (const target of targetsOf(before)) {
      if (named.has(target)) continue;
      const users = this.#users.get(target);
      users?.delete(key);
      if (users?.size === 0) this.#users.delete(target);
    }
    for (const target of named) {
      const users = this.#users.get(target) ?? new Set();
      this.#users.set(target, users.add(key));
    }
    this.#uses.set(key, uses);
    for (const secret of before?.secrets ?? []) if (!this.#users.has(secretTarget(secret))) this.#onUnused(secret);
  }

  usersOfPolicy(policy: string): readonly string[] {
    return [...(this.#users.get(policyTarget(policy)) ?? [])];
  }

  usersOfSecret(secret: string): readonly string[] {
    return [...(this.#users.get(secretTarget(secret)) ?? [])];
  }
}

const policyTarget = (key: string): string => `policy ${key}`;
const secretTarget = (key: string): string => `secret ${key}`;

function targetsOf(uses: StreamUses | undefined): ReadonlySet<string> {
  if (uses === undefined) return new Set();
  return new Set([
    ...(uses.policy === undefined ? [] : [policyTarget(uses.policy)]),
    ...uses.secrets.map(secretTarget),
  ]);
}

function isOlder(a: StoredStream, b: StoredStream): boolean {
  const [at, bt] = [a.metadata.creationTimestamp ?? '', b.metadata.creationTimestamp ?? ''];
  return at === bt ? keyOf(a) < keyOf(b) : at < bt;
}
