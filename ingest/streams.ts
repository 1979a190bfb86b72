import { POOL_DEFAULTS, type PoolDefaults } from '../crds/pool-defaults.ts';
import type { StreamConfig } from '../crds/stream-config.ts';
import { ALLOW_ALL, type Authorizer } from './auth/authorizer.ts';
import type { SrtPolicies } from './auth/srt-policies.ts';
import { isRevoked, StreamAuthorizer } from './auth/stream-authorizer.ts';
import { StreamSrtPolicies } from './auth/stream-srt-policies.ts';
import type { KubernetesPod } from './cluster/kubernetes.ts';
import type { PodIdentity } from './cluster/kubernetes-heartbeat.ts';
import type { Ownership } from './cluster/ownership.ts';
import type { ListenerUrls } from './cluster/publish-file.ts';
import { SinglePod } from './cluster/single-pod.ts';
import { StoreBook } from './cluster/store-book.ts';
import { StreamSet } from './cluster/stream-set.ts';
import { StreamsDir } from './cluster/streams-dir.ts';
import { TombstoneSet } from './cluster/tombstone-set.ts';
import type { Config } from './config/schema.ts';
import { parseStoreUrl } from './config/store-url.ts';
import { ValueProblem } from './config/units.ts';
import { RecordingPolicies } from './recording-policies.ts';
import type { Hub, PlayProtocol } from './relay/hub.ts';
import type { PathSettings } from './relay/stream.ts';
import { Fault } from './runtime/fault.ts';
import type { Log } from './runtime/log.ts';
import type { Meter } from './runtime/meter.ts';
import { recordingId } from './spool/layout.ts';
import { parsePattern } from './spool/segment-pattern.ts';
import { stateFolder } from './state-folder.ts';

/** Changes of many streams are looked through together, ms. */
const REFRESH_MS = 200;

const WATCHED_AS: { readonly [P in PlayProtocol]: StreamConfig['playback']['protocols'][number] } = {
  rtmp: 'RTMP',
  'http-flv': 'HTTPFLV',
  srt: 'SRT',
};

/** What streams are loaded with. */
export interface StreamsLoad {
  /** Whether the spool still holds something of a stream. */
  readonly hasBacklog: (uid: string) => boolean;
  readonly meter: Meter;
}

/** What streams are started with. */
export interface StreamsStart {
  readonly hub: Hub;
  /** Stores of streams, or credentials for them, may have changed. */
  readonly onStores: () => void;
  readonly listeners: ListenerUrls;
  /** Where the pod answers the operator. */
  readonly internalPort: number | undefined;
}

/** Which streams are served, and how each: all that come, or those that are configured in files or by an API server. */
export class Streams implements AsyncDisposable {
  readonly book = new StoreBook();
  readonly tombstones = new TombstoneSet();
  readonly set = new StreamSet(problemOf);
  readonly authorizer: Authorizer;
  /** What configured streams ask of SRT peers; undefined: the settings say it. */
  readonly srtPolicies: SrtPolicies | undefined;
  /** What is recorded, and how; undefined: nothing is. */
  readonly recordings: RecordingPolicies | undefined;
  readonly #config: Config;
  readonly #log: Log;
  readonly #single = new SinglePod();
  #dir: StreamsDir | undefined;
  #pod: KubernetesPod | undefined;
  #refreshing: NodeJS.Timeout | undefined;

  constructor(config: Config, log: Log) {
    this.#config = config;
    this.#log = log;
    const { isConfigured } = this;
    this.authorizer = isConfigured ? new StreamAuthorizer((path) => this.set.of(path)) : ALLOW_ALL;
    this.srtPolicies = isConfigured ? new StreamSrtPolicies((path) => this.set.of(path)) : undefined;
    const { record } = config;
    const policies = new RecordingPolicies(!isConfigured, record, this.set, this.book);
    this.recordings = isConfigured || record.all ? policies : undefined;
  }

  /** Only certain streams are served. */
  get isConfigured(): boolean {
    return this.#config.streams.dir !== null || this.pod !== undefined;
  }

  /** Who this process is in its pool; undefined without one. */
  get pod(): PodIdentity | undefined {
    const { mode, namespace, pool, podName, podIp } = this.#config.cluster;
    if (mode !== 'kubernetes' || namespace === null || podName === null || podIp === null) return undefined;
    return { namespace, pool, podName, podIp };
  }

  get ownership(): Ownership {
    return this.#pod?.claims ?? this.#single;
  }

  /** Whether it is known which streams there are. */
  get isLoaded(): boolean {
    return this.#pod?.isLoaded ?? true;
  }

  /** Signs requests within the pool; undefined where there is none, or it is not known. */
  get relayKey(): string | undefined {
    return this.#pod?.relayKey;
  }

