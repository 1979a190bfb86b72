import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { compile, storeSecretName } from '../../crds/compile.ts';
import { durationMs } from '../../crds/duration.ts';
import type { LiveStream } from '../../crds/live-stream.ts';
import { pathOf, publishSecretName } from '../../crds/names.ts';
import type { PoolDefaults } from '../../crds/pool-defaults.ts';
import { type PublishKeys, protocolsOf, readPublishKeys } from '../../crds/publish-keys.ts';
import type { RecordingPolicy } from '../../crds/recording-policy.ts';
import type { StreamConfig } from '../../crds/stream-config.ts';
import { Fault } from '../runtime/fault.ts';
import type { Log } from '../runtime/log.ts';
import { LocalFiles } from './local-files.ts';
import { nextKeys } from './local-keys.ts';
import type { LocalObject, LocalSecret } from './local-objects.ts';
import { LocalState, type LocalStream } from './local-state.ts';
import { writePrivateFile } from './private-file.ts';
import { type ListenerUrls, publishFile } from './publish-file.ts';
import type { StoreBook } from './store-book.ts';
import type { StreamSet } from './stream-set.ts';
import type { TombstoneSet } from './tombstone-set.ts';

/** What {@link StreamsDir} works with. */
export interface StreamsDirOptions {
  readonly dir: string;
  /** Where it keeps what an API server would remember. */
  readonly stateDir: string;
  /** What streams get that do not say otherwise. */
  readonly pool: PoolDefaults;
  readonly set: StreamSet;
  readonly book: StoreBook;
  readonly tombstones: TombstoneSet;
  /** Whether the spool still holds something of the stream with this uid. */
  readonly hasBacklog: (uid: string) => boolean;
  readonly log: Log;
  /** Wall clock, ms. */
  readonly now?: () => number;
}

/** A change is seen at the second look: under a second from `mv` to accepted. */
const LOOK_EVERY_MS = 250;
/** A LiveStream that is gone may come back for this long: editors replace files, people rename them. Then its recordings go, where it says so. */
const GONE_MS = 10_000;

/**
 * Streams from the YAML files of a folder, the very ones that `kubectl apply` takes. What is wrong with a file is logged with
 * its place, and leaves in force what was before.
 */
export class StreamsDir implements AsyncDisposable {
  readonly #options: StreamsDirOptions;
  readonly #files: LocalFiles;
  readonly #state: LocalState;
  readonly #now: () => number;
  /** When streams that are gone were missed first, by path. */
  readonly #gone = new Map<string, number>();
  readonly #unwatch: () => void;
  #said = new Set<string>();
  #published = new Map<string, string>();
  #listeners: ListenerUrls | undefined;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> = Promise.resolve();

