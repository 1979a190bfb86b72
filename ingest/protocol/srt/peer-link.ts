import type { SrtConnectionHandler } from './connection-handler.ts';
import type { Negotiated } from './negotiated.ts';
import { controlPacket, HEADER_BYTES } from './packet.ts';

/** libsrt puts a word behind the header of control packets that have no body. */
const PADDING_BYTES = 4;

/** What goes out to the peer: datagrams with its socket id and our clock, and whether anything went. */
export class PeerLink {
  readonly #handler: SrtConnectionHandler;
  readonly #destination: number;
  readonly #startedAt: number;
  /** Something was sent since this was last set to false. */
  hasSpoken = false;

  constructor(negotiated: Negotiated, handler: SrtConnectionHandler) {
    this.#handler = handler;
    this.#destination = negotiated.peerSocketId;
    this.#startedAt = negotiated.startedAt;
  }

  get destination(): number {
    return this.#destination;
  }

  /** µs since our own clock began: the timestamps of what we send, before they are cut to 32 bits. */
  timestamp(now: number): number {
    return now - this.#startedAt;
  }

  send(datagram: Buffer): void {
    this.hasSpoken = true;
    this.#handler.send(datagram);
  }

  /** A control packet whose body is still to be filled in, and then to be given to `send`. */
  control(type: number, information: number, now: number, bodyBytes: number, subtype = 0): Buffer {
    return controlPacket(type, information, this.timestamp(now), this.#destination, bodyBytes, subtype);
  }

  /** Sends a control packet without a body. */
  signal(type: number, information: number, now: number): void {
    const datagram = this.control(type, information, now, PADDING_BYTES);
    datagram.fill(0, HEADER_BYTES);
    this.send(datagram);
  }
}
