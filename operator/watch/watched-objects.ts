import type { ApplyCache } from '../../kube/apply.ts';
import { type KubeObject, splitKey } from '../../kube/kube-object.ts';
import { Reflector, type ReflectorOptions } from '../../kube/reflector.ts';

/** Objects of a kind in all namespaces, or in those that the operator may see: then one watch each. */
export class WatchedObjects<T extends KubeObject> {
  readonly #reflectors: ReadonlyMap<string | undefined, Reflector<T>>;

  /** `namespaces` empty: all, by one watch. */
  constructor(namespaces: readonly string[], options: Omit<ReflectorOptions<T>, 'namespace'>) {
    const scopes: readonly (string | undefined)[] = namespaces.length === 0 ? [undefined] : namespaces;
    this.#reflectors = new Map(scopes.map((namespace) => [namespace, new Reflector<T>({ ...options, namespace })]));
  }

  /** By `<namespace>/<name>`. */
  get(key: string): T | undefined {
    return this.in(splitKey(key).namespace).objects.get(key);
  }

  *values(): Iterable<T> {
    for (const { objects } of this.#reflectors.values()) yield* objects.values();
  }

  /** What `Applier` looks up and notes its answers in. @throws TypeError for a namespace that is not watched */
  in(namespace: string | undefined): ApplyCache<T> {
    const reflector = this.#reflectors.get(undefined) ?? this.#reflectors.get(namespace);
    if (reflector === undefined) throw new TypeError(`namespace ${namespace} is not watched`);
    return reflector;
  }

  /** Resolves when all is in the caches. */
  async synced(): Promise<void> {
    await Promise.all([...this.#reflectors.values()].map(({ synced }) => synced));
  }

  get hasSynced(): boolean {
    return [...this.#reflectors.values()].every(({ hasSynced }) => hasSynced);
  }

  /** Seconds since the API server was last heard of, at the watch that is worst. */
  get ageSeconds(): number {
    return Math.max(...[...this.#reflectors.values()].map(({ ageSeconds }) => ageSeconds));
  }

  /** Until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([...this.#reflectors.values()].map((reflector) => reflector.run(signal)));
  }
}
