import { createHash } from 'node:crypto';
import { GROUP, PUBLISH_SECRET_KEYS as KEYS, publishSecretName, SECRET_TYPES } from '../../crds/names.ts';
import type { PublishKeys } from '../../crds/publish-keys.ts';
import type { StreamConfig, StreamCredentials } from '../../crds/stream-config.ts';
import { encodeData, labelsOf, type Manifest, ownedBy, type StoredStream } from './manifest.ts';
import { type PublishAddresses, publicUrls, secretUrls } from './publish-address.ts';
import { type KeyProgress, readProgress, type StreamRecord } from './stream-config-secret.ts';

const KEYS_ANNOTATION = `${GROUP}/keys`;
const PREVIOUS_ANNOTATION = `${GROUP}/previous-keys`;
const CONTENT_ANNOTATION = `${GROUP}/content`;

/** Which keys the people who publish are shown. */
export interface ShownKeys {
  readonly revision: number;
  readonly current: PublishKeys;
  readonly previous: StreamCredentials['previous'];
}

/** While pods come first, the former keys are shown, else the present ones. */
function shownKeys({ config, keys }: StreamRecord): ShownKeys {
  const { credentials } = config;
  const { previous } = credentials;
  if (keys.shown < credentials.revision && previous !== null) {
    return { revision: previous.revision, current: previous, previous: null };
  }
  return { revision: credentials.revision, current: credentials, previous };
}

/** `<name>-ingest`: keys and URLs for the people who publish. What is not offered is empty, so that no key ever comes or goes. */
export function publishSecret(stream: StoredStream, record: StreamRecord, addresses: PublishAddresses): Manifest {
  const { namespace, name, uid } = stream.metadata;
  const { config, keys } = record;
  const shown = shownKeys(record);
  const urls = secretUrls(config, addresses, shown.current);
  const takesSrt = config.protocols.includes('SRT');
  const takesRtmp = config.protocols.includes('RTMP') || config.protocols.includes('RTMPS');
  const { previous } = shown;
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    type: SECRET_TYPES.publish,
    metadata: {
      name: publishSecretName(name),
      namespace,
      labels: labelsOf(stream.spec.pool, uid),
      annotations: {
        // What it takes to make the Secret of the runtime namespace again from this one, should that be lost.
        [KEYS_ANNOTATION]: JSON.stringify({
          generation: keys.generation,
          source: keys.source,
          shown: shown.revision,
          since: keys.since,
        }),
        [PREVIOUS_ANNOTATION]: previous === null ? '' : `${previous.revision} ${previous.expiresAt}`,
        [CONTENT_ANNOTATION]: contentHash(config, shown, addresses),
      },
      ownerReferences: [ownedBy(stream)],
    },
    data: encodeData({
      [KEYS.rtmpKey]: takesRtmp ? shown.current.rtmpKey : '',
      [KEYS.srtPassphrase]: takesSrt ? shown.current.srtPassphrase : '',
      [KEYS.rtmpUrl]: urls.rtmp,
      [KEYS.srtUrl]: urls.srt,
      [KEYS.previousRtmpKey]: takesRtmp ? (previous?.rtmpKey ?? '') : '',
      [KEYS.previousSrtPassphrase]: takesSrt ? (previous?.srtPassphrase ?? '') : '',
    }),
  };
}

/**
 * Says whether the data is what it should be to someone who sees metadata only. Of what the keys are it says nothing: their revision
 * stands for them.
 */
function contentHash(config: StreamConfig, { revision, previous }: ShownKeys, addresses: PublishAddresses): string {
  const { protocols, srt } = config;
  const said = [publicUrls(config, addresses), protocols, srt.encryption, srt.keyLength, revision, previous?.revision];
  return createHash('sha256').update(JSON.stringify(said)).digest('hex').slice(0, 16);
}

/** What is read of the Secret. */
interface SecretView {
  readonly metadata: { readonly annotations?: Readonly<Record<string, string>> };
  /** Its data, decoded. */
  readonly text: Readonly<Record<string, string>>;
}

/** The keys as people were last shown them, for when the runtime namespace has lost them; undefined: they cannot be read. */
export function readPublishSecret({
  metadata,
  text,
}: SecretView): { readonly credentials: StreamCredentials; readonly progress: KeyProgress } | undefined {
  const { annotations = {} } = metadata;
  const progress = readProgress(annotations[KEYS_ANNOTATION]);
  const { rtmpKey = '', srtPassphrase = '', previousRtmpKey = '', previousSrtPassphrase = '' } = text;
  if (progress === undefined || (rtmpKey === '' && srtPassphrase === '')) return undefined;
  const [, revision, expiresAt] = /^(\d+) (\S+)$/.exec(annotations[PREVIOUS_ANNOTATION] ?? '') ?? [];
  const previous =
    revision === undefined || expiresAt === undefined || Number.isNaN(Date.parse(expiresAt))
      ? null
      : { revision: Number(revision), rtmpKey: previousRtmpKey, srtPassphrase: previousSrtPassphrase, expiresAt };
  return {
    credentials: { revision: progress.shown, rtmpKey, srtPassphrase, previous, revokedBelow: 0 },
    progress,
  };
}
