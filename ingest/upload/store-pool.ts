import { createHash } from 'node:crypto';
import type { Config } from '../config/schema.ts';
import type { Log } from '../runtime/log.ts';
import type { StoreRef } from '../spool/segment-entry.ts';
import type { ObjectStore } from './object-store.ts';
import { openStore } from './open-store.ts';
import type { S3Credentials } from './s3-credentials.ts';

/** A store with the credentials for it; null: those of the process. */
export interface StoreAccess extends Omit<StoreRef, 'hasOwnCredentials'> {
  readonly credentials: S3Credentials | null;
}

/** Stores that nobody uses are kept for this many others, so that the next publication finds its connections open. */
const MAX_IDLE = 32;

/** The stores of a process: one for each place and credentials, however many streams record there. */
export class StorePool implements AsyncDisposable {
  readonly #config: Pick<Config, 'store' | 'upload'>;
  readonly #log: Log;
  /** The least recently asked for first. */
  readonly #stores = new Map<string, Promise<ObjectStore>>();

  constructor(config: Pick<Config, 'store' | 'upload'>, log: Log) {
    this.#config = config;
    this.#log = log;
  }

  /** The store; without `access` that of the settings. `inUse`: those that must not be closed to make room. */
  open(access: StoreAccess | undefined, inUse: ReadonlySet<ObjectStore>): Promise<ObjectStore> {
    const store = access === undefined ? this.#config.store : this.#settingsOf(access);
    const key = keyOf(store);
    const opened = this.#stores.get(key) ?? openStore({ ...this.#config, store }, this.#log);
    this.#stores.delete(key);
    this.#stores.set(key, opened);
    if (this.#stores.size > MAX_IDLE) void this.#closeIdle(inUse);
    return opened;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const stores = await Promise.allSettled(this.#stores.values());
    this.#stores.clear();
    for (const each of stores) if (each.status === 'fulfilled') await each.value[Symbol.asyncDispose]();
  }

  #settingsOf({ url, endpoint, region, forcePathStyle, credentials }: StoreAccess): Config['store'] {
    const { s3 } = this.#config.store;
    return {
      url,
      s3: {
        ...s3,
        endpoint,
        region: region ?? s3.region,
        forcePathStyle: forcePathStyle ?? s3.forcePathStyle,
        ...(credentials && { ...credentials, credentialsFile: null }),
      },
    };
  }

  async #closeIdle(inUse: ReadonlySet<ObjectStore>): Promise<void> {
    const newest = [...this.#stores.keys()].at(-1);
    for (const [key, opening] of [...this.#stores]) {
      if (this.#stores.size <= MAX_IDLE) return;
      const store = await opening.catch(() => undefined);
      if (key === newest || (store !== undefined && inUse.has(store))) continue;
      this.#stores.delete(key);
      await store?.[Symbol.asyncDispose]();
    }
  }
}

/** The same for what is one store: no secret is in it. */
function keyOf({ url, s3 }: Config['store']): string {
  const { endpoint, region, forcePathStyle, accessKeyId, secretAccessKey, credentialsFile } = s3;
  const secret = createHash('sha256')
    .update(secretAccessKey ?? '')
    .digest('base64');
  return JSON.stringify([url, endpoint, region, forcePathStyle, accessKeyId, secret, credentialsFile]);
}
