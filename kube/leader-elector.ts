import { setTimeout as delay } from 'node:timers/promises';
import type { Log } from '../ingest/runtime/log.ts';
import { jittered } from './backoff.ts';
import type { KubeClient } from './client.ts';
import { KubeError } from './kube-error.ts';
import { type Lease, type LeaseWrite, microTime, readLease, writeLease } from './lease.ts';

export interface LeaderElectorOptions {
  readonly client: KubeClient;
  readonly namespace: string;
  /** Of the Lease. */
  readonly name: string;
  /** Of this process, different from that of any other, and of the one before it. */
  readonly identity: string;
  readonly log: Log;
  readonly timing?: Partial<LeaderTiming>;
  /** Milliseconds of a clock that goes on while the process is stopped, and never back. */
  readonly now?: () => number;
}

/** In milliseconds. */
export interface LeaderTiming {
  /** A Lease that did not change for this long is free. */
  readonly leaseMs: number;
  /** A leader that could not renew for this long stops being one; well before others may take the Lease. */
  readonly renewDeadlineMs: number;
  readonly retryMs: number;
}

const TIMING: LeaderTiming = { leaseMs: 15_000, renewDeadlineMs: 10_000, retryMs: 2000 };

/** What this process saw of the Lease, and when it saw it change. The times inside of the Lease are other machines' clocks: never compared. */
interface Observed {
  readonly lease: Lease;
  readonly at: number;
}

/**
 * Leader election by a Lease: at most one process leads. A leader renews every 2 s; where it cannot for 10 s, or finds
 * that it was stopped for that long, it has lost and must end. Others take over 15 s after the last change they saw.
 */
export class LeaderElector {
  readonly #options: LeaderElectorOptions;
  readonly #timing: LeaderTiming;
  readonly #now: () => number;
  #observed: Observed | undefined;
  /** Start of the last renewal that succeeded, while leading. */
  #renewedAt: number | undefined;
  #lost = false;

  constructor(options: LeaderElectorOptions) {
    this.#options = options;
    this.#timing = { ...TIMING, ...options.timing };
    this.#now = options.now ?? (() => performance.now());
  }

  get isLeading(): boolean {
    return this.#renewedAt !== undefined && !this.#isLate();
  }

  /** Who leads, as far as this process knows. */
  get leader(): string | undefined {
    return this.#observed?.lease.spec.holderIdentity || undefined;
  }

