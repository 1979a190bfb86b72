import { ANNOTATIONS, HEARTBEAT, heartbeatLeaseName } from '../../crds/names.ts';
import type { PodReport, StreamReport } from '../../crds/pod-status.ts';
import type { Log } from '../../ingest/runtime/log.ts';
import type { Lease } from '../../kube/lease.ts';
import type { PodView } from '../compile/pod-view.ts';
import { followPod, type PodAddress } from './pod-feed.ts';

export interface PodRegistryOptions {
  readonly relayKey: () => string | undefined;
  /** A stream's report changed: at once where it is a change of state, else merely figures. */
  readonly onStream: (uid: string, isUrgent: boolean) => void;
  /** Which pods are ready changed: all streams are concerned. */
  readonly onPods: () => void;
  readonly onFinishedTombstones: (uids: readonly string[]) => void;
  readonly log: Log;
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
  readonly follow?: typeof followPod;
}

/** A pod as its heartbeat and its reports show it. */
interface Pod {
  where: PodAddress;
  isDraining: boolean;
  /** `renewTime` that was seen last, and when it was seen to change. */
  renewTime: string;
  beatAt: number;
  wasReady: boolean;
  feed: AbortController;
  /** Its report is being read. */
  isHeard: boolean;
  /** `streams` is what it knows, or knew when it was last heard. */
  hasReported: boolean;
  spoolPersistent: boolean;
  readonly streams: Map<string, StreamReport>;
}

const PREFIX = heartbeatLeaseName('');
const FRESH_MS = HEARTBEAT.durationSeconds * 1000;
/** A heartbeat that is found at the start is believed if its clock and ours make it no older than this. */
const BELIEVED_MS = 3 * FRESH_MS;
/** How long a pool without a ready pod is taken for one that restarts: statuses stay as they are meanwhile. */
const RESTING_MS = 20_000;
/** A pod without heartbeat for this long is no pod any more, and no longer asked. */
const GONE_MS = 60_000;

/** The pool's pods: which of them are ready, and what they say of each stream. */
export class PodRegistry {
  readonly #options: PodRegistryOptions;
  readonly #now: () => number;
  readonly #pods = new Map<string, Pod>();
  readonly #running = new Set<Promise<void>>();
  #signal: AbortSignal | undefined;
  #lastReadyAt = Number.NEGATIVE_INFINITY;
  #wasResting = false;

