import { SECRET_TYPES, TOMBSTONE_KEY, tombstoneName } from '../../crds/names.ts';
import type { Tombstone } from '../../crds/tombstone.ts';
import { encodeData, labelsOf, type Manifest, streamAnnotation } from './manifest.ts';
import type { StreamRecord } from './stream-config-secret.ts';

/**
 * `d-<uid>`: says to the janitor that all recordings of this uid are to be deleted, wherever they were written. Undefined: nothing
 * was ever recorded.
 */
export function tombstoneSecret(
  runtimeNamespace: string,
  pool: string,
  { config, formerStores }: StreamRecord,
  requestedAt: string,
): Manifest | undefined {
  const stores = config.recording === null ? formerStores : [...formerStores, config.recording.store];
  if (stores.length === 0) return undefined;
  const tombstone: Tombstone = { version: 1, uid: config.uid, path: config.path, stores: [...stores], requestedAt };
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    type: SECRET_TYPES.tombstone,
    metadata: {
      name: tombstoneName(config.uid),
      namespace: runtimeNamespace,
      labels: labelsOf(pool, config.uid),
      annotations: streamAnnotation(config.path),
    },
    data: encodeData({ [TOMBSTONE_KEY]: JSON.stringify(tombstone) }),
  };
}
