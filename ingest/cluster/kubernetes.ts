import { setTimeout as delay } from 'node:timers/promises';
import { findAccess, KubeClient } from '../../kube/client.ts';
import { Reflector } from '../../kube/reflector.ts';
import { SECRETS } from '../../kube/resource.ts';
import type { Log } from '../runtime/log.ts';
import type { Meter } from '../runtime/meter.ts';
import { KubernetesClaims } from './kubernetes-claims.ts';
import { readRuntimeSecret, type Secret } from './kubernetes-documents.ts';
import { Heartbeat, type PodIdentity } from './kubernetes-heartbeat.ts';
import { Snapshot, type SnapshotParts } from './snapshot.ts';

/** What a pod of a pool works with. */
export interface KubernetesOptions extends SnapshotParts {
  readonly pod: PodIdentity;
  /** A file; null: the ServiceAccount of the pod. */
  readonly kubeconfig: string | null;
  /** Where the snapshot is kept. */
  readonly stateDir: string;
  /** Whether the spool still holds something of the stream with this uid. */
  readonly hasBacklog: (uid: string) => boolean;
  readonly recordingOf: (claim: { readonly startedAt: Date; readonly epoch: number }) => string;
  readonly log: Log;
  readonly meter: Meter;
}

/** The API server has this long to say which streams there are, before those known last are put in force. */
const START_WAIT_MS = 3_000;
/** How long a pod that stops waits for the API server to take note, ms. */
const DRAIN_WAIT_MS = 1_000;
const CLAIMS_LOOK_MS = 20;
/** How often what is known of streams that are gone is looked through. */
const TIDY_EVERY_MS = 60_000;

/**
 * This process as a pod of a pool: its streams are the Secrets of the runtime namespace, as they change; it says that it lives
 * and what it has. Nothing of media waits for any of it.
 */
export class KubernetesPod implements AsyncDisposable {
  readonly claims: KubernetesClaims;
  readonly #options: KubernetesOptions;
  readonly #client: KubeClient;
  readonly #secrets: Reflector<Secret>;
  readonly #snapshot: Snapshot;
  readonly #heartbeat: Heartbeat;
  readonly #stop = new AbortController();
  /** Secrets that have changed since they were looked at, by key. */
  readonly #changed = new Map<string, { readonly now: Secret | undefined; readonly before: Secret | undefined }>();
  readonly #tidying: NodeJS.Timeout;
  #running: Promise<unknown> = Promise.resolve();
  #beating: Promise<unknown> = Promise.resolve();
  #isLoaded = false;

  /** Begins to watch, and waits a moment for the first answer. @throws KubeError ERR_KUBE_CONFIG */
  static async open(options: KubernetesOptions): Promise<KubernetesPod> {
    const access = await findAccess(options.kubeconfig ?? undefined);
    const pod = new KubernetesPod(
      options,
      new KubeClient({ access, meter: options.meter, userAgent: 'headwater-ingest' }),
    );
    await pod.#load();
    return pod;
  }

