/** A fragment handed to the disk. */
export interface Ticket {
  isDurable: boolean;
  readonly seq: number;
  /** Source DTS before which, with this fragment and all before it, everything received is durable. */
  readonly dts: number;
}

/** Follows what is acknowledged over segments that are written side by side: only what has nothing unsynced before it counts. */
export class DurableOrder {
  #tickets: Ticket[] = [];
  #mark: { readonly seq: number; readonly dts: number } | undefined;

  /** The end of what is acknowledged; never goes back. */
  get mark(): { readonly seq: number; readonly dts: number } | undefined {
    return this.#mark;
  }

  issue(seq: number, dts: number): Ticket {
    const ticket = { seq, dts, isDurable: false };
    this.#tickets.push(ticket);
    return ticket;
  }

  acknowledge(ticket: Ticket): void {
    ticket.isDurable = true;
    let done = 0;
    while (this.#tickets[done]?.isDurable) done += 1;
    for (const { seq, dts } of this.#tickets.splice(0, done)) {
      if (this.#mark === undefined || seq > this.#mark.seq || dts > this.#mark.dts) {
        this.#mark = { seq: Math.max(seq, this.#mark?.seq ?? 0), dts: Math.max(dts, this.#mark?.dts ?? dts) };
      }
    }
  }

  /** Nothing that is still on its way will be acknowledged. */
  abandon(): void {
    this.#tickets = [];
  }
}
