/** Counts connections by the address they come from. */
export class AddressLimits {
  readonly #pending = new Map<string, number>();
  readonly #sessions = new Map<string, number>();
  readonly #maxPending: number;
  readonly #maxSessions: number;

  /** `pending`: not yet publisher or viewer. `sessions`: accepted ones, 0 for no limit. */
  constructor(limits: { readonly pendingPerAddress: number; readonly sessionsPerAddress: number }) {
    this.#maxPending = limits.pendingPerAddress;
    this.#maxSessions = limits.sessionsPerAddress;
  }

  /** Counts a new connection; undefined when its address has too many that wait. */
  open(address: string): AddressTicket | undefined {
    if (!enter(this.#pending, address, this.#maxPending)) return undefined;
    let held: Map<string, number> | undefined = this.#pending;
    return {
      accept: () => {
        if (held === this.#sessions) return true;
        if (!enter(this.#sessions, address, this.#maxSessions === 0 ? Infinity : this.#maxSessions)) return false;
        if (held !== undefined) leave(held, address);
        held = this.#sessions;
        return true;
      },
      close: () => {
        if (held !== undefined) leave(held, address);
        held = undefined;
      },
    };
  }
}

/** One connection's place in the count. */
export interface AddressTicket {
  /** It is now a publisher or viewer; false when its address has too many of them. */
  accept(): boolean;
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
