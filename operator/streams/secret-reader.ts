import type { KubeClient } from '../../kube/client.ts';
import { KubeError } from '../../kube/kube-error.ts';
import type { KubeObject } from '../../kube/kube-object.ts';
import { SECRETS } from '../../kube/resource.ts';
import { decodeData } from '../compile/manifest.ts';
import type { Secret } from '../watch/world.ts';

type Data = Readonly<Record<string, string>>;

interface Held {
  readonly version: string | undefined;
  readonly data: Promise<Data | undefined>;
}

/**
 * Reads Secrets that a stream names, one by one: the metadata that is watched says whether there is one and whether what was read before
 * still holds. A Secret that a thousand streams name is read once.
 */
export class SecretReader {
  readonly #client: KubeClient;
  readonly #metadata: { get(key: string): KubeObject | undefined };
  readonly #held = new Map<string, Held>();

  constructor(client: KubeClient, metadata: { get(key: string): KubeObject | undefined }) {
    this.#client = client;
    this.#metadata = metadata;
  }

  /** What is in it, decoded; undefined: there is none. @throws KubeError */
  async read(namespace: string, name: string, signal: AbortSignal): Promise<Data | undefined> {
    const key = `${namespace}/${name}`;
    const seen = this.#metadata.get(key);
    if (seen === undefined) {
      this.#held.delete(key);
      return undefined;
    }
    const version = seen.metadata.resourceVersion;
    const held = this.#held.get(key);
    if (held?.version === version) return held!.data;
    const data = this.#fetch(namespace, name, signal);
    this.#held.set(key, { version, data });
    // What failed is not held: the next who asks reads it again.
    data.catch(() => this.#held.delete(key));
    return data;
  }

  /** Nobody names it any more. */
  forget(key: string): void {
    this.#held.delete(key);
  }

  async #fetch(namespace: string, name: string, signal: AbortSignal): Promise<Data | undefined> {
    try {
      return decodeData((await this.#client.get<Secret>(SECRETS, { namespace, name }, signal)).data);
    } catch (error) {
      if (KubeError.is(error, 'ERR_KUBE_NOT_FOUND')) return undefined;
      throw error;
    }
  }
}
