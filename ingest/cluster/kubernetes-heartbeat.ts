import { setTimeout as delay } from 'node:timers/promises';
import { ANNOTATIONS, HEARTBEAT, heartbeatLeaseName, LABELS } from '../../crds/names.ts';
import type { KubeClient } from '../../kube/client.ts';
import { KubeError } from '../../kube/kube-error.ts';
import { type LeaseContent, microTime, readLease, writeLease } from '../../kube/lease.ts';
import { LEASES } from '../../kube/resource.ts';
import type { Log } from '../runtime/log.ts';

/** Who this pod is. */
export interface PodIdentity {
  readonly namespace: string;
  readonly pool: string;
  readonly podName: string;
  readonly podIp: string;
}

/** A renewal that takes longer than the time to the next one is given up. */
const TIMEOUT_MS = HEARTBEAT.renewEveryMs;

/** Says every three seconds that this pod lives, where it is reached, and whether it takes publishers. */
export class Heartbeat {
  readonly #client: KubeClient;
  readonly #pod: PodIdentity;
  readonly #log: Log;
  readonly #startedAt = Date.now();
  #internalPort = 0;
  #isDraining = false;
  /** Version of the Lease as it was written or read last. */
  #version: string | undefined;
  #hasFailed = false;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(client: KubeClient, pod: PodIdentity, log: Log) {
    this.#client = client;
    this.#pod = pod;
    this.#log = log;
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** Renews until the signal aborts. An API server that is away costs a line in the log and nothing else. */
  async run(internalPort: number, signal: AbortSignal): Promise<void> {
    this.#internalPort = internalPort;
    while (!signal.aborted) {
      await this.#beat(signal);
      await delay(HEARTBEAT.renewEveryMs, undefined, { signal, ref: false }).catch(() => {});
    }
  }

  /** Says so at once. */
  async drain(): Promise<void> {
    this.#isDraining = true;
    await this.#beat(undefined);
  }

  /** This pod is gone in good order: nobody has to wait for its heartbeat to grow old. */
  async end(): Promise<void> {
    const { namespace, podName } = this.#pod;
    const place = { namespace, name: heartbeatLeaseName(podName) };
    await this.#client
      .remove(LEASES, place, undefined, AbortSignal.timeout(TIMEOUT_MS))
      .catch((error: unknown) => this.#log.debug({ err: error }, 'heartbeat not removed'));
  }

  #beat(signal: AbortSignal | undefined): Promise<void> {
    const done = this.#turn.then(async () => {
      try {
        await this.#write(signal);
        if (this.#hasFailed) this.#log.info({}, 'heartbeat written again');
        this.#hasFailed = false;
      } catch (error) {
        if (signal?.aborted) return;
        if (!this.#hasFailed) this.#log.warn({ err: error }, 'heartbeat not written: publishing and recording go on');
        this.#hasFailed = true;
      }
    });
    this.#turn = done;
    return done;
  }

  async #write(signal: AbortSignal | undefined): Promise<void> {
    const content = this.#content();
    const { namespace, name } = content;
    const write = async (): Promise<void> => {
      const options = { over: this.#version, timeoutMs: TIMEOUT_MS, signal };
      this.#version = (await writeLease(this.#client, content, options)).metadata.resourceVersion;
    };
    try {
      await write();
    } catch (error) {
      const isStale = KubeError.is(error, 'ERR_KUBE_CONFLICT') || KubeError.is(error, 'ERR_KUBE_NOT_FOUND');
      if (!isStale) throw error;
      // Left by the pod that had this name before, or removed by hand.
      const found = await readLease(this.#client, namespace, name, { timeoutMs: TIMEOUT_MS, signal });
      this.#version = found?.metadata.resourceVersion;
      await write();
    }
  }

  #content(): LeaseContent {
    const { namespace, pool, podName, podIp } = this.#pod;
    return {
      namespace,
      name: heartbeatLeaseName(podName),
      labels: { [LABELS.pool]: pool },
      annotations: {
        [ANNOTATIONS.address]: podIp,
        [ANNOTATIONS.internalPort]: String(this.#internalPort),
        [ANNOTATIONS.draining]: String(this.#isDraining),
      },
      spec: {
        holderIdentity: podName,
        leaseDurationSeconds: HEARTBEAT.durationSeconds,
        acquireTime: microTime(this.#startedAt),
        renewTime: microTime(Date.now()),
      },
    };
  }
}
