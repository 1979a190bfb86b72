import { FINALIZER, streamConfigName } from '../crds/names.ts';
import type { Log } from '../ingest/runtime/log.ts';
import type { ApiAccess } from '../kube/api-access.ts';
import { KubeClient } from '../kube/client.ts';
import { KubeError } from '../kube/kube-error.ts';
import { SECRETS, SERVICES } from '../kube/resource.ts';
import { dedicatedServiceName } from './compile/dedicated-ports.ts';
import { leaderLeaseName } from './compile/lease-names.ts';
import type { Manifest, StoredStream } from './compile/manifest.ts';
import { readStreamConfigSecret } from './compile/stream-config-secret.ts';
import { tombstoneSecret } from './compile/tombstone-secret.ts';
import type { OperatorConfig } from './config/settings.ts';
import { withdrawClaim } from './pool-claim.ts';
import { UninstallOffice } from './uninstall-office.ts';
import { LIVE_STREAMS, listStreams } from './watch/resources.ts';
import type { Secret } from './watch/world.ts';

/**
 * Before a release is uninstalled: takes the finalizer off every LiveStream of the pool, so that none hangs when it is deleted with no
 * operator there; deletions that were asked for stay written down as tombstones for the next release. Replicas of the operator are put
 * out of office first, or they would put the finalizers back.
 * @throws KubeError
 */
export async function releaseStreams(config: OperatorConfig, access: ApiAccess, log: Log): Promise<void> {
  await using client = new KubeClient({ access, userAgent: 'headwater-release-streams' });
  const { namespace } = config;
  await using _ = await UninstallOffice.take(client, { namespace, name: leaderLeaseName(config.release) }, log);
  const released = await releaseHeld(client, config);
  await client.remove(SERVICES, { namespace, name: dedicatedServiceName(config.release) }, undefined);
  await withdrawClaim(client, config.runtimeNamespace, config.pool.name);
  log.info({ pool: config.pool.name, released }, 'LiveStreams released');
}

/**
 * Takes the finalizer off all that have it, until none has: a leader that was at work may have put it on another meanwhile. Gives how many
 * it was.
 * @throws KubeError
 */
export async function releaseHeld(client: KubeClient, config: OperatorConfig): Promise<number> {
  let released = 0;
  for (;;) {
    const streams = await listStreams(client, config);
    const held = streams.filter(({ metadata }) => metadata.finalizers?.includes(FINALIZER));
    if (held.length === 0) return released;
    for (const stream of held) {
      if (stream.metadata.deletionTimestamp !== undefined) await bury(client, config, stream);
      await release(client, stream);
      released += 1;
    }
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