  constructor(options: PodRegistryOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /** Asks the pods until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    this.#signal = signal;
    for (const pod of this.#pods.values()) this.#follow(pod);
    const ticking = setInterval(() => this.tick(), 1000);
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    clearInterval(ticking);
    await Promise.all(this.#running);
  }

  /** A heartbeat Lease was seen. Other Leases are ignored. */
  heartbeat(name: string, lease: Lease | undefined): void {
    if (!name.startsWith(PREFIX)) return;
    const podName = name.slice(PREFIX.length);
    const where = lease && addressOf(podName, lease);
    if (lease === undefined || where === undefined) {
      this.#remove(podName);
      return;
    }
    const renewTime = lease.spec.renewTime ?? '';
    const isDraining = lease.metadata.annotations?.[ANNOTATIONS.draining] === 'true';
    const known = this.#pods.get(podName);
    const pod = known ?? this.#add(podName, where, renewTime);
    if (known !== undefined && renewTime !== pod.renewTime) {
      pod.renewTime = renewTime;
      pod.beatAt = this.#now();
    }
    pod.isDraining = isDraining;
    if (known !== undefined && (where.address !== pod.where.address || where.port !== pod.where.port)) {
      pod.where = where;
      pod.feed.abort();
      this.#forget(pod);
      this.#follow(pod);
    }
    this.#noteReadiness(pod);
  }

  /** Whether every pod with a fresh heartbeat has told what it knows. */
  get hasHeardAll(): boolean {
    return [...this.#pods.values()].every((pod) => pod.hasReported || !this.#isFresh(pod));
  }

  /** No pod is ready, but one was just now: a restart, most likely. */
  get isResting(): boolean {
    return ![...this.#pods.values()].some((pod) => this.#isReady(pod)) && this.#now() - this.#lastReadyAt < RESTING_MS;
  }

  /** Counts for metrics. */
  get counts(): ReadonlyMap<string, number> {
    const pods = [...this.#pods.values()];
    const ready = pods.filter((pod) => this.#isReady(pod)).length;
    return new Map([
      ['ready', ready],
      ['not ready', pods.length - ready],
    ]);
  }

  /** What each pod says of one stream. */
  viewOf(uid: string): PodView[] {
    return [...this.#pods].map(([name, pod]) => ({
      name,
      isReady: this.#isReady(pod),
      hasReported: pod.hasReported,
      spoolPersistent: pod.spoolPersistent,
      stream: pod.streams.get(uid),
    }));
  }

  /** Where a pod is and whether it is about to go; undefined: it is not known. */
  addressOf(name: string): { readonly address: string; readonly isTerminating: boolean } | undefined {
    const pod = this.#pods.get(name);
    return pod && { address: pod.where.address, isTerminating: pod.isDraining };
  }

  /** A pod that is ready; undefined: there is none. */
  get anyReady(): string | undefined {
    for (const [name, pod] of this.#pods) if (this.#isReady(pod)) return name;
    return undefined;
  }

  /** Whether a pod that is there has this address. */
  hasAddress(address: string): boolean {
    return [...this.#pods.values()].some((pod) => pod.where.address === address && (pod.isHeard || this.#isFresh(pod)));
  }

  /** Whether the pod that had this address may come back to it: it is missed only just now, or the whole pool restarts. */
  mayReturn(address: string): boolean {
    return this.isResting || [...this.#pods.values()].some((pod) => pod.where.address === address);
  }

  /** Takes in what a pod said. */
  take(podName: string, report: PodReport): void {
    const pod = this.#pods.get(podName);
    if (pod === undefined) return;
    const isFirst = !pod.hasReported;
    pod.isHeard = true;
    pod.hasReported = true;
    pod.isDraining = report.draining;
    pod.spoolPersistent = report.spoolPersistent;
    const told = new Set<string>();
    for (const stream of report.streams) {
      told.add(stream.uid);
      const before = pod.streams.get(stream.uid);
      pod.streams.set(stream.uid, stream);
      const isUrgent = stateIn(before) !== stateIn(stream);
      if (isUrgent || figuresIn(before) !== figuresIn(stream)) this.#options.onStream(stream.uid, isUrgent);
    }
    const gone = report.kind === 'all' ? [...pod.streams.keys()].filter((uid) => !told.has(uid)) : report.gone;
    for (const uid of gone) if (pod.streams.delete(uid)) this.#options.onStream(uid, true);
    if (report.finishedTombstones.length > 0) this.#options.onFinishedTombstones(report.finishedTombstones);
    if (isFirst) this.#options.onPods();
    this.#noteReadiness(pod);
  }

  /** Looks for heartbeats that have stopped. */
  tick(): void {
    for (const [name, pod] of this.#pods) {
      this.#noteReadiness(pod);
      const silentMs = this.#now() - pod.beatAt;
      if (pod.isHeard) continue;
      if (silentMs > GONE_MS) this.#remove(name);
      else if (silentMs > FRESH_MS && pod.hasReported) this.#forget(pod);
    }
    const { isResting } = this;
    if (this.#wasResting && !isResting) this.#options.onPods();
    this.#wasResting = isResting;
  }

  /** What it said last says nothing any more: it can't be asked and its heartbeat has stopped, or it is another one by now. */
  #forget(pod: Pod): void {
    pod.hasReported = false;
    pod.isHeard = false;
    const uids = [...pod.streams.keys()];
    pod.streams.clear();
    for (const uid of uids) this.#options.onStream(uid, true);
  }

  #add(name: string, where: PodAddress, renewTime: string): Pod {
    const age = Date.now() - Date.parse(renewTime);
    const pod: Pod = {
      where,
      isDraining: false,
      renewTime,
      // What was there before us is as old as its own clock says, within reason.
      beatAt: Number.isNaN(age) || Math.abs(age) > BELIEVED_MS ? this.#now() - FRESH_MS - 1 : this.#now(),
      wasReady: false,
      feed: new AbortController(),
      isHeard: false,
      hasReported: false,
      spoolPersistent: true,
      streams: new Map(),
    };
    this.#pods.set(name, pod);
    this.#follow(pod);
    return pod;
  }

  #remove(name: string): void {
    const pod = this.#pods.get(name);
    if (pod === undefined) return;
    this.#pods.delete(name);
    pod.feed.abort();
    this.#options.log.info({ pod: name }, 'pod left the pool');
    for (const uid of pod.streams.keys()) this.#options.onStream(uid, true);
    this.#options.onPods();
  }

  #follow(pod: Pod): void {
    if (this.#signal === undefined || this.#signal.aborted) return;
    pod.feed = new AbortController();
    const signal = AbortSignal.any([this.#signal, pod.feed.signal]);
    const { relayKey, log } = this.#options;
    const onReport = (report: PodReport): void => this.take(pod.where.pod, report);
    const onLost = (): void => {
      pod.isHeard = false;
      this.#noteReadiness(pod);
    };
    const running = (this.#options.follow ?? followPod)(pod.where, { relayKey, onReport, onLost, log }, signal);
    this.#running.add(running);
    void running.finally(() => this.#running.delete(running));
  }

  #noteReadiness(pod: Pod): void {
    const isReady = this.#isReady(pod);
    if (isReady) this.#lastReadyAt = this.#now();
    if (isReady === pod.wasReady) return;
    pod.wasReady = isReady;
    this.#options.log.info({ pod: pod.where.pod, ready: isReady, draining: pod.isDraining }, 'pod readiness changed');
    this.#options.onPods();
  }

  #isFresh(pod: Pod): boolean {
    return this.#now() - pod.beatAt <= FRESH_MS;
  }

  /** A pod that is heard is there, whatever has become of its Lease: pods work on without an API server. */
  #isReady(pod: Pod): boolean {
    return !pod.isDraining && (pod.isHeard || this.#isFresh(pod));
  }
}

function addressOf(pod: string, { metadata }: Lease): PodAddress | undefined {
  const address = metadata.annotations?.[ANNOTATIONS.address];
  const port = Number(metadata.annotations?.[ANNOTATIONS.internalPort]);
  return address && Number.isInteger(port) && port > 0 && port < 65_536 ? { pod, address, port } : undefined;
}

/** What a change of is a change of state. */
function stateIn(report: StreamReport | undefined): string {
  if (report === undefined) return '';
  const { revision, refusal, publisher, recording } = report;
  const { bitsPerSecond: _, ...identity } = publisher ?? { bitsPerSecond: 0 };
  const isDrained = publisher === null && (recording?.backlogBytes ?? 0) === 0;
  return JSON.stringify([
    revision,
    refusal,
    publisher && identity,
    recording?.current,
    recording?.problem?.reason,
    isDrained,
  ]);
}

function figuresIn(report: StreamReport | undefined): string {
  return JSON.stringify([report?.publisher?.bitsPerSecond, report?.recording]);
}
