import { setTimeout as delay } from 'node:timers/promises';
import type { LiveStreamStatus } from '../crds/live-stream-status.ts';
import { FIELD_MANAGER, LABELS, RELAY_KEY_KEY, RELAY_KEY_SECRET, SECRET_TYPES } from '../crds/names.ts';
import type { Log } from '../ingest/runtime/log.ts';
import type { Meter } from '../ingest/runtime/meter.ts';
import { Applier } from '../kube/apply.ts';
import type { KubeClient } from '../kube/client.ts';
import { EventRecorder } from '../kube/event-recorder.ts';
import { splitKey } from '../kube/kube-object.ts';
import { WorkQueue } from '../kube/work-queue.ts';
import { dedicatedServiceName } from './compile/dedicated-ports.ts';
import { decodeData, type StoredStream } from './compile/manifest.ts';
import { type PublishAddresses, publicUrls, publishAddresses } from './compile/publish-address.ts';
import { statusOf } from './compile/status.ts';
import type { OperatorConfig } from './config/settings.ts';
import { PodRegistry } from './pods/pod-registry.ts';
import { StatusWriter } from './status/status-writer.ts';
import { Children } from './streams/children.ts';
import { Cleanup } from './streams/cleanup.ts';
import { DedicatedPorts } from './streams/dedicated-ports.ts';
import { Finalizer } from './streams/finalizer.ts';
import { ProgrammingClock } from './streams/programming-clock.ts';
import { SecretReader } from './streams/secret-reader.ts';
import { StreamController } from './streams/stream-controller.ts';
import { StreamIndex } from './streams/stream-index.ts';
import { StreamRecords } from './streams/stream-records.ts';
import { isStatusChange } from './watch/status-change.ts';
import { World } from './watch/world.ts';

/** How long a new leader waits for the first word of every pod before it says what it sees. */
const HEAR_ALL_MS = 5_000;
/** A key that fails is tried again at least this often: what stands in its way may go unseen. */
const MAX_BACKOFF_MS = 30_000;
const COMPONENT = 'headwater-operator';
/** The one key of the queue for the Service with dedicated ports. */
const DEDICATED = 'dedicated ports';

/** Everything that works on the objects of one pool: what is watched, the queues between, and who works them off. */
export class Controllers {
  readonly world: World;
  readonly #config: OperatorConfig;
  readonly #secrets: SecretReader;
  readonly #index = new StreamIndex((secret) => this.#secrets.forget(secret));
  readonly #pods: PodRegistry;
  readonly #controller: StreamController;
  readonly #cleanup: Cleanup;
  readonly #status: StatusWriter;
  readonly #finalizer: Finalizer;
  readonly #records: StreamRecords;
  readonly #dedicated: DedicatedPorts;
  readonly #programming: ProgrammingClock;
  readonly #queues: Readonly<Record<'streams' | 'statuses' | 'cleanup' | 'tombstones' | 'ports', WorkQueue>>;
  #addresses: PublishAddresses | undefined;
  #mayTell = false;

