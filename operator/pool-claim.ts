import { setTimeout as delay } from 'node:timers/promises';
import { GROUP } from '../crds/names.ts';
import { Fault } from '../ingest/runtime/fault.ts';
import type { Log } from '../ingest/runtime/log.ts';
import type { KubeClient } from '../kube/client.ts';
import { KubeError } from '../kube/kube-error.ts';
import { type Lease, microTime, readLease, writeLease } from '../kube/lease.ts';
import { LEASES, pathOf } from '../kube/resource.ts';

export interface PoolClaimOptions {
  readonly client: KubeClient;
  /** Where this release keeps its claim. */
  readonly runtimeNamespace: string;
  readonly pool: string;
  /** `<namespace>/<release>`. */
  readonly holder: string;
  readonly log: Log;
  readonly timing?: Partial<PoolClaimTiming>;
}

/** In milliseconds. */
export interface PoolClaimTiming {
  readonly renewMs: number;
  /** A claim that did not change for this long holds nothing: a leader may need 20 s to follow another. */
  readonly lapseMs: number;
}

/** Label of a claim; its value is the pool. */
const CLAIM_LABEL = `${GROUP}/pool-claim`;
const claimName = (pool: string): string => `pool-${pool}`;
const TIMING: PoolClaimTiming = { renewMs: 15_000, lapseMs: 60_000 };

/** A claim as it was seen, and when it was seen to change. */
interface Seen {
  readonly version: string;
  readonly at: number;
}

/**
 * Only one release serves a pool. Each puts a Lease with the pool's name into its own runtime namespace and looks for those of others:
 * the oldest that is still renewed holds the name. Other machines' clocks are not compared but where a claim is seen for the first time.
 */
export class PoolClaim {
  readonly #options: PoolClaimOptions;
  readonly #timing: PoolClaimTiming;
  readonly #seen = new Map<string, Seen>();
  #takenBy: string | undefined;
  #isBlind = false;

  constructor(options: PoolClaimOptions) {
    this.#options = options;
    this.#timing = { ...TIMING, ...options.timing };
  }

  /** The release that holds the name; undefined: none but this. */
  get takenBy(): string | undefined {
    return this.#takenBy;
  }

  /** Looks who holds the name, and writes nothing: for a replica that does not lead. @throws KubeError */
  async look(signal: AbortSignal): Promise<void> {
    this.#note(this.#oldest(await this.#claims(signal)));
  }

  /** Waits until the name is this release's. @throws KubeError where the claim cannot be written */
  async acquire(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (await this.#try(signal)) return;
      await delay(this.#timing.renewMs / 5, undefined, { signal }).catch(() => {});
    }
  }

  /** Renews until `signal` aborts. @throws Fault ERR_POOL_TAKEN when an older claim turns up: both thought that they were first */
  async keep(signal: AbortSignal): Promise<void> {
    for (;;) {
      await delay(this.#timing.renewMs, undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      try {
        if (!(await this.#try(signal))) {
          throw new Fault('ERR_POOL_TAKEN', `the pool ${this.#options.pool} is held by ${this.#takenBy}`);
        }
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof Fault && error.code === 'ERR_POOL_TAKEN') throw error;
        this.#options.log.warn({ err: error }, 'claim of the pool not renewed');
      }
    }
  }

  /** Writes the claim unless an older one is there, before or after. */
  async #try(signal: AbortSignal): Promise<boolean> {
    if (!this.#note(this.#oldest(await this.#claims(signal)))) return false;
    const own = await this.#write(signal);
    const others = await this.#claims(signal);
    if (this.#note(this.#oldest([...others.filter((claim) => !this.#isOwn(claim)), own]))) return true;
    const { client, runtimeNamespace, pool } = this.#options;
    await withdrawClaim(client, runtimeNamespace, pool);
    return false;
  }

  /** Takes note of the oldest claim. Gives whether the name is free, or ours. */
  #note(oldest: Lease | undefined): boolean {
    const { log, pool } = this.#options;
    const isOurs = oldest === undefined || this.#isOwn(oldest);
    const holder = isOurs ? undefined : (oldest.spec.holderIdentity ?? oldest.metadata.namespace);
    if (holder !== undefined && this.#takenBy !== holder) {
      log.error({ pool, holder, code: 'ERR_POOL_TAKEN' }, 'pool is held by another release');
    }
    this.#takenBy = holder;
    return isOurs;
  }

  #oldest(claims: readonly Lease[]): Lease | undefined {
    const alive = claims.filter((claim) => this.#isAlive(claim));
    return alive.sort((a, b) => (rank(a) < rank(b) ? -1 : 1))[0];
  }

  #isOwn({ metadata }: Lease): boolean {
    return metadata.namespace === this.#options.runtimeNamespace;
  }

  async #claims(signal: AbortSignal): Promise<readonly Lease[]> {
    const { client, pool, log } = this.#options;
    try {
      const query = { labelSelector: `${CLAIM_LABEL}=${pool}` };
      const list = await client.request<{ items: Lease[] }>({ path: pathOf(LEASES, {}), query, vital: true, signal });
      return list.items;
    } catch (error) {
      if (!KubeError.is(error, 'ERR_KUBE_FORBIDDEN')) throw error;
      // Rights in some namespaces only: then other releases are not seen, and watch other namespaces, one hopes.
      if (!this.#isBlind) log.info({ pool }, 'claims of other releases cannot be seen');
      this.#isBlind = true;
      return [];
    }
  }

  #isAlive({ metadata, spec }: Lease): boolean {
    const key = `${metadata.namespace}/${metadata.uid}`;
    const version = metadata.resourceVersion ?? '';
    const known = this.#seen.get(key);
    if (known?.version === version) return performance.now() - known.at < this.#timing.lapseMs;
    const age = Date.now() - Date.parse(spec.renewTime ?? '');
    const isOld = known === undefined && Math.abs(age) > 2 * this.#timing.lapseMs;
    this.#seen.set(key, { version, at: isOld ? Number.NEGATIVE_INFINITY : performance.now() });
    return !isOld;
  }

  async #write(signal: AbortSignal): Promise<Lease> {
    const { client, runtimeNamespace: namespace, pool, holder } = this.#options;
    const name = claimName(pool);
    const before = await readLease(client, namespace, name, { signal });
    const now = microTime(Date.now());
    const spec = {
      holderIdentity: holder,
      leaseDurationSeconds: this.#timing.lapseMs / 1000,
      acquireTime: this.#isHeldBy(before) ? before!.spec.acquireTime! : now,
      renewTime: now,
    };
    const labels = { [CLAIM_LABEL]: pool };
    return writeLease(client, { namespace, name, spec, labels }, { over: before?.metadata.resourceVersion, signal });
  }

  /** A claim of ours that has lapsed begins anew: another may have come in the meantime. */
  #isHeldBy(claim: Lease | undefined): boolean {
    return (
      claim?.spec.acquireTime !== undefined &&
      claim.spec.holderIdentity === this.#options.holder &&
      this.#isAlive(claim)
    );
  }
}

/** Gives the name of the pool free for other releases. @throws KubeError */
export async function withdrawClaim(client: KubeClient, runtimeNamespace: string, pool: string): Promise<void> {
  await client.remove(LEASES, { namespace: runtimeNamespace, name: claimName(pool) }, undefined);
}

/** The older of two claims comes first. */
const rank = ({ spec, metadata }: Lease): string => `${spec.acquireTime} ${metadata.namespace}`;