  private constructor(options: KubernetesOptions, client: KubeClient) {
    const { pod, log, meter, set, stateDir } = options;
    this.#options = options;
    this.#client = client;
    this.#snapshot = new Snapshot(stateDir, options, log);
    this.#heartbeat = new Heartbeat(client, pod, log);
    this.#secrets = new Reflector<Secret>({
      ...{ client, log, meter, resource: SECRETS, namespace: pod.namespace },
      onChange: (key, now, before) => this.#note(key, now, before),
    });
    const uidOf = (path: string) => set.of(path)?.uid;
    const { recordingOf } = options;
    this.claims = new KubernetesClaims({ client, pod, uidOf, recordingOf, log, meter });
    meter.gauge('headwater_kube_watch_age_seconds', () => new Map([['secrets', this.#secrets.ageSeconds]]));
    this.#tidying = setInterval(() => this.#tidy(), TIDY_EVERY_MS).unref();
  }

  /** Whether it is known which streams there are, from the API server or from the disk. */
  get isLoaded(): boolean {
    return this.#isLoaded;
  }

  /** Signs requests within the pool. */
  get relayKey(): string | undefined {
    return this.#snapshot.relayKey;
  }

  get isDraining(): boolean {
    return this.#heartbeat.isDraining;
  }

  /** The listeners are open: others are told. */
  start(internalPort: number): void {
    this.#beating = this.#heartbeat.run(internalPort, this.#stop.signal);
  }

  /** Others are told that it takes no new publishers; an API server that is away is not waited for long. */
  async drain(): Promise<void> {
    await Promise.race([this.#heartbeat.drain(), delay(DRAIN_WAIT_MS)]);
  }

  /** Everything is done: it is gone in good order. */
  async end(): Promise<void> {
    const until = performance.now() + DRAIN_WAIT_MS;
    while (this.claims.provisional > 0 && performance.now() < until) await delay(CLAIMS_LOOK_MS);
    this.#stop.abort();
    await this.#beating;
    await this.#heartbeat.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#tidying);
    this.#stop.abort();
    await Promise.all([this.#running, this.#beating]);
    await this.#snapshot[Symbol.asyncDispose]();
    await this.#client[Symbol.asyncDispose]();
  }

  async #load(): Promise<void> {
    const { signal } = this.#stop;
    await this.#snapshot.restoreStores();
    this.#running = Promise.all([this.#secrets.run(signal), this.claims.run(signal)]);
    const synced = this.#secrets.synced.then(() => this.#onSynced());
    await Promise.race([synced, delay(START_WAIT_MS, undefined, { ref: false })]);
    if (!this.#isLoaded && (await this.#snapshot.restore(() => this.#isLoaded))) this.#isLoaded = true;
  }

  /** What was known from the disk and is not in the list is gone. */
  #onSynced(): void {
    this.#apply();
    const { set, tombstones } = this.#options;
    const [uids, buried] = [new Set<string>(), new Set<string>()];
    for (const secret of this.#secrets.objects.values()) {
      const read = readRuntimeSecret(secret);
      if (read?.kind === 'stream') uids.add(read.config.uid);
      else if (read?.kind === 'unreadable') uids.add(read.uid);
      else if (read?.kind === 'tombstone') buried.add(read.tombstone.uid);
    }
    for (const { uid } of [...set.streams]) if (!uids.has(uid)) set.remove(uid);
    for (const { uid } of tombstones.pending) if (!buried.has(uid)) tombstones.remove(uid);
    this.#isLoaded = true;
    this.#snapshot.touch();
  }

  /** A watch must not be held up, nor stopped by an error of ours. */
  #note(key: string, now: Secret | undefined, before: Secret | undefined): void {
    if (this.#changed.size === 0) setImmediate(() => this.#apply());
    this.#changed.set(key, { now, before: this.#changed.get(key)?.before ?? before });
  }

  #apply(): void {
    const changed = [...this.#changed.values()];
    this.#changed.clear();
    for (const { now, before } of changed) {
      if (now !== undefined) this.#obey(now);
      else if (before !== undefined) this.#forget(before);
    }
    if (changed.length > 0) this.#snapshot.touch();
  }

  #obey(secret: Secret): void {
    const { set, book, tombstones, log } = this.#options;
    const read = readRuntimeSecret(secret);
    switch (read?.kind) {
      case 'relay-key':
        this.#snapshot.relayKey = read.key === '' ? undefined : read.key;
        return;
      case 'tombstone':
        for (const store of read.tombstone.stores) book.learn(read.tombstone.uid, store);
        tombstones.add(read.tombstone);
        return;
      case 'unreadable':
        set.refuse(read.uid, read.path, read.problem);
        log.error(
          { stream_key: read.path, uid: read.uid, code: 'ERR_STREAM_CONFIG', problem: read.problem },
          'stream configuration refused',
        );
        return;
      case 'stream': {
        const { config } = read;
        if (config.recording !== null) book.learn(config.uid, config.recording.store);
        const problem = set.apply(config);
        const fields = { stream_key: config.path, uid: config.uid, revision: config.revision };
        if (problem === undefined) log.info({ ...fields, state: config.state }, 'stream configured');
        else log.error({ ...fields, code: 'ERR_STREAM_CONFIG', problem }, 'stream configuration refused');
        return;
      }
      case undefined:
    }
  }

  #forget(secret: Secret): void {
    const { set, tombstones, log } = this.#options;
    const read = readRuntimeSecret(secret);
    if (read?.kind === 'tombstone') tombstones.remove(read.tombstone.uid);
    const uid = read?.kind === 'stream' ? read.config.uid : read?.kind === 'unreadable' ? read.uid : undefined;
    if (uid === undefined) return;
    log.info({ stream_key: set.byUid(uid)?.path, uid }, 'stream removed');
    set.remove(uid);
  }

  /** Credentials are kept for as long as something may have to be stored or deleted with them. */
  #tidy(): void {
    const { set, book, tombstones, hasBacklog } = this.#options;
    const buried = new Set(tombstones.pending.map(({ uid }) => uid));
    for (const uid of book.uids) {
      if (set.byUid(uid) !== undefined || buried.has(uid) || hasBacklog(uid)) continue;
      book.forget(uid);
      this.#snapshot.touch();
    }
  }
}
