import { recordingSpec } from '../../crds/compile-recording.ts';
import { publishSecretName } from '../../crds/names.ts';
import type { PoolDefaults } from '../../crds/pool-defaults.ts';
import type { Log } from '../../ingest/runtime/log.ts';
import type { EventNote } from '../../kube/event-recorder.ts';
import { keyOf } from '../../kube/kube-object.ts';
import type { Endpoint } from '../compile/endpoint-slice.ts';
import type { StoredStream } from '../compile/manifest.ts';
import { allObey, type PodView, publisherOf } from '../compile/pod-view.ts';
import type { PublishAddresses } from '../compile/publish-address.ts';
import { readPublishSecret } from '../compile/publish-secret.ts';
import type { StreamRecord } from '../compile/stream-config-secret.ts';
import { makeKeys } from '../credentials/keys.ts';
import type { KeyState } from '../credentials/rotation.ts';
import type { PodRegistry } from '../pods/pod-registry.ts';
import { planStream, type StreamPlan, type StreamView } from '../reconcile/plan-stream.ts';
import type { World } from '../watch/world.ts';
import type { Children, NameConflict } from './children.ts';
import type { Finalizer } from './finalizer.ts';
import { keyEvent } from './key-events.ts';
import type { SecretReader } from './secret-reader.ts';
import type { StreamIndex } from './stream-index.ts';
import type { StreamRecords } from './stream-records.ts';

export interface StreamControllerOptions {
  readonly pool: PoolDefaults;
  readonly podsFirstMs: number;
  readonly world: Pick<World, 'streams' | 'policies' | 'secrets'>;
  readonly records: StreamRecords;
  readonly secrets: SecretReader;
  readonly children: Children;
  readonly finalizer: Finalizer;
  readonly index: StreamIndex;
  readonly pods: PodRegistry;
  readonly addressesFor: (dedicatedPort: number | null) => PublishAddresses;
  readonly dedicatedPortOf: (uid: string) => number | null;
  /** What pods obey was changed. */
  readonly onWritten: (uid: string, record: StreamRecord) => void;
  readonly onPlanned: (key: string) => void;
  readonly onEvent: (stream: StoredStream, note: EventNote) => void;
  readonly log: Log;
  /** Unix time, ms. */
  readonly now: () => number;
}

/** Names are looked at again this often while they are another's: Services of others are not watched. */
const TAKEN_RETRY_MS = 30_000;
/** What belonged to a LiveStream of the same name is collected within seconds; then it counts as another's. */
const LEFTOVER_MS = 15_000;
const LEFTOVER_RETRY_MS = 500;
/** The answer to a request changed what is to be said. */
const AT_ONCE_MS = 1;

/** Makes of one LiveStream everything that it should be: what pods obey, then what people see, then how it is found. */
export class StreamController {
  readonly #options: StreamControllerOptions;
  readonly #plans = new Map<string, StreamPlan>();
  /** What has a name that a stream needs, by uid. */
  readonly #conflicts = new Map<string, NameConflict>();

  constructor(options: StreamControllerOptions) {
    this.#options = options;
  }

  /** What was last decided for a stream. */
  planOf(uid: string): StreamPlan | undefined {
    return this.#plans.get(uid);
  }

  forget(uid: string): void {
    this.#plans.delete(uid);
    this.#conflicts.delete(uid);
  }

