import type { Meter } from '../../ingest/runtime/meter.ts';
import { allObey, type PodView } from '../compile/pod-view.ts';
import type { StreamRecord } from '../compile/stream-config-secret.ts';

/** Measures how long it takes from a configuration written until all ready pods obey it. */
export class ProgrammingClock {
  readonly #meter: Meter;
  readonly #now: () => number;
  /** By uid: the revision that pods are waited for, and since when. */
  readonly #waiting = new Map<string, { readonly revision: string; readonly since: number }>();

  constructor(meter: Meter, now: () => number = () => performance.now()) {
    this.#meter = meter;
    this.#now = now;
  }

  /** A configuration was written. */
  wrote(uid: string, { config: { revision } }: StreamRecord): void {
    if (this.#waiting.get(uid)?.revision !== revision) this.#waiting.set(uid, { revision, since: this.#now() });
  }

  /** A pod has spoken. */
  look(uid: string, pods: readonly PodView[]): void {
    const waiting = this.#waiting.get(uid);
    if (waiting === undefined || !allObey(pods, waiting.revision)) return;
    this.#meter.observe('headwater_operator_programming_seconds', (this.#now() - waiting.since) / 1000);
    this.#waiting.delete(uid);
  }

  forget(uid: string): void {
    this.#waiting.delete(uid);
  }
}
