import { inState } from '../../crds/compile.ts';
import { ANNOTATIONS, FINALIZER, tombstoneName } from '../../crds/names.ts';
import type { KubeClient } from '../../kube/client.ts';
import { KubeError } from '../../kube/kube-error.ts';
import { SECRETS } from '../../kube/resource.ts';
import type { StoredStream } from '../compile/manifest.ts';
import { isBusy, type PodView, recordingOf } from '../compile/pod-view.ts';
import type { StreamRecord } from '../compile/stream-config-secret.ts';
import { tombstoneSecret } from '../compile/tombstone-secret.ts';
import { LIVE_STREAMS } from '../watch/resources.ts';
import type { WatchedObjects } from '../watch/watched-objects.ts';
import type { Secret } from '../watch/world.ts';
import type { StreamRecords } from './stream-records.ts';

export interface FinalizerOptions {
  readonly client: KubeClient;
  readonly records: StreamRecords;
  readonly streams: WatchedObjects<StoredStream>;
  readonly runtimeSecrets: WatchedObjects<Secret>;
  readonly runtimeNamespace: string;
  readonly pool: string;
  /** How long a deleted LiveStream waits for what is not uploaded yet, ms. */
  readonly timeoutMs: number;
  /** Unix time, ms. */
  readonly now: () => number;
}

/** How a deletion stands. */
export type Farewell =
  | { readonly state: 'waiting'; readonly retryMs: number }
  /** `abandonedBytes`: what the store had not confirmed when the wait was over. */
  | { readonly state: 'done'; readonly abandonedBytes: number };

/** A stream without publisher keeps its finalizer this long, so that a publisher that comes and goes costs no writes. */
const QUIET_MS = 30_000;
const LOOK_AGAIN_MS = 1000;

/**
 * Holds a LiveStream only while there is something to finish: a publication is live, something waits for the store, or its recordings
 * are to be deleted with it. Deletion of recordings itself is the janitor's: here only the tombstone is set, before the object may go.
 */
export class Finalizer {
  readonly #options: FinalizerOptions;
  readonly #idleSince = new Map<string, number>();

  constructor(options: FinalizerOptions) {
    this.#options = options;
  }

  /** Puts the finalizer on or takes it off. Gives when to look again, ms. */
  async keep(stream: StoredStream, pods: readonly PodView[], signal: AbortSignal): Promise<number | undefined> {
    const { uid } = stream.metadata;
    const isWanted = isBusy(pods) || isToBeDeleted(stream, pods);
    if (isWanted) this.#idleSince.delete(uid);
    if (isWanted === isHeld(stream)) return undefined;
    if (isWanted) {
      await this.#patch(stream, [...(stream.metadata.finalizers ?? []), FINALIZER], signal);
      return undefined;
    }
    // What nobody can tell may still be there.
    if (!pods.some(({ hasReported }) => hasReported)) return undefined;
    const since = this.#idleSince.get(uid) ?? this.#options.now();
    this.#idleSince.set(uid, since);
    const left = since + QUIET_MS - this.#options.now();
    if (left > 0) return left;
    this.#idleSince.delete(uid);
    await this.#release(stream, signal);
    return undefined;
  }

  /** Takes a deleted LiveStream further towards its end. */
  async finish(stream: StoredStream, pods: readonly PodView[], signal: AbortSignal): Promise<Farewell> {
    const { records, now, timeoutMs } = this.#options;
    const { uid, annotations, deletionTimestamp } = stream.metadata;
    const record = records.of(uid);
    const ending = record && {
      ...record,
      config: inState(record.config, 'deleting'),
      deletionPolicy: stream.spec.recording?.deletionPolicy ?? 'Retain',
    };
    // Pods close the publisher within a second, finish the segment and upload it.
    if (ending !== undefined) await records.put(ending, signal);
    if (!isHeld(stream)) return { state: 'done', abandonedBytes: 0 };
    const isForced = annotations?.[ANNOTATIONS.forceDelete] === 'true';
    const left = Date.parse(deletionTimestamp!) + timeoutMs - now();
    if (!isForced && left > 0 && !isSettled(pods, ending)) {
      return { state: 'waiting', retryMs: Math.min(left, LOOK_AGAIN_MS) };
    }
    if (ending?.deletionPolicy === 'Delete') await this.bury(ending, signal);
    await this.#release(stream, signal);
    this.#idleSince.delete(uid);
    return { state: 'done', abandonedBytes: recordingOf(pods)?.backlogBytes ?? 0 };
  }

  /** Sets the tombstone, if there is anything to delete and it is not there yet. */
  async bury(record: StreamRecord, signal: AbortSignal): Promise<void> {
    const { client, runtimeSecrets, runtimeNamespace, pool, now } = this.#options;
    if (runtimeSecrets.get(`${runtimeNamespace}/${tombstoneName(record.config.uid)}`) !== undefined) return;
    const requestedAt = new Date(now()).toISOString();
    const tombstone = tombstoneSecret(runtimeNamespace, pool, record, requestedAt);
    if (tombstone === undefined) return;
    try {
      const written = await client.create(SECRETS, tombstone as unknown as Secret, signal);
      runtimeSecrets.in(runtimeNamespace).assume(written);
    } catch (error) {
      if (!KubeError.is(error, 'ERR_KUBE_CONFLICT')) throw error; // it is there: a leader before us set it
    }
  }

  forget(uid: string): void {
    this.#idleSince.delete(uid);
  }

  async #release(stream: StoredStream, signal: AbortSignal): Promise<void> {
    const finalizers = (stream.metadata.finalizers ?? []).filter((finalizer) => finalizer !== FINALIZER);
    await this.#patch(stream, finalizers, signal);
  }

  async #patch(stream: StoredStream, finalizers: readonly string[], signal: AbortSignal): Promise<void> {
    const { client, streams } = this.#options;
    const { namespace, name, uid, resourceVersion } = stream.metadata;
    const patch = { metadata: { uid, resourceVersion, finalizers } };
    try {
      const written = await client.merge<StoredStream>(LIVE_STREAMS, { namespace, name }, patch, signal);
      // The answer to the last finalizer's removal is the object as it was when it went.
      const isGone = written.metadata.deletionTimestamp !== undefined && finalizers.length === 0;
      if (!isGone) streams.in(namespace).assume(written);
    } catch (error) {
      if (!KubeError.is(error, 'ERR_KUBE_NOT_FOUND')) throw error;
    }
  }
}

const isHeld = ({ metadata }: StoredStream): boolean => metadata.finalizers?.includes(FINALIZER) ?? false;

/** Whether recordings exist that are to go with it. */
function isToBeDeleted({ spec, status }: StoredStream, pods: readonly PodView[]): boolean {
  if (spec.recording?.deletionPolicy !== 'Delete') return false;
  return status?.recording !== undefined || recordingOf(pods) !== undefined;
}

/** Whether nothing more can come: every ready pod has heard that it is to end, and nothing is live or waits for the store. */
function isSettled(pods: readonly PodView[], ending: StreamRecord | undefined): boolean {
  const asked = pods.filter(({ isReady, hasReported }) => isReady || hasReported);
  if (asked.length === 0 || !asked.every(({ hasReported }) => hasReported)) return false;
  const haveHeard = asked.every(({ stream }) => stream === undefined || stream.revision === ending?.config.revision);
  return haveHeard && !isBusy(pods);
}