  constructor(config: OperatorConfig, client: KubeClient, log: Log, meter: Meter) {
    this.#config = config;
    const applier = new Applier(client, FIELD_MANAGER);
    const events = new EventRecorder(client, COMPONENT, config.identity, log);
    const { runtimeNamespace } = config;
    const pool = config.pool.name;
    this.world = this.#watch(client, log, meter);
    const { streams, runtimeSecrets, leases, poolServices } = this.world;
    this.#pods = new PodRegistry({
      relayKey: () => this.#relayKey(),
      onStream: (uid, isUrgent) => this.#onReport(uid, isUrgent),
      onPods: () => this.#all(),
      onFinishedTombstones: (uids) => {
        for (const uid of uids) this.#queues.tombstones.add(uid);
      },
      log,
    });
    this.#records = new StreamRecords(client, runtimeSecrets, runtimeNamespace, pool);
    this.#secrets = new SecretReader(client, this.world.secrets);
    this.#programming = new ProgrammingClock(meter);
    const records = this.#records;
    this.#finalizer = new Finalizer({
      ...{ client, records, streams, runtimeSecrets, runtimeNamespace, pool },
      timeoutMs: config.deletion.timeout,
      now: Date.now,
    });
    const index = this.#index;
    const services = poolServices;
    this.#dedicated = new DedicatedPorts({ client, applier, config, streams, records, index, services, log });
    const onEvent = events.record.bind(events);
    this.#controller = new StreamController({
      pool: config.pool,
      podsFirstMs: config.rotation.podsFirst,
      world: this.world,
      records,
      secrets: this.#secrets,
      children: new Children({ client, applier, world: this.world }),
      finalizer: this.#finalizer,
      index,
      pods: this.#pods,
      addressesFor: (port) => this.#addressesFor(port),
      dedicatedPortOf: (uid) => this.#dedicated.portOf(uid),
      onWritten: (uid, record) => this.#programming.wrote(uid, record),
      onPlanned: (key) => this.#queues.statuses.add(key),
      onEvent,
      log,
      now: Date.now,
    });
    const finalizer = this.#finalizer;
    this.#cleanup = new Cleanup({
      client,
      index,
      records,
      finalizer,
      runtimeSecrets,
      leases,
      runtimeNamespace,
      pool,
      log,
    });
    this.#status = new StatusWriter({
      ...config.status,
      ...{ applier, streams, meter, onEvent },
      statusOf: (stream) => this.#statusOf(stream),
    });
    const queue = (
      name: string,
      work: (key: string, signal: AbortSignal) => Promise<unknown>,
      workers: number,
    ): WorkQueue => {
      const worked = async (key: string, signal: AbortSignal): Promise<number | undefined> => {
        const again = await work(key, signal);
        return typeof again === 'number' ? again : undefined;
      };
      return new WorkQueue({ name, work: worked, workers, maxBackoffMs: MAX_BACKOFF_MS, log, meter });
    };
    this.#queues = {
      streams: queue('streams', (key, signal) => this.#controller.reconcile(key, signal), config.api.workers),
      statuses: queue('statuses', (key, signal) => this.#status.write(key, signal), config.api.workers),
      cleanup: queue('cleanup', (uid, signal) => this.#cleanup.clean(uid, signal), 4),
      tombstones: queue('tombstones', (uid, signal) => this.#cleanup.unbury(uid, signal), 2),
      ports: queue('ports', (_, signal) => this.#dedicated.reconcile(signal), 1),
    };
    this.#measure(meter);
  }

  /** Keeps the caches: a replica that does not lead does only this. Until `signal` aborts. */
  watch(signal: AbortSignal): Promise<void> {
    return this.world.run(signal);
  }

  /** Works until `signal` aborts, and what is under way has ended. */
  async lead(signal: AbortSignal): Promise<void> {
    await this.world.synced();
    if (signal.aborted) return;
    const queues = Object.values(this.#queues).map((queue) => queue.run(signal));
    await Promise.all([this.#pods.run(signal), this.#listen(signal), this.#sweep(signal), ...queues]);
  }

  /** What is said of streams waits for what their pods say of them. */
  async #listen(signal: AbortSignal): Promise<void> {
    const began = performance.now();
    while (!signal.aborted && !this.#pods.hasHeardAll && performance.now() - began < HEAR_ALL_MS) {
      await delay(20, undefined, { signal }).catch(() => {});
    }
    this.#mayTell = true;
    this.#all();
  }

  async #sweep(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      for (const uid of this.#cleanup.sweep()) this.#queues.cleanup.add(uid);
      await delay(this.#config.deletion.sweepInterval, undefined, { signal }).catch(() => {});
    }
  }

  #all(): void {
    for (const { metadata } of this.world.streams.values()) {
      this.#queues.streams.add(`${metadata.namespace}/${metadata.name}`);
    }
  }

  /** Who is told of what. Each only notes keys: an error here would stop a watch. */
  #watch(client: KubeClient, log: Log, meter: Meter): World {
    const { release, ingest } = this.#config;
    const published = new Set([ingest.services.tcp, ingest.services.udp, dedicatedServiceName(release)]);
    const add = (key: string): void => this.#queues.streams.add(key);
    return new World(
      this.#config,
      client,
      {
        stream: (key, now, before) => this.#onStream(key, now, before),
        policy: (key) => this.#index.usersOfPolicy(key).forEach(add),
        secret: (key) => this.#index.usersOfSecret(key).forEach(add),
        service: add,
        slice: add,
        runtimeSecret: (_, now, before) => {
          const uid = (now ?? before)?.metadata.labels?.[LABELS.uid];
          if (!uid) return;
          const key = this.#index.keyOf(uid);
          if (key) add(key);
          // Written for a stream that was deleted in the meantime.
          else if (now?.type === SECRET_TYPES.streamConfig) this.#queues.cleanup.add(uid);
        },
        lease: (key, now) => this.#pods.heartbeat(splitKey(key).name, now),
        poolService: (key) => {
          if (!published.has(splitKey(key).name)) return;
          this.#addresses = undefined;
          this.#queues.ports.add(DEDICATED);
          this.#all();
        },
      },
      log,
      meter,
    );
  }

  #onStream(key: string, now: StoredStream | undefined, before: StoredStream | undefined): void {
    this.#index.note(key, now, before);
    const gone = before !== undefined && before.metadata.uid !== now?.metadata.uid ? before.metadata.uid : undefined;
    if (gone !== undefined) this.#forget(key, gone);
    if (now !== undefined && before !== undefined && isStatusChange(now, before)) {
      this.#queues.statuses.add(key);
      return;
    }
    const hadPort = before?.spec.ingest?.dedicatedPort === true;
    const hasPort = now?.spec.ingest?.dedicatedPort === true;
    const hasQuota = this.#config.pool.maxStreamsPerNamespace > 0;
    if (hadPort || hasPort) this.#onPorts();
    // Who has no room has no port either.
    else if (hasQuota && now?.metadata.uid !== before?.metadata.uid) this.#invalidatePorts();
    if (now !== undefined) this.#queues.streams.add(key);
    // One less may make room for another.
    if (now === undefined && hasQuota) {
      for (const other of this.#index.inNamespace(before!.metadata.namespace)) this.#queues.streams.add(other);
    }
  }

  #invalidatePorts(): void {
    this.#dedicated.invalidate();
    this.#queues.ports.add(DEDICATED);
  }

  #onPorts(): void {
    this.#invalidatePorts();
    for (const { spec, metadata } of this.world.streams.values()) {
      if (spec.ingest?.dedicatedPort === true) this.#queues.streams.add(`${metadata.namespace}/${metadata.name}`);
    }
  }

  #forget(key: string, uid: string): void {
    this.#controller.forget(uid);
    this.#status.forget(key);
    this.#programming.forget(uid);
    this.#queues.cleanup.add(uid);
  }

  /** A pod said something new of a stream. */
  #onReport(uid: string, isUrgent: boolean): void {
    const key = this.#index.keyOf(uid);
    if (key === undefined) return;
    this.#programming.look(uid, this.#pods.viewOf(uid));
    // It may be what a rotation, a finalizer or an EndpointSlice waits for; these tell the status in turn.
    if (isUrgent) this.#queues.streams.add(key);
    else this.#queues.statuses.add(key);
  }

  #addressesFor(dedicatedPort: number | null): PublishAddresses {
    const { poolServices } = this.world;
    const { namespace, ingest } = this.#config;
    const { tcp, udp } = ingest.services;
    this.#addresses ??= publishAddresses(
      { tcp: poolServices.get(`${namespace}/${tcp}`), udp: poolServices.get(`${namespace}/${udp}`) },
      { host: ingest.publicHost, ports: ingest.publicPorts },
    );
    if (dedicatedPort === null) return this.#addresses;
    return { ...this.#addresses, srt: this.#dedicated.addressOf(dedicatedPort) };
  }

  #statusOf(stream: StoredStream): LiveStreamStatus | undefined {
    const { uid } = stream.metadata;
    const plan = this.#controller.planOf(uid);
    if (plan === undefined || !this.#mayTell) return undefined;
    const record = this.#records.of(uid);
    const none = { rtmp: '', rtmps: '', srt: '' };
    return statusOf({
      stream,
      generation: plan.generation,
      compiled: plan.compiled,
      keys: plan.keys,
      record,
      pods: this.#pods.viewOf(uid),
      isResting: this.#pods.isResting,
      urls: record ? publicUrls(record.config, this.#addressesFor(record.config.srt.dedicatedPort)) : none,
      now: new Date().toISOString(),
    });
  }

  #relayKey(): string | undefined {
    const secret = this.world.runtimeSecrets.get(`${this.#config.runtimeNamespace}/${RELAY_KEY_SECRET}`);
    return decodeData(secret?.data)[RELAY_KEY_KEY] || undefined;
  }

  #measure(meter: Meter): void {
    const queues = Object.entries(this.#queues);
    meter.gauge('headwater_kube_queue_depth', () => new Map(queues.map(([name, { depth }]) => [name, depth])));
    meter.gauge('headwater_kube_watch_age_seconds', () => this.world.ages);
    meter.gauge('headwater_operator_pods', () => this.#pods.counts);
    meter.gauge('headwater_operator_streams', () => {
      const phases = new Map<string, number>();
      for (const { status } of this.world.streams.values()) {
        const phase = status?.phase ?? 'Pending';
        phases.set(phase, (phases.get(phase) ?? 0) + 1);
      }
      return phases;
    });
  }
}
