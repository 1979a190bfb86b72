import { DEFAULTS } from './defaults.ts';
import { settingType } from './schema.ts';
import { keysOf, type Setting, type SettingsTable, variableOf } from './settings-table.ts';

type KeysOf<T> = {
  [K in keyof T & string]: T[K] extends Record<string, unknown> ? `${K}.${KeysOf<T[K]>}` : K;
}[keyof T & string];

/** A setting's place in the YAML file: `rtmp.chunkSize`. */
export type SettingKey = KeysOf<typeof DEFAULTS>;

/** Every setting: its YAML key, its flag and what it does. The environment name is made from the flag, else from the key. */
export const SETTINGS: { readonly [K in SettingKey]: Setting } = {
  'rtmp.listen': { flag: 'listen', help: 'Where RTMP is served; empty: off' },
  'rtmp.chunkSize': { flag: 'chunk-size', help: 'Bytes of payload in a chunk sent to viewers' },
  'rtmps.listen': { flag: 'tls-listen', help: 'Where RTMPS is served', unset: 'off' },
  'rtmps.cert': { flag: 'tls-cert', help: 'PEM file with the certificate and its chain; read anew when it changes' },
  'rtmps.key': { flag: 'tls-key', help: 'PEM file with the private key; read anew when it changes' },
  'srt.listen': { flag: 'srt-listen', help: 'Where SRT is served (UDP); empty: off' },
  'srt.latency': {
    flag: 'srt-latency',
    help: 'Time that lost packets have to be sent again; the longer one of both ends counts. Without a unit: ms',
  },
  'srt.encryption': {
    help: 'Whether SRT peers have to know the passphrase, may also come without, or must not encrypt',
    unset: '`Required` for paths that have a passphrase, else `Disabled`',
  },
  'srt.passphrase': {
    flag: 'srt-passphrase',
    help: 'Passphrase (10 to 79 bytes) of every path that the passphrase file does not name',
    secret: true,
  },
  'srt.passphraseFile': {
    flag: 'srt-passphrase-file',
    help: 'JSON file: path to passphrase, or to {current, previous, previousExpiresAt}; read anew when it changes',
  },
  'srt.keyLength': {
    flag: 'srt-pbkeylen',
    help: 'Bytes of the AES key that callers who name none are told to use; a caller who names one may use any',
  },
  'srt.defaultPath': {
    help: 'Path of SRT callers that send no stream id; they publish on it',
    unset: 'none, and they are refused',
  },
  'srt.ports': {
    help: 'Further UDP ports for encoders that cannot send a stream id, a list of {listen, path}; in the environment as JSON',
    unset: 'none',
  },
  'srt.paths': {
    help: 'What some paths have otherwise: a group for each, with encryption, keyLength and latency; in the environment as JSON',
    unset: 'none',
  },
  'srt.receiveBuffer': {
    help: 'Bytes that the kernel keeps of what has not been read yet; more than it allows is logged',
  },
  'srt.waitForPublisher': {
    help: 'How long an SRT viewer of a path without publisher waits for one; callers give up after 3 s by themselves',
  },
  'srt.idleTimeout': { help: 'An SRT peer that sends nothing for this long is gone' },
  'srt.keyRefresh': { help: 'Packets after which an encrypted SRT viewer is sent a new key' },
  'http.listen': { flag: 'http-listen', help: 'Where HTTP-FLV and the API are served; empty: off' },
  'http.apiTokenFile': {
    flag: 'api-token-file',
    help: 'File with the bearer token that the API asks for',
    unset: 'no token, and the API answers on loopback only',
  },
  'metrics.listen': { flag: 'metrics-addr', help: 'Where /metrics, /healthz and /readyz are served; empty: off' },
  'streams.dir': {
    flag: 'streams',
    help: 'Directory with LiveStream, RecordingPolicy and Secret YAML: only these streams are served, as they say; changes apply at once',
    unset: 'every path is accepted',
  },
  'cluster.mode': { help: 'kubernetes: a pod of a pool, whose streams come from the API server' },
  'cluster.namespace': {
    help: 'Runtime namespace of the pool: stream configurations, tombstones and Leases are in it',
  },
  'cluster.podName': { help: 'Name of this pod' },
  'cluster.podIp': { help: 'Address that others reach this pod at' },
  'cluster.pool': { help: 'Name of the pool' },
  'cluster.kubeconfig': { help: 'How the API server is reached', unset: 'by the ServiceAccount of the pod' },
  'cluster.spoolPersistent': { help: 'Whether the spool outlives the pod' },
  'store.url': { flag: 'store', help: 'Where recordings end: file://DIR or s3://BUCKET/PREFIX' },
  'store.s3.endpoint': { flag: 's3-endpoint', help: 'URL of an S3-compatible store', unset: "Amazon's" },
  'store.s3.region': { flag: 's3-region', help: 'Region the requests are signed for' },
  'store.s3.forcePathStyle': { help: 'Put the bucket in the path of the URL rather than in the host name' },
  'store.s3.accessKeyId': { help: 'Access key', unset: 'what the AWS SDK finds: environment, profile, role' },
  'store.s3.secretAccessKey': { help: 'Secret of the access key', secret: true },
  'store.s3.credentialsFile': {
    help: 'File with accessKeyId and secretAccessKey, one a line, or a profile of the AWS CLI; read anew when it changes',
  },
  'store.s3.conditionalWrites': {
    help: 'Whether the store is asked never to overwrite (If-None-Match, If-Match): auto finds out what it can do',
  },
  'store.s3.connectTimeout': { help: 'Longest wait for a connection to the store' },
  'store.s3.requestTimeout': { help: 'Longest wait for the answer to one request' },
  'spool.dir': {
    flag: 'spool',
    help: 'Directory where segments wait for the store',
    unset: '`.spool` inside a `file://` store, else `./spool`',
  },
  'spool.maxBytes': { flag: 'spool-max-bytes', help: 'Most bytes the spool may hold', unset: 'the size of its disk' },
  'spool.warnAt': { help: 'Share of the limit from which a warning is logged' },
  'spool.fullAt': { help: 'Share of the limit from which onFull applies' },
  'spool.onFull': {
    flag: 'on-full',
    help: 'What gives way when the spool is full: the oldest segments not yet stored, or new recording',
  },
  'record.all': { flag: 'record-all', help: 'Record every stream' },
  'record.format': { flag: 'format', help: 'Container of the segments' },
  'record.layout': {
    flag: 'layout',
    help: 'Names of the segments: standard (one folder a recording), or flat ({app}_{stream}_{YYYYMMDD}_{HHMMSS}[_seg001])',
  },
  'record.segmentDuration': {
    flag: 'segment-duration',
    help: 'Length of a segment, cut at the next keyframe; 0: one file a publication',
  },
  'record.segmentPattern': {
    flag: 'segment-pattern',
    help: 'Names of the segments as a key under the store: %s app_stream, %p path, %r recording, %d or %03d number, %T = YYYYMMDD_HHMMSS, %Y %m %D %H %M %S, %%',
    unset: 'the names of the layout',
  },
  'record.segmentUtc': { flag: 'segment-utc', help: 'Times in names in UTC, else in local time' },
  'record.segmentTimeline': {
    flag: 'segment-timeline',
    help: "What a segment's times count from: the start of the recording, or of the file",
    unset: '`file` with FLV, `--segment-pattern` and `--layout flat`, else `recording`',
  },
  'record.hardLimit': { help: 'Without a keyframe for this long after the target, a segment is cut anyway' },
  'record.fragmentDuration': {
    help: 'Media in a fragment: the most that a kill can lose, besides what one fsync takes',
  },
  'record.fragmentMinimum': { help: 'Shortest fragment that a keyframe closes' },
  'record.lateAudio': { help: 'How long a closing segment waits for audio that belongs to it, in media time' },
  'record.trackSettle': { help: 'How long a recording waits for announced tracks to configure, in media time' },
  'record.queueBytes': { help: 'Most bytes of one stream that wait for the disk' },
  'upload.concurrency': { help: 'Segments on their way to the store at once' },
  'upload.retryMin': { help: 'Shortest wait before a failed upload is tried again' },
  'upload.retryMax': { help: 'Longest wait before a failed upload is tried again' },
  'upload.multipartAbove': { help: 'Segments larger than this are sent in parts' },
  'upload.partSize': { help: 'Size of such a part' },
  'upload.indexInterval': {
    help: 'Shortest time between two versions of index.m3u8; recording.json follows every sixth',
  },
  'relay.maxBatch': { help: 'Longest time media is collected before it is written to many viewers at once' },
  'relay.gopCacheBytes': { help: 'Most bytes kept of the present group of pictures, for viewers who join' },
  'relay.gopCacheDuration': { help: 'Longest group of pictures that is kept' },
  'relay.unpublishGrace': { help: 'How long viewers stay after the publisher said that it stops' },
  'relay.holdViewers': { help: 'How long viewers stay after the connection of the publisher was lost' },
  'relay.onDuplicate': { flag: 'on-duplicate', help: 'What happens to a second publisher of a path' },
  'relay.staleAfter': { help: 'Silence after which a publisher gives way to a newcomer' },
  'viewer.queueBytes': { help: 'Most bytes that wait for one viewer; over it, it goes on at the newest keyframe' },
  'viewer.queueDuration': { help: 'Most media that waits for one viewer' },
  'viewer.evictAfter': { help: 'A viewer that reads nothing for this long is closed' },
  'play.waitForPublisher': { help: 'How long a viewer of a path without publisher waits for one' },
  'limits.handshake': { help: 'Longest handshake' },
  'limits.request': { help: 'Longest time from connecting to publish or play' },
  'limits.publisherRead': { help: 'A publisher that sends nothing for this long is closed' },
  'limits.publisherMedia': { help: 'A publisher that sends no media for this long is closed' },
  'limits.messageBytes': { help: 'Largest message with media' },
  'limits.commandBytes': { help: 'Largest command message' },
  'limits.metadataBytes': { help: 'Largest message with metadata' },
  'limits.partialBytes': { help: 'Most bytes of unfinished messages of one publisher; others may have 1 MiB' },
  'limits.chunkStreams': { help: 'Most chunk streams on one connection' },
  'limits.chunkSizeMin': { help: 'Smallest chunk size accepted from a peer' },
  'limits.chunkSizeMax': { help: 'Largest chunk size accepted from a peer' },
  'limits.pendingPerAddress': {
    help: 'Most connections of one address (of IPv6: one /64 network) that are neither publisher nor viewer yet; 0: no limit',
  },
  'limits.sessionsPerAddress': {
    help: 'Most publishers and viewers of one address (of IPv6: one /64 network); 0: no limit',
  },
  'limits.srtHalfOpen': { help: 'Most SRT handshakes under way; further callers are told to try later' },
  'limits.srtHandshakesPerSecond': {
    help: 'Most SRT handshakes of one address (of IPv6: one /64 network) in a second, twice that at once; 0: no limit',
  },
  'shutdown.flush': { help: 'How long a stop waits for uploads; what is left is uploaded by the next start' },
  'log.level': { flag: 'log-level', help: 'Least severe level that is logged' },
  'log.format': {
    flag: 'log-format',
    help: 'Lines for people or for programs',
    unset: 'pretty on a terminal, else json',
  },
};

/** Flags that are no setting of their own. */
export const SPECIAL_FLAGS = {
  config: { takesValue: true, help: 'YAML file with settings' },
  'record-dir': { takesValue: true, help: 'Directory for recordings: short for --store file://DIR' },
  help: { takesValue: false, help: 'Print this and exit' },
  version: { takesValue: false, help: 'Print the version and exit' },
} as const;

export type SpecialFlag = keyof typeof SPECIAL_FLAGS;

/** What `headwater serve` is told by. */
export const SERVE_SETTINGS: SettingsTable<SettingKey, SpecialFlag> = {
  settings: SETTINGS,
  special: SPECIAL_FLAGS,
  defaults: DEFAULTS,
  typeOf: settingType,
};

/** All keys, in the order of the documentation. */
export const SETTING_KEYS = keysOf(SERVE_SETTINGS);

/** `HEADWATER_CHUNK_SIZE` for `--chunk-size`, `HEADWATER_RELAY_MAX_BATCH` for `relay.maxBatch`. */
export function environmentName(key: SettingKey): string {
  return variableOf(SERVE_SETTINGS, key);
}
