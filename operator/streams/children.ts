import { LABELS } from '../../crds/names.ts';
import type { Applier } from '../../kube/apply.ts';
import type { KubeClient } from '../../kube/client.ts';
import { KubeError } from '../../kube/kube-error.ts';
import { type KubeObject, keyOf } from '../../kube/kube-object.ts';
import { ENDPOINT_SLICES, type Resource, SECRETS, SERVICES } from '../../kube/resource.ts';
import { type Endpoint, emptySlice, endpointSlice } from '../compile/endpoint-slice.ts';
import type { Manifest, StoredStream } from '../compile/manifest.ts';
import type { PublishAddresses } from '../compile/publish-address.ts';
import { publishSecret } from '../compile/publish-secret.ts';
import { streamService } from '../compile/service.ts';
import type { StreamRecord } from '../compile/stream-config-secret.ts';
import type { WatchedObjects } from '../watch/watched-objects.ts';

/** Whose an object with a name that a stream needs is. `leftover`: of a LiveStream of that name that is gone; it will go too. */
export type Ownership = 'ours' | 'leftover' | 'foreign';

function ownershipOf(object: KubeObject, stream: StoredStream): Ownership {
  const { uid, name } = stream.metadata;
  const { ownerReferences = [], labels } = object.metadata;
  // Either will do: the one that another hand removed is then put back.
  if (labels?.[LABELS.uid] === uid || ownerReferences.some((owner) => owner.uid === uid)) return 'ours';
  return ownerReferences.some((owner) => owner.kind === 'LiveStream' && owner.name === name) ? 'leftover' : 'foreign';
}

/** A name that the stream needs belongs to another object. */
export interface NameConflict {
  readonly what: string;
  readonly ownership: 'leftover' | 'foreign';
}

interface Slice extends KubeObject {
  readonly addressType: string;
  readonly endpoints?: readonly { readonly addresses: readonly string[] }[];
}

export interface ChildrenOptions {
  readonly client: KubeClient;
  readonly applier: Applier;
  readonly world: {
    readonly secrets: WatchedObjects<KubeObject>;
    readonly services: WatchedObjects<KubeObject>;
    readonly slices: WatchedObjects<KubeObject>;
  };
}

/** What lies beside a LiveStream and goes with it. Nothing is ever adopted: an object of the same name that is another's stays as it is. */
export class Children {
  readonly #options: ChildrenOptions;

  constructor(options: ChildrenOptions) {
    this.#options = options;
  }

  /** Who has `<name>-ingest`, as the watch shows it; undefined: it is free, or ours. */
  secretConflict(stream: StoredStream, name: string): NameConflict | undefined {
    const { namespace } = stream.metadata;
    const found = this.#options.world.secrets.get(`${namespace}/${name}`);
    return found && conflictOf(found, `Secret ${name}`, stream);
  }

  /** Keys and URLs for the people who publish. */
  async putSecret(
    stream: StoredStream,
    record: StreamRecord,
    addresses: PublishAddresses,
    signal: AbortSignal,
  ): Promise<void> {
    const manifest = publishSecret(stream, record, addresses);
    await this.#apply(SECRETS, manifest, this.#options.world.secrets, signal);
  }

  /** Whether the stream was ever found inside of the cluster. */
  hasService(stream: StoredStream): boolean {
    const service = this.#options.world.services.get(keyOf(stream));
    return service !== undefined && ownershipOf(service, stream) === 'ours';
  }

  /** The address that the EndpointSlice leads to; undefined: there is none. */
  endpointOf(stream: StoredStream): string | undefined {
    return this.#sliceOf(stream)?.endpoints?.[0]?.addresses[0];
  }

  /**
   * The stream's name in DNS, leading to its owner; undefined: to nobody, where it led to anyone. Gives whose a name is that it could
   * not have.
   */
  async putEndpoint(
    stream: StoredStream,
    endpoint: Endpoint | undefined,
    signal: AbortSignal,
  ): Promise<NameConflict | undefined> {
    const { services, slices } = this.#options.world;
    const present = this.#sliceOf(stream);
    const slice = endpoint ? endpointSlice(stream, endpoint) : present && emptySlice(stream, present.addressType);
    if (slice === undefined) return this.endpointConflict(stream, signal);
    return (
      (await this.#claim(SERVICES, streamService(stream), services, stream, signal)) ??
      (await this.#claim(ENDPOINT_SLICES, slice, slices, stream, signal))
    );
  }

  /** Who has the name that it needs in DNS; undefined: it is free, or ours. Makes nothing. */
  async endpointConflict(stream: StoredStream, signal: AbortSignal): Promise<NameConflict | undefined> {
    const { services, slices } = this.#options.world;
    return (
      (await this.#holder(SERVICES, stream, services, stream, signal)).conflict ??
      (await this.#holder(ENDPOINT_SLICES, stream, slices, stream, signal)).conflict
    );
  }

  #sliceOf(stream: StoredStream): Slice | undefined {
    return this.#options.world.slices.get(keyOf(stream)) as Slice | undefined;
  }

  async #claim<T extends KubeObject>(
    resource: Resource,
    manifest: Manifest,
    objects: WatchedObjects<T>,
    stream: StoredStream,
    signal: AbortSignal,
  ): Promise<NameConflict | undefined> {
    const { found, conflict } = await this.#holder(resource, manifest, objects, stream, signal);
    if (conflict !== undefined) return conflict;
    if (found !== undefined) objects.in(manifest.metadata.namespace).assume(found);
    await this.#apply(resource, manifest, objects, signal);
    return undefined;
  }

  /**
   * Who has the name of an object, which is or would be the stream's. The watch shows only objects with our label, so what it does not show
   * is asked for: `found`.
   */
  async #holder<T extends KubeObject>(
    resource: Resource,
    object: { readonly metadata: { readonly namespace: string; readonly name: string } },
    objects: WatchedObjects<T>,
    stream: StoredStream,
    signal: AbortSignal,
  ): Promise<{ readonly found: T | undefined; readonly conflict: NameConflict | undefined }> {
    const { namespace, name } = object.metadata;
    const seen = objects.get(keyOf(object));
    const found = seen === undefined ? await this.#find<T>(resource, namespace, name, signal) : undefined;
    const holder = seen ?? found;
    return { found, conflict: holder && conflictOf(holder, `${resource.kind} ${name}`, stream) };
  }

  async #find<T extends KubeObject>(resource: Resource, namespace: string, name: string, signal: AbortSignal) {
    try {
      return await this.#options.client.get<T>(resource, { namespace, name }, signal);
    } catch (error) {
      if (KubeError.is(error, 'ERR_KUBE_NOT_FOUND')) return undefined;
      throw error;
    }
  }

  async #apply<T extends KubeObject>(
    resource: Resource,
    manifest: Manifest,
    objects: WatchedObjects<T>,
    signal: AbortSignal,
  ): Promise<void> {
    const cache = objects.in(manifest.metadata.namespace);
    await this.#options.applier.apply<T>(resource, manifest as unknown as T, cache, { signal });
  }
}

function conflictOf(found: KubeObject, what: string, stream: StoredStream): NameConflict | undefined {
  const ownership = ownershipOf(found, stream);
  return ownership === 'ours' ? undefined : { what, ownership };
}
