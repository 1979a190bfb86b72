import type { KubeClient, KubeRequest } from '../../../kube/client.ts';
import { errorOfStatus } from '../../../kube/kube-error.ts';
import { type KubeObject, keyOf, type ObjectMeta } from '../../../kube/kube-object.ts';
import type { Place, Resource } from '../../../kube/resource.ts';
import type { WatchedObjects } from '../../../operator/watch/watched-objects.ts';

type Stored = KubeObject & { readonly type?: string; readonly data?: Readonly<Record<string, string>> };

/**
 * Objects in memory with the API server's compare-and-set, for moments that a real one cannot be made to show: caches that are behind,
 * another who was faster. What a real one does is shown in test/kube-api.
 */
export class MemoryApi {
  readonly #objects = new Map<string, Stored>();
  #version = 100;
  /** Writes so far: `POST secrets/a`. */
  readonly writes: string[] = [];
  /** Asked before each request; what it throws is the answer. */
  fault: (what: string) => void = () => {};

  /** Puts an object there as another hand would. */
  put(plural: string, object: Stored): Stored {
    return this.#store(`${plural}/${keyOf(object)}`, object, 'kubectl');
  }

  drop(plural: string, key: string): void {
    this.#objects.delete(`${plural}/${key}`);
  }

  find<T extends KubeObject = Stored>(plural: string, key: string): T | undefined {
    return this.#objects.get(`${plural}/${key}`) as unknown as T | undefined;
  }

  /** The part of a client that the operator's classes use. */
  get client(): KubeClient {
    const client = {
      request: async (request: KubeRequest) => this.#request(request),
      get: async ({ plural }: Resource, place: Place) => this.#get(plural, place),
      create: async ({ plural }: Resource, object: Stored) => this.#create(plural, object, 'headwater'),
      merge: async ({ plural }: Resource, place: Place, patch: { readonly metadata?: ObjectMeta }) =>
        this.#merge(plural, place, patch),
      remove: async ({ plural }: Resource, { namespace, name }: Place) => {
        this.#note(`DELETE ${plural}/${name}`);
        this.#objects.delete(`${plural}/${namespace}/${name}`);
      },
    };
    return client as unknown as KubeClient;
  }

  /** A cache that sees all at once, or, with `seen`, only what it is shown. */
  watched<T extends KubeObject>(plural: string, seen?: Map<string, T>): WatchedObjects<T> {
    const all = (): ReadonlyMap<string, T> => {
      const prefix = `${plural}/`;
      const found = [...this.#objects].filter(([key]) => key.startsWith(prefix));
      return new Map(found.map(([key, object]) => [key.slice(prefix.length), object as unknown as T]));
    };
    const objects = () => seen ?? all();
    return {
      get: (key: string) => objects().get(key),
      values: () => objects().values(),
      in: () => ({ objects: objects(), assume: (object: T) => seen?.set(keyOf(object), object) }),
    } as unknown as WatchedObjects<T>;
  }

  #note(what: string): void {
    this.fault(what);
    this.writes.push(what);
  }

  #request({ method = 'GET', path, query, body }: KubeRequest): unknown {
    const [, namespace, plural = '', name] =
      /^\/(?:api|apis\/[^/]+)\/[^/]+(?:\/namespaces\/([^/]+))?\/(\w+)(?:\/([^/]+))?$/.exec(path) ?? [];
    if (method === 'GET' && name === undefined) {
      this.fault(`GET ${plural}`);
      const [label = '', value] = String(query?.labelSelector ?? '').split('=');
      const items = [...this.watched<Stored>(plural).values()];
      return {
        metadata: {},
        items: items.filter(({ metadata }) => label === '' || metadata.labels?.[label] === value),
      };
    }
    if (method === 'GET') return this.#get(plural, { namespace, name: name! });
    const manager = String(query?.fieldManager ?? 'headwater');
    const object = body as Stored;
    if (method === 'POST') return this.#create(plural, object, manager);
    if (method === 'PATCH') return this.#apply(`${plural}/${namespace}/${name}`, object, manager);
    this.#note(`PUT ${plural}/${name}`);
    const key = `${plural}/${namespace}/${name}`;
    this.#check(this.#objects.get(key), object.metadata.resourceVersion);
    return this.#store(key, object, manager);
  }

  #get(plural: string, { namespace, name }: Place): Stored {
    this.fault(`GET ${plural}/${name}`);
    const found = this.#objects.get(`${plural}/${namespace}/${name}`);
    if (found === undefined) throw errorOfStatus(404, { message: `${plural} "${name}" not found` }, 'GET');
    return found;
  }

  #create(plural: string, object: Stored, manager: string): Stored {
    this.#note(`POST ${plural}/${object.metadata.name}`);
    const key = `${plural}/${keyOf(object)}`;
    if (this.#objects.has(key)) throw errorOfStatus(409, { reason: 'AlreadyExists' }, 'POST');
    return this.#store(key, object, manager);
  }

  #merge(plural: string, { namespace, name }: Place, patch: { readonly metadata?: ObjectMeta }): Stored {
    this.#note(`PATCH ${plural}/${name}`);
    const key = `${plural}/${namespace}/${name}`;
    const found = this.#objects.get(key);
    this.#check(found, patch.metadata?.resourceVersion);
    return this.#store(key, { ...found!, ...patch, metadata: { ...found!.metadata, ...patch.metadata } }, 'headwater');
  }

  /** As much of server-side apply as one manager needs: what it says is so. */
  #apply(key: string, object: Stored, manager: string): Stored {
    this.#note(`APPLY ${key}`);
    const found = this.#objects.get(key);
    return this.#store(key, { ...found, ...object, metadata: { ...found?.metadata, ...object.metadata } }, manager);
  }

  #check(found: Stored | undefined, version: string | undefined): void {
    if (found === undefined) throw errorOfStatus(404, { message: 'not found' }, 'write');
    if (version !== undefined && version !== found.metadata.resourceVersion) throw errorOfStatus(409, {}, 'write');
  }

  #store(key: string, object: Stored, manager: string): Stored {
    this.#version += 1;
    const annotations = Object.keys(object.metadata.annotations ?? {}).map((name) => [`f:${name}`, {}]);
    const fieldsV1 = {
      'f:data': Object.fromEntries(Object.keys(object.data ?? {}).map((name) => [`f:${name}`, {}])),
      'f:metadata': { 'f:annotations': Object.fromEntries(annotations) },
    };
    const metadata = {
      uid: `uid-of-${object.metadata.name}-${this.#version}`,
      ...object.metadata,
      resourceVersion: String(this.#version),
      managedFields: [{ manager, operation: 'Update' as const, fieldsV1 }],
    };
    const stored = { ...object, metadata };
    this.#objects.set(key, stored);
    return stored;
  }
}
