import { ANNOTATIONS, claimLeaseName, LABELS } from '../../crds/names.ts';
import type { KubeClient } from '../../kube/client.ts';
import { KubeError } from '../../kube/kube-error.ts';
import { type Lease, type LeaseContent, microTime, readLease, writeLease } from '../../kube/lease.ts';
import { Reflector } from '../../kube/reflector.ts';
import { LEASES } from '../../kube/resource.ts';
import { WorkQueue } from '../../kube/work-queue.ts';
import type { PublicationInfo } from '../media/publication.ts';
import type { Log } from '../runtime/log.ts';
import type { Meter } from '../runtime/meter.ts';
import type { PodIdentity } from './kubernetes-heartbeat.ts';
import type { Claim, EndedPublication, Ownership } from './ownership.ts';
import { SinglePod } from './single-pod.ts';

/** What claims are made with. */
export interface ClaimsOptions {
  readonly client: KubeClient;
  readonly pod: PodIdentity;
  /** Uid of the stream that a path leads to. */
  readonly uidOf: (path: string) => string | undefined;
  /** Id of the recording that begins with a publication. */
  readonly recordingOf: (claim: { readonly startedAt: Date; readonly epoch: number }) => string;
  readonly log: Log;
  readonly meter: Meter;
}

/** What a claim Lease is to say. */
interface WantedClaim {
  readonly path: string;
  readonly claim: Claim;
  readonly startedAt: Date;
  /** Null while it is published. */
  readonly ended: { readonly lastMediaAt: number } | null;
}

const WORKERS = 4;
const TIMEOUT_MS = 5_000;
const BACKOFF_MS = { min: 100, max: 5_000 } as const;

/**
 * Says in a Lease per stream which pod has its publication: written when one begins and when it ends, never in between. The
 * publisher does not wait for it: while the API server is away a claim is provisional, and written when it is back.
 */
export class KubernetesClaims implements Ownership {
  readonly #options: ClaimsOptions;
  readonly #epochs = new SinglePod();
  readonly #leases: Reflector<Lease>;
  readonly #queue: WorkQueue;
  /** The newest of each stream, by uid, until it is written. */
  readonly #wanted = new Map<string, WantedClaim>();

  constructor(options: ClaimsOptions) {
    const { client, pod, log, meter } = options;
    this.#options = options;
    this.#leases = new Reflector<Lease>({
      ...{ client, log, meter, resource: LEASES, namespace: pod.namespace },
      // Heartbeats have no uid.
      labelSelector: LABELS.uid,
      onChange: (_key, lease) => this.#see(lease),
    });
    this.#queue = new WorkQueue({
      name: 'claims',
      work: (uid, signal) => this.#write(uid, signal),
      workers: WORKERS,
      minBackoffMs: BACKOFF_MS.min,
      maxBackoffMs: BACKOFF_MS.max,
      log,
      meter,
    });
  }

  /** Watches and writes claims until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#leases.run(signal), this.#queue.run(signal)]);
  }

  /** Claims that the API server does not have yet. */
  get provisional(): number {
    return this.#wanted.size;
  }

  claim(path: string): Claim {
    const claim = this.#epochs.claim(path);
    this.#want(path, { path, claim, startedAt: new Date(), ended: null });
    return claim;
  }

  release({ info, lastMediaAt }: EndedPublication): void {
    const { path, startedAt, pub, epoch } = info;
    this.#want(path, { path, claim: { pub, epoch }, startedAt, ended: { lastMediaAt } }, info);
  }

  seen(path: string, epoch: number): void {
    this.#epochs.seen(path, epoch);
  }

  #see(lease: Lease | undefined): void {
    const { [ANNOTATIONS.stream]: path, [ANNOTATIONS.epoch]: epoch } = lease?.metadata.annotations ?? {};
    if (path !== undefined && Number.isSafeInteger(Number(epoch))) this.#epochs.seen(path, Number(epoch));
  }

  #want(path: string, wanted: WantedClaim, info?: PublicationInfo): void {
    const uid = info?.grant?.owner ?? this.#options.uidOf(path);
    if (uid === undefined) return;
    // A publication that took over has claimed the path before the one that it replaced has ended.
    const present = this.#wanted.get(uid);
    if (present !== undefined && present.claim.epoch > wanted.claim.epoch) return;
    this.#wanted.set(uid, wanted);
    this.#queue.add(uid);
  }

  async #write(uid: string, signal: AbortSignal): Promise<undefined> {
    const wanted = this.#wanted.get(uid);
    if (wanted === undefined) return undefined;
    const { client, pod } = this.#options;
    const name = claimLeaseName(uid);
    const key = `${pod.namespace}/${name}`;
    const known = this.#leases.objects.get(key);
    const options = { timeoutMs: TIMEOUT_MS, signal };
    const put = async (over: Lease | undefined): Promise<void> => {
      if (isNewer(over, wanted)) return;
      const content = this.#content(name, uid, wanted, over);
      this.#leases.assume(await writeLease(client, content, { ...options, over: over?.metadata.resourceVersion }));
    };
    try {
      await put(known);
    } catch (error) {
      const isStale = KubeError.is(error, 'ERR_KUBE_CONFLICT') || KubeError.is(error, 'ERR_KUBE_NOT_FOUND');
      if (!isStale) throw error;
      await put(await readLease(client, pod.namespace, name, options));
    }
    if (this.#wanted.get(uid) === wanted) this.#wanted.delete(uid);
    return undefined;
  }

  #content(name: string, uid: string, wanted: WantedClaim, over: Lease | undefined): LeaseContent {
    const { pod, recordingOf } = this.#options;
    const { path, claim, startedAt, ended } = wanted;
    const isOther = over?.metadata.annotations?.[ANNOTATIONS.publication] !== claim.pub;
    return {
      namespace: pod.namespace,
      name,
      labels: { [LABELS.pool]: pod.pool, [LABELS.uid]: uid },
      annotations: {
        [ANNOTATIONS.stream]: path,
        [ANNOTATIONS.publication]: claim.pub,
        [ANNOTATIONS.epoch]: String(claim.epoch),
        [ANNOTATIONS.recording]: recordingOf({ startedAt, epoch: claim.epoch }),
        [ANNOTATIONS.publishedAt]: startedAt.toISOString(),
        ...(ended && { [ANNOTATIONS.lastMediaAt]: new Date(ended.lastMediaAt).toISOString() }),
      },
      spec: {
        holderIdentity: ended === null ? pod.podName : '',
        acquireTime: microTime(startedAt.getTime()),
        renewTime: microTime(Date.now()),
        leaseTransitions: (over?.spec.leaseTransitions ?? 0) + (isOther ? 1 : 0),
      },
    };
  }
}

/** A later publication has claimed the stream: what is to be said of this one is of no use any more. */
function isNewer(lease: Lease | undefined, { claim }: WantedClaim): boolean {
  return Number(lease?.metadata.annotations?.[ANNOTATIONS.epoch] ?? 0) > claim.epoch;
}
