import { CONFIG_KEY, FIELD_MANAGER, streamConfigName } from '../../crds/names.ts';
import type { KubeClient } from '../../kube/client.ts';
import { KubeError } from '../../kube/kube-error.ts';
import type { KubeObject } from '../../kube/kube-object.ts';
import { pathOf, SECRETS } from '../../kube/resource.ts';
import type { Manifest } from '../compile/manifest.ts';
import {
  FORMER_STORES_KEY,
  KEYS_ANNOTATION,
  readStreamConfigSecret,
  type StreamRecord,
  streamConfigSecret,
} from '../compile/stream-config-secret.ts';
import type { Secret } from '../watch/world.ts';

/** Where the runtime namespace is looked up, and answers are noted. */
interface RuntimeCache {
  get(key: string): Secret | undefined;
  in(namespace: string): { assume(object: Secret): void };
}

/** What was read of one version of a Secret. */
interface Read {
  readonly version: string | undefined;
  readonly record: StreamRecord | undefined;
}

/**
 * What is in force for each stream, in the Secrets `s-<uid>`. They are where keys live: one is created, and then replaced only over the
 * very version that was seen, so that no stale cache ever puts new keys in the place of those that people use. A Secret that another
 * hand has edited is not believed: what was in force before is put back.
 */
export class StreamRecords {
  readonly #client: KubeClient;
  readonly #cache: RuntimeCache;
  readonly #namespace: string;
  readonly #pool: string;
  readonly #read = new Map<string, Read>();
  /** The last that was believed, by uid. */
  readonly #believed = new Map<string, StreamRecord>();

  constructor(client: KubeClient, cache: RuntimeCache, namespace: string, pool: string) {
    this.#client = client;
    this.#cache = cache;
    this.#namespace = namespace;
    this.#pool = pool;
  }

  /** What is in force for this stream; undefined: nothing that can be believed. */
  of(uid: string): StreamRecord | undefined {
    const live = this.#live(uid);
    const known = this.#read.get(uid);
    if (live !== undefined && known?.version !== live.metadata.resourceVersion) {
      const record = isOurs(live) ? readStreamConfigSecret(live) : undefined;
      this.#read.set(uid, { version: live.metadata.resourceVersion, record });
      if (record !== undefined) this.#believed.set(uid, record);
    }
    return this.#believed.get(uid);
  }

  /**
   * Makes it so. Gives whether a request was made.
   * @throws KubeError ERR_KUBE_CONFLICT where the cache is behind: the next try sees what was there
   */
  async put(record: StreamRecord, signal: AbortSignal): Promise<boolean> {
    const { uid } = record.config;
    const live = this.#live(uid);
    const desired = streamConfigSecret(this.#namespace, this.#pool, record);
    if (live !== undefined && isOurs(live) && says(live, desired)) return false;
    this.#believed.set(uid, record);
    const written =
      live === undefined ? await this.#create(desired, signal) : await this.#replace(live, desired, signal);
    this.#cache.in(this.#namespace).assume(written);
    return true;
  }

  /** Nothing is in force any more. */
  async remove(uid: string, signal: AbortSignal): Promise<void> {
    this.forget(uid);
    const live = this.#live(uid);
    if (live === undefined) return;
    await this.#client.remove(SECRETS, this.#place(uid), live.metadata.uid, signal);
  }

  forget(uid: string): void {
    this.#believed.delete(uid);
    this.#read.delete(uid);
  }

  async #create(desired: Manifest, signal: AbortSignal): Promise<Secret> {
    try {
      return await this.#write('POST', { namespace: this.#namespace }, desired, signal);
    } catch (error) {
      if (!KubeError.is(error, 'ERR_KUBE_CONFLICT')) throw error;
      const { namespace, name } = desired.metadata;
      this.#cache.in(this.#namespace).assume(await this.#client.get<Secret>(SECRETS, { namespace, name }, signal));
      throw error;
    }
  }

  async #replace(live: Secret, desired: Manifest, signal: AbortSignal): Promise<Secret> {
    const place = { namespace: this.#namespace, name: desired.metadata.name };
    if (live.type !== desired.type) {
      // A type cannot be changed, and nothing of another type has business under this name.
      await this.#client.remove(SECRETS, place, live.metadata.uid, signal);
      return this.#create(desired, signal);
    }
    const { managedFields: _, labels, annotations, ...metadata } = live.metadata;
    const { [FORMER_STORES_KEY]: __, ...data } = live.data ?? {};
    const body = {
      ...live,
      metadata: {
        ...metadata,
        labels: { ...labels, ...desired.metadata.labels },
        annotations: { ...annotations, ...desired.metadata.annotations },
      },
      data: { ...data, ...(desired.data as Secret['data']) },
    };
    return this.#write('PUT', place, body, signal);
  }

  #write(method: 'POST' | 'PUT', place: { namespace: string; name?: string }, body: object, signal: AbortSignal) {
    const query = { fieldManager: FIELD_MANAGER, fieldValidation: 'Strict' };
    return this.#client.request<Secret>({ method, path: pathOf(SECRETS, place), query, body, signal });
  }

  #live(uid: string): Secret | undefined {
    return this.#cache.get(`${this.#namespace}/${streamConfigName(uid)}`);
  }

  #place(uid: string) {
    return { namespace: this.#namespace, name: streamConfigName(uid) };
  }
}

/** Whether what counts was last written by the operator: another's edit takes the field from it (`managedFields`). */
function isOurs({ metadata }: KubeObject): boolean {
  return (metadata.managedFields ?? []).some(
    ({ manager, fieldsV1: fields }) =>
      manager === FIELD_MANAGER &&
      fields?.['f:data']?.[`f:${CONFIG_KEY}`] !== undefined &&
      fields['f:metadata']?.['f:annotations']?.[`f:${KEYS_ANNOTATION}`] !== undefined,
  );
}

/** Whether nothing is missing or different in `live`. */
function says(live: Secret, desired: Manifest): boolean {
  const within = (part: object | undefined, whole: object | undefined): boolean =>
    Object.entries(part ?? {}).every(([key, value]) => (whole as Record<string, unknown> | undefined)?.[key] === value);
  const { labels, annotations } = desired.metadata;
  const hasFormer = (data: unknown): boolean => Object.hasOwn((data as object | undefined) ?? {}, FORMER_STORES_KEY);
  return (
    live.type === desired.type &&
    within(labels, live.metadata.labels) &&
    within(annotations, live.metadata.annotations) &&
    within(desired.data as object, live.data) &&
    hasFormer(live.data) === hasFormer(desired.data)
  );
}
