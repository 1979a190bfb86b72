import { PACKET_BYTES } from '../protocol/mpegts/packet.ts';
import type { ByteSink } from '../relay/viewer.ts';
import { type SendState, SrtSendBudget } from './srt-send-budget.ts';

/** Seven TS packets: what every SRT receiver takes. */
const MESSAGE_BYTES = 7 * PACKET_BYTES;

/** The part of an SRT connection that sends. */
export interface MessageSender extends SendState {
  /** Of one message, as the peer's MTU has it. */
  readonly maxPayloadBytes: number;
  /** False: it takes no more for now. `now` in µs. */
  send(message: Buffer, now: number): boolean;
}

interface Waiting {
  readonly bytes: Buffer;
  readonly onTaken: (() => void) | undefined;
  sent: number;
}

/** Cuts what a viewer is written into SRT messages, and holds back what its connection cannot take yet. */
export class SrtSink implements ByteSink {
  /** Undefined while the handshake waits: nothing is sent yet. */
  #sender: MessageSender | undefined;
  #messageBytes = MESSAGE_BYTES;
  readonly #now: () => number;
  readonly #budget = new SrtSendBudget();
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  /** Told at the next tick: whoever writes more then is not in the middle of writing. */
  #taken: (() => void)[] = [];

  /** `now`: µs. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** The viewer has been let in. */
  attach(sender: MessageSender): void {
    this.#sender = sender;
    const room = Math.min(MESSAGE_BYTES, sender.maxPayloadBytes);
    this.#messageBytes = room - (room % PACKET_BYTES);
  }

  get writableLength(): number {
    return this.#waitingBytes;
  }

  write(bytes: Buffer, onTaken?: () => void): void {
    this.#waiting.push({ bytes, onTaken, sent: 0 });
    this.#waitingBytes += bytes.length;
    if (this.#waiting.length === 1) this.#send(this.#now());
  }

  /** To be called at each tick: hands over what has room now. */
  tick(now: number): void {
    if (this.#sender !== undefined) this.#budget.adjust(this.#sender, now);
    if (this.#waiting.length > 0) this.#send(now);
    if (this.#taken.length === 0) return;
    const taken = this.#taken;
    this.#taken = [];
    for (const tell of taken) tell();
  }

  /** What waits is of no use any more. */
  clear(): void {
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#taken = [];
  }

  #send(now: number): void {
    const sender = this.#sender;
    if (sender === undefined) return;
    let done = 0;
    for (const waiting of this.#waiting) {
      const { bytes, onTaken } = waiting;
      while (waiting.sent < bytes.length) {
        if (!this.#budget.allows(sender, now)) break;
        const message = bytes.subarray(waiting.sent, waiting.sent + this.#messageBytes);
        if (!sender.send(message, now)) break;
        waiting.sent += message.length;
        this.#waitingBytes -= message.length;
      }
      if (waiting.sent < bytes.length) break;
      if (onTaken !== undefined) this.#taken.push(onTaken);
      done++;
    }
    if (done > 0) this.#waiting.splice(0, done);
  }
}