  get isDraining(): boolean {
    return this.#pod?.isDraining ?? false;
  }

  /** Reads what is configured. @throws Fault ERR_STREAMS_DIR, ERR_STREAMS_STATE, ERR_KUBE_CONFIG */
  async load({ hasBacklog, meter }: StreamsLoad): Promise<void> {
    const { set, book, tombstones } = this;
    const { streams, cluster } = this.#config;
    const common = { set, book, tombstones, hasBacklog, stateDir: stateFolder(this.#config), log: this.#log };
    if (streams.dir !== null) {
      this.#dir = await StreamsDir.open({ ...common, dir: streams.dir, pool: poolOf(this.#config) });
    } else if (this.pod !== undefined) {
      const { KubernetesPod } = await import('./cluster/kubernetes.ts');
      const recordingOf = (claim: { readonly startedAt: Date; readonly epoch: number }) =>
        recordingId(claim.startedAt, claim.epoch);
      const { pod } = this;
      this.#pod = await KubernetesPod.open({ ...common, pod, kubeconfig: cluster.kubeconfig, recordingOf, meter });
    }
    if (this.isConfigured) meter.gauge('headwater_streams_configured', () => this.#states());
  }

  /** Settings that a path has of its own. */
  settingsOf(path: string): PathSettings | undefined {
    return this.isConfigured ? this.set.of(path) : undefined;
  }

  /** The listeners are open: changes are followed, and who may stay no more is cut. */
  start({ hub, onStores, listeners, internalPort }: StreamsStart): void {
    const refresh = (): void => {
      this.#refreshing ??= setTimeout(() => {
        this.#refreshing = undefined;
        onStores();
      }, REFRESH_MS).unref();
    };
    this.set.onChange(({ path, config }) => {
      hub.revoke(path, (grant) => isRevoked(grant, config));
      hub.dismiss(path, (protocol) => mayWatch(config, protocol));
      refresh();
    });
    this.tombstones.onChange(refresh);
    this.#dir?.start(listeners);
    this.#pod?.start(internalPort ?? 0);
  }

  /** Others are told that no new publishers are taken. */
  async drain(): Promise<void> {
    await this.#pod?.drain();
  }

  /** Everything is done. */
  async end(): Promise<void> {
    await this.#pod?.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#refreshing);
    await this.#dir?.[Symbol.asyncDispose]();
    await this.#pod?.[Symbol.asyncDispose]();
  }

  #states(): ReadonlyMap<string, number> {
    const states = new Map<string, number>(['active', 'suspended', 'deleting', 'refused'].map((state) => [state, 0]));
    for (const { config, refusal } of this.set.streams) {
      const state = refusal !== undefined ? 'refused' : (config?.state ?? 'refused');
      states.set(state, states.get(state)! + 1);
    }
    return states;
  }
}

function mayWatch(config: StreamConfig | undefined, protocol: PlayProtocol): boolean {
  return config?.state === 'active' && config.playback.protocols.includes(WATCHED_AS[protocol]);
}

/** Why a configuration can't be obeyed by this process. */
function problemOf({ recording }: StreamConfig): string | undefined {
  if (recording === null) return undefined;
  try {
    parseStoreUrl(recording.store.url);
    if (recording.segmentPattern !== null) parsePattern(recording.segmentPattern);
    return undefined;
  } catch (error) {
    if (error instanceof ValueProblem) return `store url ${recording.store.url}: ${error.message}`;
    if (error instanceof Fault) return error.message;
    throw error;
  }
}

/** What the settings of this process give to streams that do not say otherwise. */
function poolOf({ rtmp, rtmps, srt, relay, limits, store, record, spool }: Config): PoolDefaults {
  const protocols = [
    ...(rtmp.listen === null ? [] : (['RTMP'] as const)),
    ...(rtmps.listen === null ? [] : (['RTMPS'] as const)),
    ...(srt.listen === null ? [] : (['SRT'] as const)),
  ];
  const { endpoint, region, forcePathStyle } = store.s3;
  const ms = (value: number) => `${value}ms`;
  return POOL_DEFAULTS.parse({
    protocols,
    // Who can write the files can start the server with any store.
    allowedStoreEndpoints: ['http://*', 'https://*'],
    onDuplicate: relay.onDuplicate,
    idleTimeout: ms(limits.publisherMedia),
    store: { url: store.url, endpoint, region, forcePathStyle },
    recording: {
      format: record.format,
      segmentDuration: ms(record.segmentDuration),
      segmentPattern: record.segmentPattern,
      onFull: spool.onFull,
    },
    playback: { protocols: ['RTMP', 'SRT', 'HTTPFLV'] },
  });
}