  private constructor(options: StreamsDirOptions, state: LocalState) {
    this.#options = options;
    this.#state = state;
    this.#files = new LocalFiles(options.dir);
    this.#now = options.now ?? Date.now;
    this.#unwatch = options.tombstones.onChange(() => {
      // Nobody else waits to hear of it.
      for (const uid of options.tombstones.finished) options.tombstones.remove(uid);
      void this.#save();
    });
  }

  /** Reads the folder, and puts what is in it in force. @throws Fault ERR_STREAMS_DIR, ERR_STREAMS_STATE */
  static async open(options: StreamsDirOptions): Promise<StreamsDir> {
    const { stateDir, book, tombstones, dir, log, set } = options;
    const state = await LocalState.load(stateDir, book, tombstones).catch((error) => {
      throw new Fault('ERR_STREAMS_STATE', `${stateDir}: ${(error as Error).message}`, { cause: error });
    });
    const streams = new StreamsDir(options, state);
    try {
      await streams.#files.look(true);
    } catch (error) {
      throw new Fault('ERR_STREAMS_DIR', `cannot read ${dir}: ${(error as Error).message}: check --streams`, {
        cause: error,
      });
    }
    streams.#apply();
    for (const [name] of state.streams)
      if (set.of(name) === undefined)
        log.info(
          { stream_key: name, dir },
          'no file has this stream any more: nobody may publish it, its recordings stay',
        );
    await streams.#save();
    return streams;
  }

  /** The listeners are open: people are told what to publish to, changes are followed. */
  start(listeners: ListenerUrls): void {
    this.#listeners = listeners;
    const look = async (): Promise<void> => {
      await this.#look();
      this.#timer?.refresh();
    };
    this.#looking = this.#announce();
    this.#timer = setTimeout(() => {
      this.#looking = look();
    }, LOOK_EVERY_MS).unref();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#unwatch();
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#looking;
    await this.#save();
  }

  /** Looks at the folder once. */
  async #look(): Promise<void> {
    try {
      await this.#files.look();
    } catch (error) {
      this.#say([`${this.#options.dir}: ${(error as Error).message}`]);
      return; // a folder that is away is not one without streams
    }
    this.#apply();
    await this.#save();
    await this.#announce();
  }

  #apply(): void {
    const { byName, problems } = this.#files.objects();
    const all = [...this.#files.problems, ...problems];
    const present = new Set<string>();
    for (const { object, where } of byName.values()) {
      if (object.kind !== 'LiveStream') continue;
      present.add(pathOf(object.metadata.namespace, object.metadata.name));
      all.push(...this.#applyStream(object, byName).map((message) => `${where}: ${message}`));
    }
    this.#missing(present);
    this.#say(all);
  }

  /** Returns what is wrong with it. */
  #applyStream(stream: LiveStream, objects: ReadonlyMap<string, LocalObject>): readonly string[] {
    const { pool, set, book } = this.#options;
    const { namespace, name } = stream.metadata;
    const streamPath = pathOf(namespace, name);
    const find = (kind: string, of: string | undefined) =>
      of === undefined ? undefined : objects.get(`${kind} ${namespace}/${of}`)?.object;
    const known = this.#state.streams.get(streamPath);
    const keys = this.#keysOf(
      stream,
      known,
      find('Secret', stream.spec.credentials?.secretRef?.name) as LocalSecret | undefined,
    );
    if (keys.keys === undefined) return keys.problems;

    const policy = find('RecordingPolicy', stream.spec.recording?.policyRef?.name) as RecordingPolicy | undefined;
    const secret = find('Secret', storeSecretName(stream, policy)) as LocalSecret | undefined;
    const uid = known?.uid ?? randomUUID();
    const { config, problems } = compile({
      stream: { ...stream, metadata: { ...stream.metadata, uid } },
      ...{ pool, policy, storeSecret: secret?.data },
      credentials: offered(keys.keys.credentials, stream, pool),
      dedicatedPort: null,
      olderInNamespace: 0,
    });
    const deletes = stream.spec.recording?.deletionPolicy === 'Delete';
    this.#state.streams.set(streamPath, { uid, keys: keys.keys, deletes });
    const messages = [...keys.problems, ...problems.map(({ message }) => message)];
    if (config === undefined) {
      set.refuse(uid, streamPath, messages.join(' '));
      return messages;
    }
    if (config.recording !== null) book.learn(uid, config.recording.store);
    const refusal = this.#put(config);
    return refusal === undefined ? messages : [...messages, refusal];
  }

  #keysOf(
    { spec }: LiveStream,
    known: LocalStream | undefined,
    secret: LocalSecret | undefined,
  ): { readonly keys: LocalStream['keys'] | undefined; readonly problems: readonly string[] } {
    const { pool } = this.#options;
    const { secretRef, rotation = {} } = spec.credentials ?? {};
    let own: PublishKeys | undefined;
    if (secretRef !== undefined) {
      const read =
        secret === undefined
          ? {
              problem: `There is no Secret ${secretRef.name} in the folder: add it, or leave credentials.secretRef out.`,
            }
          : readPublishKeys(secret.data, protocolsOf(spec, pool));
      // Keys in force stay in force.
      if ('problem' in read) return { keys: known?.keys, problems: [`Secret ${secretRef.name}: ${read.problem}`] };
      own = read;
    }
    const overlapMs = durationMs(rotation.overlap ?? '') ?? pool.rotation.overlap;
    const { generation = 0, revokePrevious = false } = rotation;
    return { keys: nextKeys(known?.keys, { own, generation, overlapMs, revokePrevious }, this.#now()), problems: [] };
  }

  /** Returns why it is not obeyed. */
  #put(config: StreamConfig): string | undefined {
    const { set, log } = this.#options;
    const before = set.byUid(config.uid)?.config;
    const refusal = set.apply(config);
    if (refusal === undefined && before?.revision !== config.revision) {
      const { path: stream_key, uid, state, revision } = config;
      log.info({ stream_key, uid, state, revision, recorded: config.recording !== null }, 'stream configured');
    }
    return refusal;
  }

  /** Streams that no file has any more: nobody may publish them; after a while they are forgotten, and deleted if they are to be. */
  #missing(present: ReadonlySet<string>): void {
    const { set, book, log, hasBacklog } = this.#options;
    for (const { uid, path: streamPath, config } of [...set.streams]) {
      if (present.has(streamPath)) {
        this.#gone.delete(streamPath);
        continue;
      }
      const since = this.#gone.get(streamPath);
      if (since === undefined) {
        this.#gone.set(streamPath, this.#now());
        log.info({ stream_key: streamPath, uid }, 'stream removed');
        if (config !== undefined) set.apply({ ...config, state: 'deleting', revision: `${config.revision}-gone` });
      } else if (this.#now() - since >= GONE_MS) {
        this.#gone.delete(streamPath);
        this.#bury(uid, streamPath);
        set.remove(uid);
      }
    }
    const inUse = new Set([...this.#state.streams.values()].map(({ uid }) => uid));
    for (const uid of book.uids) if (!inUse.has(uid) && !hasBacklog(uid)) book.forget(uid);
  }

  #bury(uid: string, streamPath: string): void {
    const { book, tombstones, log } = this.#options;
    const known = this.#state.streams.get(streamPath);
    this.#state.streams.delete(streamPath);
    const stores = book.of(uid);
    if (known?.uid !== uid || !known.deletes || stores.length === 0) return;
    log.info({ stream_key: streamPath, uid }, 'its recordings are to be deleted');
    tombstones.add({
      version: 1,
      ...{ uid, path: streamPath, stores: [...stores] },
      requestedAt: new Date(this.#now()).toISOString(),
    });
  }

  /** Every problem once, and once more when it has been away. */
  #say(problems: readonly string[]): void {
    for (const problem of problems) {
      if (this.#said.has(problem)) continue;
      this.#options.log.error({ code: 'ERR_STREAMS_FILE', problem }, 'stream file not obeyed');
    }
    this.#said = new Set(problems);
  }

  async #save(): Promise<void> {
    await this.#state.save().catch((error: unknown) => {
      this.#say([...this.#said, `${this.#options.stateDir}: ${(error as Error).message}`]);
    });
  }

  /** Writes for each stream with generated keys what people need to publish it. */
  async #announce(): Promise<void> {
    if (this.#listeners === undefined) return;
    for (const [streamPath, { uid, keys }] of this.#state.streams) {
      const config = this.#options.set.byUid(uid)?.config;
      if (config === undefined || keys.generation === null) continue;
      const text = publishFile(config, this.#listeners);
      if (this.#published.get(streamPath) === text) continue;
      this.#published.set(streamPath, text);
      const [namespace = '', name = ''] = streamPath.split('/');
      const file = path.join(this.#options.stateDir, `${namespace}.${publishSecretName(name)}.yaml`);
      await writePrivateFile(file, text).then(
        () => this.#options.log.info({ stream_key: streamPath, file }, 'URL to publish to written'),
        (error: unknown) => this.#say([...this.#said, `${file}: ${(error as Error).message}`]),
      );
    }
  }
}

/** Only the keys of protocols that the stream offers. */
function offered(credentials: StreamConfig['credentials'], { spec }: LiveStream, pool: PoolDefaults) {
  const protocols = protocolsOf(spec, pool);
  const rtmp = protocols.some((protocol) => protocol !== 'SRT');
  const only = <K extends PublishKeys>(keys: K): K => ({
    ...keys,
    rtmpKey: rtmp ? keys.rtmpKey : '',
    srtPassphrase: protocols.includes('SRT') ? keys.srtPassphrase : '',
  });
  return { ...only(credentials), previous: credentials.previous && only(credentials.previous) };
}
