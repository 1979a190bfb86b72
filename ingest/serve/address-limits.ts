import type { Log } from '../runtime/log.ts';
import type { Meter } from '../runtime/meter.ts';
import { countedAs } from './peer-address.ts';

/** Refused connections are counted one by one, and logged at most this often, ms: a flood of them must not become one of lines. */
const LOG_EVERY_MS = 1_000;

/** Counts connections by the address they come from (see {@link countedAs}), over all listeners that viewers and publishers use. */
export class AddressLimits {
  readonly #pending = new Map<string, number>();
  readonly #sessions = new Map<string, number>();
  readonly #maxPending: number;
  readonly #maxSessions: number;
  readonly #log: Log;
  readonly #meter: Meter;
  #loggedAt = Number.NEGATIVE_INFINITY;

  /** `pending`: not yet accepted as publisher or viewer. `sessions`: publishers and viewers. 0 for no limit. */
  constructor(
    limits: { readonly pendingPerAddress: number; readonly sessionsPerAddress: number },
    log: Log,
    meter: Meter,
  ) {
    this.#maxPending = limits.pendingPerAddress || Number.POSITIVE_INFINITY;
    this.#maxSessions = limits.sessionsPerAddress || Number.POSITIVE_INFINITY;
    this.#log = log;
    this.#meter = meter;
  }

  /** Counts a new connection; undefined when its address has too many that wait: counted and logged, the caller closes it. */
  open(from: string): AddressTicket | undefined {
    const address = countedAs(from);
    if (!enter(this.#pending, address, this.#maxPending)) {
      this.#refused(from);
      return undefined;
    }
    let isPending = true;
    let isSession = false;
    const accept = (): void => {
      if (isPending) leave(this.#pending, address);
      isPending = false;
    };
    return {
      request: () => {
        isSession ||= enter(this.#sessions, address, this.#maxSessions);
        return isSession;
      },
      accept,
      close: () => {
        accept();
        if (isSession) leave(this.#sessions, address);
        isSession = false;
      },
    };
  }

  #refused(address: string): void {
    const code = 'ERR_LIMIT_PENDING_PER_ADDRESS';
    this.#meter.count('headwater_connection_faults_total', code);
    const now = performance.now();
    if (now - this.#loggedAt < LOG_EVERY_MS) return;
    this.#loggedAt = now;
    this.#log.warn({ code, peer_addr: address }, 'connections refused');
  }
}

/** One connection's place in the count. */
export interface AddressTicket {
  /** It asks to publish or to play: false when its address has too many who do. It is pending still. */
  request(): boolean;
  /** It has been let in: no longer pending. */
  accept(): void;
  close(): void;
}

function enter(counts: Map<string, number>, address: string, limit: number): boolean {
  const count = counts.get(address) ?? 0;
  if (count >= limit) return false;
  counts.set(address, count + 1);
  return true;
}

function leave(counts: Map<string, number>, address: string): void {
  const count = counts.get(address) ?? 0;
  if (count > 1) counts.set(address, count - 1);
  else counts.delete(address);
}
