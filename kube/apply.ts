import type { KubeClient } from './client.ts';
import { type PatchOperation, removeForeignElements } from './foreign-elements.ts';
import { KubeError } from './kube-error.ts';
import { type KubeObject, keyOf } from './kube-object.ts';
import { fieldsOwnedBy, isApplied } from './owned-fields.ts';
import { pathOf, type Resource } from './resource.ts';

/** Where applied objects are looked up, and their new state is put: a Reflector. */
export interface ApplyCache<T extends KubeObject> {
  readonly objects: ReadonlyMap<string, T>;
  assume(object: T): void;
}

export interface ApplyOptions {
  readonly signal?: AbortSignal | undefined;
  /** `status`: only that part is written, by its own path. */
  readonly subresource?: 'status';
  /** Applies only over this very object, and never creates one: ERR_KUBE_CONFLICT or ERR_KUBE_NOT_FOUND else. */
  readonly uid?: string | undefined;
}

/** What came of it. */
export interface Applied<T extends KubeObject> {
  readonly object: T;
  /** Whether a request was made. */
  readonly wrote: boolean;
}

/**
 * Server-side apply with one field manager: an object then has what is asked for, fields of ours that are no longer
 * asked for are gone, and those of others stay. Nothing is written where the cache shows that nothing would change.
 */
export class Applier {
  readonly #client: KubeClient;
  /** The field manager. */
  readonly manager: string;

  constructor(client: KubeClient, manager: string) {
    this.#client = client;
    this.manager = manager;
  }

  /** Whether `desired` differs from what the cache has, and so needs a write. */
  isNeeded<T extends KubeObject>(desired: T, live: KubeObject | undefined, subresource?: 'status'): boolean {
    const owned = live && fieldsOwnedBy(live, this.manager, subresource);
    return live === undefined || owned === undefined || !isApplied(desired, live, owned);
  }

  /** @throws KubeError */
  async apply<T extends KubeObject>(
    resource: Resource,
    desired: T,
    cache: ApplyCache<T>,
    options: ApplyOptions = {},
  ): Promise<Applied<T>> {
    const live = cache.objects.get(keyOf(desired));
    if (options.uid !== undefined && live !== undefined && live.metadata.uid !== options.uid) {
      throw new KubeError('ERR_KUBE_CONFLICT', `${desired.kind} ${keyOf(desired)} is another one by now`);
    }
    if (!this.isNeeded(desired, live, options.subresource)) return { object: live!, wrote: false };
    const object = await this.#send(resource, desired, options).catch(async (error: unknown) => {
      const foreign = live && KubeError.is(error, 'ERR_KUBE_INVALID') ? removeForeignElements(desired, live) : [];
      if (foreign.length === 0) throw error;
      await this.#patch(resource, desired, foreign, options.signal);
      return this.#send(resource, desired, options);
    });
    cache.assume(object);
    return { object, wrote: true };
  }

  #send<T extends KubeObject>(resource: Resource, desired: T, options: ApplyOptions): Promise<T> {
    const { namespace, name } = desired.metadata;
    const { subresource, signal, uid } = options;
    return this.#client.request<T>({
      method: 'PATCH',
      path: pathOf(resource, { namespace, name, ...(subresource && { subresource }) }),
      query: { fieldManager: this.manager, force: true, fieldValidation: 'Strict' },
      contentType: 'application/apply-patch+yaml',
      body: uid === undefined ? desired : { ...desired, metadata: { ...desired.metadata, uid } },
      signal,
    });
  }

  #patch(resource: Resource, { metadata }: KubeObject, body: readonly PatchOperation[], signal?: AbortSignal) {
    return this.#client.request({
      method: 'PATCH',
      path: pathOf(resource, { namespace: metadata.namespace, name: metadata.name }),
      query: { fieldManager: this.manager },
      contentType: 'application/json-patch+json',
      body,
      signal,
    });
  }
}
