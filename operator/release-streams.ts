import { setTimeout as delay } from 'node:timers/promises';
import { FINALIZER, streamConfigName } from '../crds/names.ts';
import type { Log } from '../ingest/runtime/log.ts';
import type { ApiAccess } from '../kube/api-access.ts';
import { KubeClient } from '../kube/client.ts';
import { KubeError } from '../kube/kube-error.ts';
import { microTime, readLease, writeLease } from '../kube/lease.ts';
import { SECRETS, SERVICES } from '../kube/resource.ts';
import { dedicatedServiceName } from './compile/dedicated-ports.ts';
import { leaderLeaseName } from './compile/lease-names.ts';
import type { Manifest, StoredStream } from './compile/manifest.ts';
import { readStreamConfigSecret } from './compile/stream-config-secret.ts';
import { tombstoneSecret } from './compile/tombstone-secret.ts';
import type { OperatorConfig } from './config/settings.ts';
import { withdrawClaim } from './pool-claim.ts';
import { LIVE_STREAMS, listStreams } from './watch/resources.ts';
import type { Secret } from './watch/world.ts';

/** A leader renews every two seconds, and ends when it finds its Lease taken. */
const LEADER_ENDS_MS = 5_000;
const LEASE_SECONDS = 15;

/**
 * Before a release is uninstalled: takes the finalizer off every LiveStream of the pool, so that none hangs when it is deleted with no
 * operator there; deletions that were asked for stay written down as tombstones for the next release. Replicas of the operator are put
 * out of office first, or they would put the finalizers back.
 * @throws KubeError
 */
export async function releaseStreams(config: OperatorConfig, access: ApiAccess, log: Log): Promise<void> {
  await using client = new KubeClient({ access, userAgent: 'headwater-release-streams' });
  await takeOffice(client, config);
  let released = 0;
  for (const stream of await listStreams(client, config)) {
    if (!(stream.metadata.finalizers ?? []).includes(FINALIZER)) continue;
    if (stream.metadata.deletionTimestamp !== undefined) await bury(client, config, stream);
    await release(client, stream);
    released += 1;
  }
  const { namespace } = config;
  await client.remove(SERVICES, { namespace, name: dedicatedServiceName(config.release) }, undefined);
  await withdrawClaim(client, config.runtimeNamespace, config.pool.name);
  log.info({ pool: config.pool.name, released }, 'LiveStreams released');
}

/** Takes the leader's Lease, and keeps it: replicas that are still there wait for it until they are gone as well. */
async function takeOffice(client: KubeClient, { namespace, release }: OperatorConfig): Promise<void> {
  for (;;) {
    const name = leaderLeaseName(release);
    const before = await readLease(client, namespace, name);
    const now = microTime(Date.now());
    const spec = { holderIdentity: 'uninstall', leaseDurationSeconds: LEASE_SECONDS, acquireTime: now, renewTime: now };
    try {
      await writeLease(client, { namespace, name, spec }, { over: before?.metadata.resourceVersion });
    } catch (error) {
      if (KubeError.is(error, 'ERR_KUBE_CONFLICT')) continue; // the leader renewed it in between
      throw error;
    }
    if (before?.spec.holderIdentity) await delay(LEADER_ENDS_MS);
    return;
  }
}

async function bury(client: KubeClient, config: OperatorConfig, stream: StoredStream): Promise<void> {
  const { runtimeNamespace: namespace, pool } = config;
  if (stream.spec.recording?.deletionPolicy !== 'Delete') return;
  const secret = await found(client.get<Secret>(SECRETS, { namespace, name: streamConfigName(stream.metadata.uid) }));
  const record = secret && readStreamConfigSecret(secret);
  const tombstone: Manifest | undefined =
    record && tombstoneSecret(namespace, pool.name, record, new Date().toISOString());
  if (tombstone === undefined) return;
  await client.create(SECRETS, tombstone as unknown as Secret).catch((error: unknown) => {
    if (!KubeError.is(error, 'ERR_KUBE_CONFLICT')) throw error; // it is there already
  });
}

async function release(client: KubeClient, stream: StoredStream): Promise<void> {
  const { namespace, name, uid } = stream.metadata;
  for (;;) {
    const now = await found(client.get<StoredStream>(LIVE_STREAMS, { namespace, name }));
    if (now === undefined || now.metadata.uid !== uid) return;
    const finalizers = (now.metadata.finalizers ?? []).filter((finalizer) => finalizer !== FINALIZER);
    const patch = { metadata: { uid, resourceVersion: now.metadata.resourceVersion, finalizers } };
    try {
      await client.merge(LIVE_STREAMS, { namespace, name }, patch);
      return;
    } catch (error) {
      if (!KubeError.is(error, 'ERR_KUBE_CONFLICT')) throw error;
    }
  }
}

async function found<T>(object: Promise<T>): Promise<T | undefined> {
  try {
    return await object;
  } catch (error) {
    if (KubeError.is(error, 'ERR_KUBE_NOT_FOUND')) return undefined;
    throw error;
  }
}
