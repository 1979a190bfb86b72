import { setTimeout as delay } from 'node:timers/promises';
import type { Log } from '../ingest/runtime/log.ts';
import type { KubeClient } from '../kube/client.ts';
import { KubeError } from '../kube/kube-error.ts';
import { microTime, readLease, writeLease } from '../kube/lease.ts';

/** In milliseconds. */
export interface OfficeTiming {
  readonly renewMs: number;
  /** A leader renews every two seconds, and ends when it finds its Lease taken. */
  readonly leaderEndsMs: number;
}

const TIMING: OfficeTiming = { renewMs: 5_000, leaderEndsMs: 5_000 };
const LEASE_SECONDS = 15;
const HOLDER = 'uninstall';

/**
 * The leader's Lease, held for as long as a release is taken down: replicas of the operator that are still there wait for it until they
 * are gone as well. Disposal renews it once more, for what remains to be taken down.
 */
export class UninstallOffice implements AsyncDisposable {
  readonly #client: KubeClient;
  readonly #lease: { readonly namespace: string; readonly name: string };
  readonly #log: Log;
  readonly #stop = new AbortController();
  #renewing: Promise<void> = Promise.resolve();

  /** Takes it from the leader, and waits until that has ended. @throws KubeError */
  static async take(
    client: KubeClient,
    lease: { readonly namespace: string; readonly name: string },
    log: Log,
    timing = TIMING,
  ): Promise<UninstallOffice> {
    const office = new UninstallOffice(client, lease, log);
    const former = await office.#write();
    office.#renewing = office.#keep(timing.renewMs);
    if (former) await delay(timing.leaderEndsMs);
    return office;
  }

  private constructor(client: KubeClient, lease: { readonly namespace: string; readonly name: string }, log: Log) {
    this.#client = client;
    this.#lease = lease;
    this.#log = log;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#renewing;
    await this.#write();
  }

  async #keep(everyMs: number): Promise<void> {
    const { signal } = this.#stop;
    for (;;) {
      await delay(everyMs, undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      await this.#write().catch((error: unknown) => this.#log.warn({ err: error }, 'Lease not renewed'));
    }
  }

  /** Gives who held it. @throws KubeError */
  async #write(): Promise<string | undefined> {
    for (;;) {
      const { namespace, name } = this.#lease;
      const before = await readLease(this.#client, namespace, name);
      const now = microTime(Date.now());
      const spec = { holderIdentity: HOLDER, leaseDurationSeconds: LEASE_SECONDS, acquireTime: now, renewTime: now };
      try {
        await writeLease(this.#client, { namespace, name, spec }, { over: before?.metadata.resourceVersion });
        return before?.spec.holderIdentity;
      } catch (error) {
        if (!KubeError.is(error, 'ERR_KUBE_CONFLICT')) throw error; // another wrote it in between
      }
    }
  }
}
