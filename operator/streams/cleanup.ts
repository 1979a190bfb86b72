import { claimLeaseName, LABELS, SECRET_TYPES, tombstoneName } from '../../crds/names.ts';
import type { Log } from '../../ingest/runtime/log.ts';
import type { KubeClient } from '../../kube/client.ts';
import { KubeError } from '../../kube/kube-error.ts';
import { splitKey } from '../../kube/kube-object.ts';
import type { Lease } from '../../kube/lease.ts';
import { LEASES, SECRETS } from '../../kube/resource.ts';
import type { StoredStream } from '../compile/manifest.ts';
import { LIVE_STREAMS } from '../watch/resources.ts';
import type { WatchedObjects } from '../watch/watched-objects.ts';
import type { Secret } from '../watch/world.ts';
import type { Finalizer } from './finalizer.ts';
import type { StreamIndex } from './stream-index.ts';
import type { StreamRecords } from './stream-records.ts';

export interface CleanupOptions {
  readonly client: KubeClient;
  readonly index: StreamIndex;
  readonly records: StreamRecords;
  readonly finalizer: Finalizer;
  readonly runtimeSecrets: WatchedObjects<Secret>;
  readonly leases: WatchedObjects<Lease>;
  readonly runtimeNamespace: string;
  readonly pool: string;
  readonly log: Log;
}

const CLAIM = /^c-(.+)$/;

/**
 * Removes from the runtime namespace what belongs to no LiveStream: owners cannot be in another namespace, so no garbage collector does
 * it. A stream that is gone is asked for by its name before anything of it goes: that it is not seen may have other reasons.
 */
export class Cleanup {
  readonly #options: CleanupOptions;
  /** Uids that the last sweep saw without a LiveStream. */
  #strays: ReadonlySet<string> = new Set();

  constructor(options: CleanupOptions) {
    this.#options = options;
  }

  /** Uids that two sweeps in a row saw without a LiveStream. */
  sweep(): readonly string[] {
    const strays = new Set(this.#uids().filter((uid) => this.#options.index.keyOf(uid) === undefined));
    const due = [...strays].filter((uid) => this.#strays.has(uid));
    this.#strays = strays;
    return due;
  }

  /** Removes what is there for a LiveStream that is gone. @throws KubeError */
  async clean(uid: string, signal: AbortSignal): Promise<void> {
    const { index, records, finalizer, log } = this.#options;
    if (index.keyOf(uid) !== undefined) return;
    const record = records.of(uid);
    const path = record?.config.path;
    if (path !== undefined && (await this.#exists(path, uid, signal))) {
      log.warn({ stream_key: path, uid }, 'LiveStream is there but not seen: what pods obey for it stays');
      return;
    }
    // First the word that its recordings are to go, then what is known of where they are.
    if (record?.deletionPolicy === 'Delete') await finalizer.bury(record, signal);
    await records.remove(uid, signal);
    await this.#removeClaim(uid, signal);
    finalizer.forget(uid);
    log.info({ stream_key: path, uid, recordings: record?.deletionPolicy }, 'LiveStream gone, pods told');
  }

  /** The janitor has deleted all recordings of these uids. @throws KubeError */
  async unbury(uid: string, signal: AbortSignal): Promise<void> {
    const { client, runtimeSecrets, runtimeNamespace, log } = this.#options;
    const name = tombstoneName(uid);
    const tombstone = runtimeSecrets.get(`${runtimeNamespace}/${name}`);
    if (tombstone === undefined || tombstone.type !== SECRET_TYPES.tombstone) return;
    await client.remove(SECRETS, { namespace: runtimeNamespace, name }, tombstone.metadata.uid, signal);
    log.info({ uid }, 'recordings deleted');
  }

  /** Uids that anything in the runtime namespace but a tombstone is for. */
  #uids(): string[] {
    const { runtimeSecrets, leases, pool } = this.#options;
    const uids = new Set<string>();
    for (const { type, metadata } of runtimeSecrets.values()) {
      const uid = metadata.labels?.[LABELS.uid];
      if (uid && type === SECRET_TYPES.streamConfig && metadata.labels?.[LABELS.pool] === pool) uids.add(uid);
    }
    for (const { metadata } of leases.values()) {
      const uid = CLAIM.exec(metadata.name)?.[1];
      if (uid !== undefined) uids.add(uid);
    }
    return [...uids];
  }

  async #exists(path: string, uid: string, signal: AbortSignal): Promise<boolean> {
    const { namespace, name } = splitKey(path);
    try {
      const found = await this.#options.client.get<StoredStream>(LIVE_STREAMS, { namespace, name }, signal);
      return found.metadata.uid === uid;
    } catch (error) {
      // "Not found" of the whole kind says nothing of this object: its definition may be on its way.
      if (KubeError.is(error, 'ERR_KUBE_NOT_FOUND')) return !error.message.includes(`"${name}" not found`);
      // A namespace that may not be looked into any more: `watchNamespaces` has changed.
      if (KubeError.is(error, 'ERR_KUBE_FORBIDDEN')) return true;
      throw error;
    }
  }

  async #removeClaim(uid: string, signal: AbortSignal): Promise<void> {
    const { client, leases, runtimeNamespace } = this.#options;
    const name = claimLeaseName(uid);
    const claim = leases.get(`${runtimeNamespace}/${name}`);
    if (claim === undefined) return;
    await client.remove(LEASES, { namespace: runtimeNamespace, name }, claim.metadata.uid, signal);
  }
}
