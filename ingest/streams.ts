import path from 'node:path';
import { POOL_DEFAULTS, type PoolDefaults } from '../crds/pool-defaults.ts';
import type { StreamConfig } from '../crds/stream-config.ts';
import { ALLOW_ALL, type Authorizer } from './auth/authorizer.ts';
import { isRevoked, StreamAuthorizer } from './auth/stream-authorizer.ts';
import { StoreBook } from './cluster/store-book.ts';
import { StreamSet } from './cluster/stream-set.ts';
import { StreamsDir } from './cluster/streams-dir.ts';
import { TombstoneSet } from './cluster/tombstone-set.ts';
import type { Config } from './config/schema.ts';
import { parseStoreUrl } from './config/store-url.ts';
import { ValueProblem } from './config/units.ts';
import type { Hub, PlayProtocol } from './relay/hub.ts';
import type { PathSettings } from './relay/stream.ts';
import { Fault } from './runtime/fault.ts';
import type { Log } from './runtime/log.ts';
import { parsePattern } from './spool/segment-pattern.ts';

/** Folder in the spool for what must outlive the process and is no media. */
const STATE_FOLDER = '.streams';

const WATCHED_AS: { readonly [P in PlayProtocol]: StreamConfig['playback']['protocols'][number] } = {
  rtmp: 'RTMP',
  'http-flv': 'HTTPFLV',
};

/** Which streams are served, and how each: all that come, or those that are configured. */
export class Streams implements AsyncDisposable {
  readonly book = new StoreBook();
  readonly tombstones = new TombstoneSet();
  readonly set = new StreamSet(problemOf);
  readonly authorizer: Authorizer;
  readonly #isOpen: boolean;
  #dir: StreamsDir | undefined;

  /** Reads what is configured. `hasBacklog`: whether the spool still holds something of a stream. @throws Fault ERR_STREAMS_DIR, ERR_STREAMS_STATE */
  static async open(config: Config, hasBacklog: (uid: string) => boolean, log: Log): Promise<Streams> {
    const streams = new Streams(config.streams.dir === null);
    const { dir } = config.streams;
    if (dir === null) return streams;
    const { set, book, tombstones } = streams;
    const stateDir = path.join(config.spool.dir, STATE_FOLDER);
    const pool = poolOf(config);
    streams.#dir = await StreamsDir.open({ dir, stateDir, pool, set, book, tombstones, hasBacklog, log });
    return streams;
  }

  private constructor(isOpen: boolean) {
    this.#isOpen = isOpen;
    this.authorizer = isOpen ? ALLOW_ALL : new StreamAuthorizer((path) => this.set.of(path));
  }

  /** Settings that a path has of its own. */
  settingsOf(path: string): PathSettings | undefined {
    return this.#isOpen ? undefined : this.set.of(path);
  }

  /** The listeners are open: changes are followed, and who may stay no more is cut. */
  start(hub: Hub, rtmpUrl: string | undefined): void {
    this.set.onChange(({ path, config }) => {
      hub.revoke(path, (grant) => isRevoked(grant, config));
      hub.dismiss(path, (protocol) => mayWatch(config, protocol));
    });
    this.#dir?.start(rtmpUrl);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#dir?.[Symbol.asyncDispose]();
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
function poolOf({ rtmp, rtmps, relay, limits, store, record, spool }: Config): PoolDefaults {
  const protocols = [
    ...(rtmp.listen === null ? [] : (['RTMP'] as const)),
    ...(rtmps.listen === null ? [] : (['RTMPS'] as const)),
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
    playback: { protocols: ['RTMP', 'HTTPFLV'] },
  });
}
