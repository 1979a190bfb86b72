import type { SrtPathSettings, SrtPort } from './srt-settings.ts';

/** Milliseconds, bytes: what a parsed duration or size is, whatever unit it was written in. */
export type Milliseconds = number;
export type Bytes = number;

const SECOND: Milliseconds = 1000;
const KIB: Bytes = 1024;
const MIB: Bytes = 1024 * KIB;

/** Every default, by its key in the YAML file. `null` where nothing is set. Durations in ms, sizes in bytes. */
export const DEFAULTS = {
  rtmp: { listen: ':1935', chunkSize: 65_536 },
  rtmps: { listen: null, cert: null, key: null },
  srt: {
    listen: ':10080',
    latency: 120,
    encryption: null,
    passphrase: null,
    passphraseFile: null,
    keyLength: 16,
    defaultPath: null,
    ports: [] as readonly SrtPort[],
    paths: new Map() as ReadonlyMap<string, SrtPathSettings>,
    receiveBuffer: 8 * MIB,
    waitForPublisher: 2 * SECOND,
    idleTimeout: 5 * SECOND,
  },
  http: { listen: ':8080', apiTokenFile: null },
  metrics: { listen: '127.0.0.1:9090' },
  streams: { dir: null },
  cluster: {
    mode: 'none',
    namespace: null,
    podName: null,
    podIp: null,
    pool: 'default',
    kubeconfig: null,
    spoolPersistent: true,
  },
  store: {
    url: 'file://./recordings',
    s3: {
      endpoint: null,
      region: 'us-east-1',
      forcePathStyle: true,
      accessKeyId: null,
      secretAccessKey: null,
      credentialsFile: null,
      conditionalWrites: 'auto',
      connectTimeout: 3 * SECOND,
      requestTimeout: 60 * SECOND,
    },
  },
  spool: { dir: null, maxBytes: null, warnAt: 0.8, fullAt: 0.95, onFull: 'DropOldest' },
  record: {
    all: true,
    format: 'fmp4',
    layout: 'standard',
    segmentDuration: 6 * SECOND,
    segmentPattern: null,
    segmentUtc: true,
    segmentTimeline: 'recording',
    hardLimit: 30 * SECOND,
    fragmentDuration: 500,
    fragmentMinimum: 250,
    lateAudio: 500,
    trackSettle: 1 * SECOND,
    queueBytes: 32 * MIB,
  },
  upload: {
    concurrency: 4,
    retryMin: 500,
    retryMax: 30 * SECOND,
    multipartAbove: 64 * MIB,
    partSize: 16 * MIB,
    indexInterval: 10 * SECOND,
  },
  relay: {
    maxBatch: 50,
    gopCacheBytes: 16 * MIB,
    gopCacheDuration: 30 * SECOND,
    unpublishGrace: 2 * SECOND,
    holdViewers: 15 * SECOND,
    onDuplicate: 'RejectUnlessStale',
    staleAfter: 2 * SECOND,
  },
  viewer: { queueBytes: 8 * MIB, queueDuration: 4 * SECOND, evictAfter: 10 * SECOND },
  play: { waitForPublisher: 10 * SECOND },
  limits: {
    handshake: 10 * SECOND,
    request: 10 * SECOND,
    publisherRead: 90 * SECOND,
    publisherMedia: 10 * SECOND,
    messageBytes: 16 * MIB - 1,
    commandBytes: 256 * KIB,
    metadataBytes: 1 * MIB,
    partialBytes: 32 * MIB,
    chunkStreams: 64,
    chunkSizeMin: 128,
    chunkSizeMax: 16_777_215,
    pendingPerAddress: 200,
    sessionsPerAddress: 0,
    srtHalfOpen: 1_024,
    srtHandshakesPerSecond: 100,
  },
  shutdown: { flush: 30 * SECOND },
  log: { level: 'info', format: null },
} as const;
