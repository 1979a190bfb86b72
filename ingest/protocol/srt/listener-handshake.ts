import { type ConnectionRequest, parseConnectionRequest } from './connection-request.ts';
import { COOKIE_LIFE_US, CookieMint } from './cookie.ts';
import { encodeExtensions } from './handshake-extension.ts';
import {
  EXTENSION_FIELD,
  encodeHandshake,
  HANDSHAKE,
  type Handshake,
  INDUCTION_MAGIC,
  MIN_HANDSHAKE_BYTES,
  parseHandshake,
} from './handshake-packet.ts';
import type { AgreedKeys } from './key-agreement.ts';
import type { KeyLength } from './key-material.ts';
import { LIVE_FLAGS, MAX_FLOW_WINDOW, negotiateLatency, OUR_MTU, OUR_VERSION } from './live-mode.ts';
import type { Negotiated } from './negotiated.ts';
import { CONTROL, controlTypeOf, isControl, setTimestamp } from './packet.ts';
import { REJECTION, RefusedHandshake, type Rejection } from './rejection.ts';

export interface ListenerOptions {
  /** 32 random bytes of this process, for cookies. */
  readonly secret: Buffer;
  /** Packets that the receive buffer of a connection takes. */
  readonly flowWindow: number;
  /** Told to callers that did not choose one: bytes of a key. Callers that do not say that they send obey it in any case. */
  readonly keyLength?: KeyLength;
  /** Requests that may wait for an answer at one time. */
  readonly halfOpen: number;
  /** Whether an address may make one more request now. Where not, there is no answer: the caller asks again a quarter of a second later. */
  readonly admits: (address: string) => boolean;
}

/** What came of a datagram, where something did. */
export type ListenerStep =
  | { readonly kind: 'answer'; readonly datagram: Buffer }
  | { readonly kind: 'refused'; readonly datagram: Buffer; readonly fault: RefusedHandshake }
  /** To be given to `accept` or `refuse`. */
  | { readonly kind: 'request'; readonly request: ConnectionRequest };

/** What a request is accepted with. */
export interface Terms {
  readonly localSocketId: number;
  /** Ours, for both directions. */
  readonly latencyMs: number;
  /** Undefined: in clear. */
  readonly agreed: Pick<AgreedKeys<unknown>, 'keys' | 'response' | 'keyLength'> | undefined;
}

/** One peer's conclusion: what it was answered, if it has been. */
interface Entry {
  readonly request: ConnectionRequest;
  /** Undefined: it waits. */
  answer: Buffer | undefined;
  /** Our `now` from which the timestamps of the connection count. */
  startedAt: number;
  /** See {@link ListenerHandshake.park}. */
  isParked: boolean;
}

/** Answers that are kept for callers which no longer have a connection. */
const MAX_OLD_ENTRIES = 4096;
/** Viewers who wait for publishers. */
const MAX_PARKED = 16_384;

/**
 * The listener's side of all handshakes of one port (SRT draft §4.3.1).
 *
 *   INDUCTION →   ← INDUCTION with a cookie; nothing is kept        CONCLUSION with the cookie →   ← CONCLUSION, or a rejection
 *
 * Callers repeat what they sent every 250 ms. A repeated conclusion gets the answer of the first one again, or none while that is not there.
 * Takes handshake packets only, whatever socket they are for; anything else, and cookies that are wrong, are met with silence.
 * `now` in µs of one monotonic clock.
 */
