import type { Restful } from '../relay/flush-clock.ts';

/** Publishers that nobody watches are read this often, ms. At 50 Mbit/s it is half a megabyte that the kernel keeps meanwhile. */
const REST_MS = 80;
/** They rest in this many groups, one after the other: no tick has all of them to read. */
const COHORTS = 2;

/**
 * When sockets that stopped reading go on. A wake-up of the event loop for every few hundred bytes is most of what a publisher costs; where
 * no viewer waits for them, they are left to the kernel for a moment and read in one go.
 */
export class ReadPace implements Disposable {
  readonly #resting: Restful[][] = Array.from({ length: COHORTS }, () => []);
  #timer: NodeJS.Timeout | undefined;
  #next = 0;

  /** The socket, which has stopped reading, is resumed with its group: `group` is any number that stays the same for it. */
  rest(socket: Restful, group: number): void {
    this.#resting[group % COHORTS]!.push(socket);
    this.#timer ??= setInterval(() => this.#wake(), REST_MS / COHORTS);
  }

  #wake(): void {
    const at = this.#next;
    this.#next = (at + 1) % COHORTS;
    const group = this.#resting[at]!;
    this.#resting[at] = [];
    for (const socket of group) if (!socket.destroyed) socket.resume();
    if (group.length === 0 && this.#resting.every((each) => each.length === 0)) this[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
