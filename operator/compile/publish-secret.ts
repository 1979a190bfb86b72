import { PUBLISH_SECRET_KEYS as KEYS, publishSecretName, SECRET_TYPES } from '../../crds/names.ts';
import type { PublishKeys } from '../../crds/publish-keys.ts';
import type { StreamConfig } from '../../crds/stream-config.ts';
import { encodeData, labelsOf, type Manifest, ownedBy, type StoredStream } from './manifest.ts';
import { type PublishAddresses, secretUrls } from './publish-address.ts';

/** Which keys the people who publish are shown. */
export interface ShownKeys {
  readonly revision: number;
  readonly current: PublishKeys;
  readonly previous: PublishKeys | null;
}

/** `<name>-ingest`: keys and URLs for the people who publish. What is not offered is empty, so that no key ever comes or goes. */
export function publishSecret(
  stream: StoredStream,
  config: StreamConfig,
  shown: ShownKeys,
  addresses: PublishAddresses,
): Manifest {
  const { namespace, name, uid } = stream.metadata;
  const urls = secretUrls(config, addresses, shown.current);
  const takesSrt = config.protocols.includes('SRT');
  const takesRtmp = config.protocols.includes('RTMP') || config.protocols.includes('RTMPS');
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    type: SECRET_TYPES.publish,
    metadata: {
      name: publishSecretName(name),
      namespace,
      labels: labelsOf(stream.spec.pool, uid),
      ownerReferences: [ownedBy(stream)],
    },
    data: encodeData({
      [KEYS.rtmpKey]: takesRtmp ? shown.current.rtmpKey : '',
      [KEYS.srtPassphrase]: takesSrt ? shown.current.srtPassphrase : '',
      [KEYS.rtmpUrl]: urls.rtmp,
      [KEYS.srtUrl]: urls.srt,
      [KEYS.previousRtmpKey]: takesRtmp ? (shown.previous?.rtmpKey ?? '') : '',
      [KEYS.previousSrtPassphrase]: takesSrt ? (shown.previous?.srtPassphrase ?? '') : '',
    }),
  };
}