export class ListenerHandshake {
  readonly #options: ListenerOptions;
  readonly #cookies: CookieMint;
  /** Waiting for an answer, or connected. */
  readonly #entries = new Map<string, Entry>();
  /** Refused or closed, oldest first; kept while their cookie is right, so that a late copy opens nothing. */
  readonly #old = new Map<string, { readonly answer: Buffer | undefined; readonly since: number }>();
  /** Without an answer: those that are decided upon now, and those that are parked. */
  #waiting = 0;
  #parked = 0;

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#cookies = new CookieMint(options.secret);
  }

  /** `address` without the prefix of mapped IPv4. */
  receive(datagram: Buffer, address: string, port: number, now: number): ListenerStep | undefined {
    if (datagram.length < MIN_HANDSHAKE_BYTES || !isControl(datagram)) return undefined;
    if (controlTypeOf(datagram) !== CONTROL.handshake) return undefined;
    const handshake = parseHandshake(datagram);
    if (handshake.socketId === 0 || handshake.version < 4) return undefined;
    if (handshake.type === HANDSHAKE.induction) return this.#induce(handshake, address, port, now);
    if (handshake.type === HANDSHAKE.conclusion) return this.#conclude(datagram, handshake, address, port, now);
    if (handshake.type !== HANDSHAKE.waveAHand || !this.#options.admits(address)) return undefined;
    const fault = new RefusedHandshake('ERR_SRT_RENDEZVOUS', 'unimplemented', 'rendezvous is not served: be a caller');
    return { kind: 'refused', datagram: rejectionOf(handshake, fault.rejection, address, now), fault };
  }

  /**
   * It is decided that the answer comes later, as to viewers who wait for a publisher: the request does not count as half-open any more,
   * or they would keep the publisher out. Beyond {@link MAX_PARKED} it still does.
   */
  park(request: ConnectionRequest): void {
    const entry = this.#waitingEntry(request);
    if (entry.isParked || this.#parked >= MAX_PARKED) return;
    entry.isParked = true;
    this.#parked += 1;
    this.#waiting -= 1;
  }

  /** The connection is there; `datagram` tells the caller. @throws RangeError where the request does not wait */
  accept(request: ConnectionRequest, terms: Terms, now: number): { datagram: Buffer; negotiated: Negotiated } {
    const entry = this.#waitingEntry(request);
    const { handshake, hs } = request;
    const { localSocketId, agreed } = terms;
    const latency = negotiateLatency(terms.latencyMs, hs);
    const mtu = Math.min(handshake.mtu, OUR_MTU);
    entry.startedAt = now;
    entry.answer = encodeHandshake(
      {
        version: 5,
        encryption: (agreed?.keyLength ?? 0) / 8,
        extension: EXTENSION_FIELD.hs | (agreed ? EXTENSION_FIELD.key : 0),
        initialSequence: handshake.initialSequence,
        mtu,
        flowWindow: this.#options.flowWindow,
        type: HANDSHAKE.conclusion,
        socketId: localSocketId,
        cookie: 0,
      },
      { timestamp: 0, destination: request.peerSocketId, address: request.address },
      encodeExtensions(
        { hs: { version: OUR_VERSION, flags: LIVE_FLAGS, ...latency }, ...(agreed ? { key: agreed.response } : {}) },
        'response',
      ),
    );
    this.#answered(entry);
    const negotiated: Negotiated = {
      localSocketId,
      peerSocketId: request.peerSocketId,
      initialSequence: handshake.initialSequence,
      mtu,
      peerFlowWindow: Math.min(handshake.flowWindow, MAX_FLOW_WINDOW),
      ...latency,
      peerVersion: hs.version,
      peerFlags: hs.flags,
      streamId: request.streamId,
      timeBase: { peerTimestamp: request.peerTimestamp, arrivedAt: request.arrivedAt },
      startedAt: now,
      ...(agreed ? { keys: agreed.keys } : {}),
    };
    return { datagram: entry.answer, negotiated };
  }

  /** There will be no connection; the datagram tells the caller why. */
  refuse(request: ConnectionRequest, rejection: Rejection, now: number): Buffer {
    this.#answered(this.#waitingEntry(request));
    const datagram = rejectionOf(request.handshake, rejection, request.address, now);
    this.#retire(keyOf(request.address, request.port, request.handshake), datagram, now);
    return datagram;
  }

  /** The connection of an accepted request has ended. */
  forget(request: ConnectionRequest, now: number): void {
    this.#retire(keyOf(request.address, request.port, request.handshake), undefined, now);
  }

  /** Stateless: a fixed part like the one that came, with version, magic and cookie. */
  #induce(handshake: Handshake, address: string, port: number, now: number): ListenerStep {
    const answer: Handshake = {
      ...handshake,
      version: 5,
      encryption: (this.#options.keyLength ?? 0) / 8,
      extension: INDUCTION_MAGIC,
      cookie: this.#cookies.cookieFor(address, port, now),
    };
    return { kind: 'answer', datagram: encodeHandshake(answer, toPeer(handshake, address, now)) };
  }

  #conclude(
    datagram: Buffer,
    handshake: Handshake,
    address: string,
    port: number,
    now: number,
  ): ListenerStep | undefined {
    const key = keyOf(address, port, handshake);
    const known = this.#entries.get(key);
    if (known) return this.#repeat(known, now);
    if (!this.#cookies.isRight(handshake.cookie, address, port, now)) return undefined;
    const old = this.#old.get(key);
    if (old) return old.answer && { kind: 'answer', datagram: old.answer };
    if (!this.#options.admits(address)) return undefined;
    try {
      const request = parseConnectionRequest(datagram, handshake, { address, port }, now);
      if (this.#waiting >= this.#options.halfOpen) {
        // Not remembered: this is for the moment, and memory is what is short.
        return { kind: 'answer', datagram: rejectionOf(handshake, 'backlog', address, now) };
      }
      this.#entries.set(key, { request, answer: undefined, startedAt: 0, isParked: false });
      this.#waiting += 1;
      return { kind: 'request', request };
    } catch (fault) {
      if (!(fault instanceof RefusedHandshake)) throw fault;
      const rejection = rejectionOf(handshake, fault.rejection, address, now);
      this.#retire(key, rejection, now);
      return { kind: 'refused', datagram: rejection, fault };
    }
  }

  /** The answer again, with the time of now: the caller's play-out clock starts from the copy that reaches it. */
  #repeat(entry: Entry, now: number): ListenerStep | undefined {
    entry.request.lastSeenAt = now;
    if (entry.answer === undefined) return undefined;
    const datagram = Buffer.from(entry.answer);
    setTimestamp(datagram, now - entry.startedAt);
    return { kind: 'answer', datagram };
  }

  #waitingEntry(request: ConnectionRequest): Entry {
    const entry = this.#entries.get(keyOf(request.address, request.port, request.handshake));
    if (entry === undefined || entry.answer !== undefined) throw new RangeError('the request does not wait');
    return entry;
  }

  #answered({ isParked }: Entry): void {
    if (isParked) this.#parked -= 1;
    else this.#waiting -= 1;
  }

  #retire(key: string, answer: Buffer | undefined, now: number): void {
    this.#entries.delete(key);
    this.#old.delete(key);
    this.#old.set(key, { answer, since: now });
    for (const [oldest, { since }] of this.#old) {
      if (this.#old.size <= MAX_OLD_ENTRIES && now - since <= COOKIE_LIFE_US) break;
      this.#old.delete(oldest);
    }
  }
}

/** One attempt to connect. Small stacks have a fixed socket id; a new attempt draws a new sequence number. */
function keyOf(address: string, port: number, { socketId, initialSequence }: Handshake): string {
  return `${address}|${port}|${socketId}|${initialSequence}`;
}

function toPeer(
  { socketId }: Handshake,
  address: string,
  now: number,
): { timestamp: number; destination: number; address: string } {
  return { timestamp: now, destination: socketId, address };
}

function rejectionOf(handshake: Handshake, rejection: Rejection, address: string, now: number): Buffer {
  const answer: Handshake = { ...handshake, version: 5, encryption: 0, extension: 0, type: REJECTION[rejection] };
  return encodeHandshake(answer, toPeer(handshake, address, now));
}