  /** Gives when to look again, ms; undefined: when something changes. @throws KubeError */
  async reconcile(key: string, signal: AbortSignal): Promise<number | undefined> {
    const stream = this.#options.world.streams.get(key);
    if (stream === undefined) return undefined;
    if (stream.metadata.deletionTimestamp !== undefined) return this.#finish(stream, signal);
    const view = await this.#see(stream, signal);
    if (view === 'leftover') return LEFTOVER_RETRY_MS;
    const plan = planStream(view, makeKeys);
    this.#plans.set(stream.metadata.uid, plan);
    let again: number | undefined;
    try {
      again = await this.#enforce(stream, plan, signal);
    } finally {
      // What cannot be made is tried again; what is known is said all the same.
      this.#options.onPlanned(key);
    }
    const due = plan.wakeAt === undefined ? undefined : Math.max(1, plan.wakeAt - this.#options.now());
    return soonest([again, due]);
  }

  async #enforce(stream: StoredStream, plan: StreamPlan, signal: AbortSignal): Promise<number | undefined> {
    const { records, children, finalizer, pods, addressesFor, onEvent } = this.#options;
    const { uid } = stream.metadata;
    const { record } = plan;
    const view = pods.viewOf(uid);
    if (record !== undefined && (await records.put(record, signal))) this.#options.onWritten(uid, record);
    const quiet = pods.hasHeardAll ? await finalizer.keep(stream, view, signal) : undefined;
    for (const step of plan.steps) {
      const note = record && keyEvent(step, record);
      if (note !== undefined) onEvent(stream, note);
    }
    const taken = this.#conflicts.get(uid);
    if (taken?.what.startsWith('Secret') || (record === undefined && taken === undefined)) {
      return soonest([quiet, this.#retry(uid)]);
    }
    if (record !== undefined) {
      await children.putSecret(stream, record, addressesFor(record.config.srt.dedicatedPort), signal);
    }
    const again = await this.#lead(stream, record, view, signal);
    return soonest([quiet, again, this.#retry(uid)]);
  }

  #retry(uid: string): number | undefined {
    return this.#conflicts.has(uid) ? TAKEN_RETRY_MS : undefined;
  }

  /** From the first publication on, the stream is found inside of the cluster at its owner. A name that was taken is looked at again. */
  async #lead(
    stream: StoredStream,
    record: StreamRecord | undefined,
    view: readonly PodView[],
    signal: AbortSignal,
  ): Promise<number | undefined> {
    const { children } = this.#options;
    const { uid } = stream.metadata;
    const taken = this.#conflicts.get(uid);
    const owner = publisherOf(view)?.pod;
    if (owner === undefined && taken === undefined && !children.hasService(stream)) return undefined;
    const conflict =
      record === undefined
        ? await children.endpointConflict(stream, signal)
        : await children.putEndpoint(stream, this.#endpoint(stream, owner), signal);
    const isNews = conflict?.what !== taken?.what;
    if (conflict === undefined) this.#conflicts.delete(uid);
    else this.#conflicts.set(uid, conflict);
    return isNews ? AT_ONCE_MS : undefined;
  }

  /**
   * The owner's address; without one the address that is there, as long as it is a pod's, else any pod's: each serves all. Without any,
   * the one that is there while its pod may return.
   */
  #endpoint(stream: StoredStream, owner: string | undefined): Endpoint | undefined {
    const { pods, children } = this.#options;
    if (owner !== undefined) return pods.addressOf(owner);
    const present = children.endpointOf(stream);
    const stays = present === undefined ? undefined : { address: present, isTerminating: false };
    if (stays !== undefined && pods.hasAddress(stays.address)) return stays;
    const any = pods.anyReady;
    if (any !== undefined) return pods.addressOf(any);
    return stays !== undefined && pods.mayReturn(stays.address) ? stays : undefined;
  }

  async #finish(stream: StoredStream, signal: AbortSignal): Promise<number | undefined> {
    const { finalizer, pods, onPlanned, onEvent, log } = this.#options;
    const { uid, deletionTimestamp } = stream.metadata;
    onPlanned(keyOf(stream));
    if (!pods.hasHeardAll && this.#options.now() - Date.parse(deletionTimestamp!) < LEFTOVER_MS)
      return LEFTOVER_RETRY_MS;
    const farewell = await finalizer.finish(stream, pods.viewOf(uid), signal);
    if (farewell.state === 'waiting') return farewell.retryMs;
    if (farewell.abandonedBytes > 0) {
      const message = `${farewell.abandonedBytes} bytes had not reached the store when the LiveStream went; the pods go on trying.`;
      onEvent(stream, { type: 'Warning', reason: 'RecordingAbandoned', message });
      log.warn({ stream_key: keyOf(stream), uid, bytes: farewell.abandonedBytes }, 'deleted before all was stored');
    }
    return undefined;
  }

  /** Everything that the stream depends on. */
  async #see(stream: StoredStream, signal: AbortSignal): Promise<StreamView | 'leftover'> {
    const { pool, world, records, secrets, index, pods, dedicatedPortOf, now, podsFirstMs } = this.#options;
    const { uid, namespace, name } = stream.metadata;
    const { recording, credentials } = stream.spec;
    const policyName = recording?.enabled === true ? recording.policyRef?.name : undefined;
    const policy = policyName === undefined ? undefined : world.policies.get(`${namespace}/${policyName}`);
    const storeSecretName = recordingSpec(stream, policy)?.store?.credentialsSecretRef?.name;
    const keySecretName = credentials?.secretRef?.name;
    const named = [storeSecretName, keySecretName, publishSecretName(name)].filter((each) => each !== undefined);
    index.noteUses(keyOf(stream), {
      policy: policyName && `${namespace}/${policyName}`,
      secrets: named.map((secret) => `${namespace}/${secret}`),
    });
    if (this.#noteSecretConflict(stream) === 'leftover') return 'leftover';
    const record = records.of(uid);
    return {
      stream,
      pool,
      policy,
      storeSecret: storeSecretName === undefined ? undefined : await secrets.read(namespace, storeSecretName, signal),
      keySecret:
        keySecretName === undefined
          ? undefined
          : { name: keySecretName, data: await secrets.read(namespace, keySecretName, signal) },
      record,
      recovered: record === undefined ? await this.#recover(stream, signal) : undefined,
      olderInNamespace: pool.maxStreamsPerNamespace > 0 ? index.olderThan(stream) : 0,
      dedicatedPort: stream.spec.ingest?.dedicatedPort === true ? dedicatedPortOf(uid) : null,
      nameTaken: this.#conflicts.get(uid)?.what,
      podsHaveIt: record !== undefined && allObey(pods.viewOf(uid), record.config.revision),
      now: now(),
      podsFirstMs,
    };
  }

  #noteSecretConflict(stream: StoredStream): 'leftover' | undefined {
    const { children, now } = this.#options;
    const { uid, name, creationTimestamp = '' } = stream.metadata;
    const conflict = children.secretConflict(stream, publishSecretName(name));
    if (conflict?.ownership === 'leftover' && now() - Date.parse(creationTimestamp) < LEFTOVER_MS) return 'leftover';
    const known = this.#conflicts.get(uid);
    if (conflict !== undefined) this.#conflicts.set(uid, conflict);
    else if (known?.what.startsWith('Secret')) this.#conflicts.delete(uid);
    return undefined;
  }

  /** The keys that people have, where the runtime namespace has lost them: they must not get others. */
  async #recover(stream: StoredStream, signal: AbortSignal): Promise<KeyState | undefined> {
    const { world, secrets } = this.#options;
    const { namespace, name, uid } = stream.metadata;
    const seen = world.secrets.get(`${namespace}/${publishSecretName(name)}`);
    if (seen === undefined || this.#conflicts.get(uid)?.what.startsWith('Secret')) return undefined;
    const data = await secrets.read(namespace, publishSecretName(name), signal);
    return readPublishSecret({ metadata: seen.metadata, text: data ?? {} });
  }
}

function soonest(waits: readonly (number | undefined)[]): number | undefined {
  const known = waits.filter((wait) => wait !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}