  /**
   * For `KubeClient.guardWith`: whoever was leader and is it no longer starts no request, not even the first one after it
   * was stopped and continued, before any timer ran. @throws KubeError ERR_KUBE_LEADERSHIP_LOST
   */
  readonly guard = (): void => {
    if (this.#lost || this.#isLate()) throw this.#loss();
  };

  /**
   * Waits until this process leads, and runs `lead` until `signal` aborts; then waits for `lead` to end and gives the
   * Lease free. @throws KubeError ERR_KUBE_LEADERSHIP_LOST when the Lease was lost: the process must exit.
   */
  async run(signal: AbortSignal, lead: (signal: AbortSignal) => Promise<void>): Promise<void> {
    if (!(await this.#acquire(signal))) return;
    const { log, identity } = this.#options;
    log.info({ identity }, 'leading');
    const lost = new AbortController();
    const ended = new AbortController();
    const renewing = this.#keepRenewing(ended.signal).catch((error: unknown) => {
      this.#lost = true;
      lost.abort(error);
      throw error;
    });
    try {
      // A loss does not wait for what leads to end.
      await Promise.race([lead(AbortSignal.any([signal, lost.signal])), renewing]);
    } finally {
      // Renewed until here: whatever leads may take its time to stop.
      ended.abort();
      await renewing.catch(() => {});
      if (!this.#lost) await this.#release();
    }
  }

  async #acquire(signal: AbortSignal): Promise<boolean> {
    while (!signal.aborted) {
      const began = this.#now();
      try {
        if (await this.#tryAcquire(began, signal)) return true;
      } catch (error) {
        if (signal.aborted) return false;
        this.#options.log.warn({ err: error }, 'Lease cannot be had');
      }
      await delay(this.#untilNextTry(), undefined, { signal }).catch(() => {});
    }
    return false;
  }

  /** Not later than when the Lease would be free, so that nothing is added to the 15 s. */
  #untilNextTry(): number {
    const retry = this.#timing.retryMs * (1 + Math.random() * 0.2);
    if (!this.#observed) return retry;
    return Math.max(jittered(50), Math.min(retry, this.#observed.at + this.#timing.leaseMs - this.#now() + 1));
  }

  async #tryAcquire(began: number, signal: AbortSignal): Promise<boolean> {
    const { client, namespace, name, identity } = this.#options;
    const timeoutMs = this.#timing.retryMs * 2;
    const lease = await readLease(client, namespace, name, { signal, timeoutMs });
    if (lease) this.#observe(lease, this.#now());
    const holder = lease?.spec.holderIdentity;
    const isFree = !holder || holder === identity || this.#now() - this.#observed!.at >= this.#timing.leaseMs;
    if (!isFree) return false;
    try {
      const written = await this.#write(lease, holder !== identity, { timeoutMs, signal });
      this.#observe(written, this.#now());
      this.#renewedAt = began;
      return true;
    } catch (error) {
      if (KubeError.is(error, 'ERR_KUBE_CONFLICT')) return false; // another was faster
      throw error;
    }
  }

  async #keepRenewing(ended: AbortSignal): Promise<void> {
    for (;;) {
      await delay(this.#timing.retryMs, undefined, { signal: ended }).catch(() => {});
      if (ended.aborted) return;
      // Before each write: a process that was stopped meanwhile must not take back what is another's by now.
      this.guard();
      const began = this.#now();
      try {
        await this.#renew();
        this.#renewedAt = began;
      } catch (error) {
        if (KubeError.is(error, 'ERR_KUBE_LEADERSHIP_LOST')) throw error;
        this.#options.log.warn({ err: error, left_ms: Math.round(this.#leftMs()) }, 'Lease not renewed');
      }
    }
  }

  async #renew(): Promise<void> {
    const { client, namespace, name, identity } = this.#options;
    const timeoutMs = Math.max(1, Math.min(this.#timing.renewDeadlineMs / 2, this.#leftMs()));
    try {
      this.#observe(await this.#write(this.#observed!.lease, false, { timeoutMs }), this.#now());
    } catch (error) {
      const isChanged = KubeError.is(error, 'ERR_KUBE_CONFLICT') || KubeError.is(error, 'ERR_KUBE_NOT_FOUND');
      if (!isChanged) throw error;
      // Somebody wrote it: a label, or a takeover. Read, and go on only where it is still ours.
      const lease = await readLease(client, namespace, name, { timeoutMs });
      if (lease?.spec.holderIdentity !== identity) throw this.#loss();
      this.guard();
      this.#observe(await this.#write(lease, false, { timeoutMs }), this.#now());
    }
  }

  #write(lease: Lease | undefined, isNew: boolean, how: Omit<LeaseWrite, 'over'>): Promise<Lease> {
    const { client, namespace, name, identity } = this.#options;
    const now = microTime(Date.now());
    const before = lease?.spec;
    const { labels, annotations, resourceVersion } = lease?.metadata ?? {};
    const spec = {
      holderIdentity: identity,
      leaseDurationSeconds: Math.ceil(this.#timing.leaseMs / 1000),
      acquireTime: isNew ? now : (before?.acquireTime ?? now),
      renewTime: now,
      leaseTransitions: (before?.leaseTransitions ?? 0) + (isNew && lease ? 1 : 0),
    };
    const content = { namespace, name, spec, ...(labels && { labels }), ...(annotations && { annotations }) };
    return writeLease(client, content, { over: resourceVersion, ...how });
  }

  /** Leaves it free, so that the next leader need not wait. A second is all that a stop waits for it. */
  async #release(): Promise<void> {
    const { client, namespace, name, log } = this.#options;
    const lease = this.#observed?.lease;
    if (!lease || this.#lost || this.#isLate()) return;
    this.#renewedAt = undefined;
    const spec = { ...lease.spec, holderIdentity: '', leaseDurationSeconds: 1, renewTime: microTime(Date.now()) };
    const { labels, annotations, resourceVersion } = lease.metadata;
    const content = { namespace, name, spec, ...(labels && { labels }), ...(annotations && { annotations }) };
    try {
      await writeLease(client, content, { over: resourceVersion, timeoutMs: 1000 });
    } catch (error) {
      log.info({ err: error }, 'Lease not released');
    }
  }

  #observe(lease: Lease, at: number): void {
    const before = this.#observed?.lease.metadata;
    const isSame = before?.resourceVersion === lease.metadata.resourceVersion && before?.uid === lease.metadata.uid;
    if (!isSame) this.#observed = { lease, at };
  }

  #leftMs(): number {
    return (this.#renewedAt ?? 0) + this.#timing.renewDeadlineMs - this.#now();
  }

  #isLate(): boolean {
    return this.#renewedAt !== undefined && this.#leftMs() <= 0;
  }

  #loss(): KubeError {
    return new KubeError('ERR_KUBE_LEADERSHIP_LOST', `${this.#options.identity} could not renew its Lease in time`);
  }
}
