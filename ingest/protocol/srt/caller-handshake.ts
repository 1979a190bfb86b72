import { ProtocolError } from '../protocol-error.ts';
import { encodeExtensions, parseExtensions } from './handshake-extension.ts';
import {
  EXTENSION_FIELD,
  encodeHandshake,
  extensionsOf,
  HANDSHAKE,
  type Handshake,
  INDUCTION_MAGIC,
  parseHandshake,
  UDT_DATAGRAM,
} from './handshake-packet.ts';
import type { KeyOffer } from './key-agreement.ts';
import { KEY_STATE, keyStateOf } from './key-material.ts';
import { LIVE_FLAGS, MAX_FLOW_WINDOW, MIN_MTU, negotiateLatency, OUR_MTU, OUR_VERSION } from './live-mode.ts';
import type { Negotiated } from './negotiated.ts';
import { CONTROL, controlTypeOf, destinationOf, HEADER_BYTES, isControl, setTimestamp, timestampOf } from './packet.ts';
import { FIRST_REJECTION, RefusedHandshake, rejectionName } from './rejection.ts';

export interface CallerOptions {
  readonly localSocketId: number;
  /** Random, 31 bits. */
  readonly initialSequence: number;
  /** Address of the listener. */
  readonly address: string;
  readonly streamId: string;
  /** For both directions. */
  readonly latencyMs: number;
  /** Packets that our receive buffer takes. */
  readonly flowWindow: number;
  /** How long to wait for a connection. */
  readonly timeoutMs: number;
  /** Undefined: in clear. */
  readonly keys?: KeyOffer;
}

const REPEAT_US = 250_000;
/** Handshake types from here on are requests, not rejections. */
const LAST_REJECTION = 0x7fff_ffff;

/**
 * The caller's side of a handshake (SRT draft §4.3.1.2). Give it the datagrams that come for its socket id and call `tick` about every
 * 10 ms. `now` in µs of one monotonic clock; the timestamps of the connection count from the first one.
 */
export class CallerHandshake {
  readonly #options: CallerOptions;
  readonly #send: (datagram: Buffer) => void;
  readonly #startedAt: number;
  #phase: 'induction' | 'conclusion' | 'over' = 'induction';
  #request: Buffer;
  #sentAt = 0;
  #timesSent = 0;
  #rttUs: number | undefined;

  /** Sends the first request. */
  constructor(options: CallerOptions, send: (datagram: Buffer) => void, now: number) {
    this.#options = options;
    this.#send = send;
    this.#startedAt = now;
    this.#request = this.#encode({ version: 4, encryption: 0, extension: UDT_DATAGRAM, type: HANDSHAKE.induction });
    this.#sendRequest(now);
  }

  /**
   * Repeats the request when it is time.
   * @throws ProtocolError ERR_SRT_NO_ANSWER when the time is up.
   */
  tick(now: number): void {
    if (this.#phase === 'over') return;
    if (now - this.#startedAt >= this.#options.timeoutMs * 1000) {
      this.#phase = 'over';
      throw new ProtocolError('ERR_SRT_NO_ANSWER', `no answer within ${this.#options.timeoutMs} ms`);
    }
    if (now - this.#sentAt >= REPEAT_US) this.#sendRequest(now);
  }

  /**
   * What the connection has been settled to be, once. Packets that are no answers to us, and repeated ones, are ignored.
   * @throws ProtocolError ERR_SRT_REFUSED, or what is wrong with the answer (ERR_SRT_VERSION, ERR_SRT_HANDSHAKE, ERR_SRT_UNSECURE,
   * ERR_SRT_BAD_SECRET, ERR_SRT_CRYPTO_MODE); the handshake is then over.
   */
  receive(datagram: Buffer, now: number): Negotiated | undefined {
    if (this.#phase === 'over' || datagram.length < HEADER_BYTES || !isControl(datagram)) return undefined;
    if (controlTypeOf(datagram) !== CONTROL.handshake || destinationOf(datagram) !== this.#options.localSocketId) {
      return undefined;
    }
    try {
      const answer = parseHandshake(datagram);
      if (answer.type >= FIRST_REJECTION && answer.type <= LAST_REJECTION) {
        throw new ProtocolError(
          'ERR_SRT_REFUSED',
          `the listener refused: ${rejectionName(answer.type)} (${answer.type})`,
        );
      }
      if (this.#phase === 'induction' && answer.type === HANDSHAKE.induction) this.#conclude(answer, now);
      else if (this.#phase === 'conclusion' && answer.type === HANDSHAKE.conclusion) {
        const negotiated = this.#settle(datagram, answer, now);
        this.#phase = 'over';
        return negotiated;
      }
    } catch (error) {
      this.#phase = 'over';
      throw error;
    }
    return undefined;
  }

  #conclude({ version, extension, cookie }: Handshake, now: number): void {
    if (version !== 5 || extension !== INDUCTION_MAGIC) {
      throw new RefusedHandshake('ERR_SRT_VERSION', 'version', 'the listener speaks handshake version 4');
    }
    const { keys, streamId, latencyMs } = this.#options;
    // With two requests under way, nobody knows which of them was answered.
    if (this.#timesSent === 1) this.#rttUs = now - this.#sentAt;
    this.#request = this.#encode(
      {
        version: 5,
        encryption: (keys?.keyLength ?? 0) / 8,
        extension:
          EXTENSION_FIELD.hs | (keys ? EXTENSION_FIELD.key : 0) | (streamId === '' ? 0 : EXTENSION_FIELD.config),
        type: HANDSHAKE.conclusion,
        cookie,
      },
      encodeExtensions(
        {
          hs: { version: OUR_VERSION, flags: LIVE_FLAGS, receiveLatencyMs: latencyMs, sendLatencyMs: latencyMs },
          ...(keys ? { key: keys.message } : {}),
          streamId,
        },
        'request',
      ),
    );
    this.#phase = 'conclusion';
    this.#sendRequest(now);
  }

  #settle(datagram: Buffer, answer: Handshake, now: number): Negotiated {
    const { hs, key } = parseExtensions(extensionsOf(datagram), 'response');
    if (hs === undefined) throw malformed('it has no SRT block');
    if (answer.socketId === 0) throw malformed('it has no socket id');
    if (answer.mtu < MIN_MTU) throw malformed(`an MTU of ${answer.mtu} bytes`);
    if (answer.flowWindow < 2) throw malformed(`a flow window of ${answer.flowWindow} packets`);
    const { keys, localSocketId, initialSequence, streamId, latencyMs } = this.#options;
    if (keys || key) checkKeyAnswer(keys, key);
    return {
      localSocketId,
      peerSocketId: answer.socketId,
      initialSequence,
      mtu: Math.min(answer.mtu, OUR_MTU),
      peerFlowWindow: Math.min(answer.flowWindow, MAX_FLOW_WINDOW),
      ...negotiateLatency(latencyMs, hs),
      peerVersion: hs.version,
      peerFlags: hs.flags,
      ...(this.#rttUs === undefined ? {} : { rttUs: this.#rttUs }),
      streamId,
      timeBase: { peerTimestamp: timestampOf(datagram), arrivedAt: now },
      startedAt: this.#startedAt,
      ...(keys ? { keys: keys.keys } : {}),
    };
  }

  #sendRequest(now: number): void {
    setTimestamp(this.#request, now - this.#startedAt);
    this.#sentAt = now;
    this.#timesSent += 1;
    this.#send(Buffer.from(this.#request));
  }

  #encode(
    fields: Pick<Handshake, 'version' | 'encryption' | 'extension' | 'type'> & { readonly cookie?: number },
    extensions?: Buffer,
  ): Buffer {
    const { initialSequence, localSocketId, flowWindow, address } = this.#options;
    const handshake = { cookie: 0, ...fields, initialSequence, mtu: OUR_MTU, flowWindow, socketId: localSocketId };
    return encodeHandshake(handshake, { timestamp: 0, destination: 0, address }, extensions);
  }
}

/** The listener echoes our key message, or says in one word what it could not do with it. */
function checkKeyAnswer(offer: KeyOffer | undefined, answer: Buffer | undefined): void {
  if (offer && answer?.equals(offer.message)) return;
  const state = answer && keyStateOf(answer);
  if (state === KEY_STATE.badSecret) {
    throw new RefusedHandshake('ERR_SRT_BAD_SECRET', 'badSecret', 'the listener has another passphrase');
  }
  if (state === KEY_STATE.badCryptoMode) {
    throw new RefusedHandshake('ERR_SRT_CRYPTO_MODE', 'crypto', 'the listener does not know this cipher mode');
  }
  throw new RefusedHandshake('ERR_SRT_UNSECURE', 'unsecure', 'one side has a passphrase, the other has none');
}

function malformed(what: string): RefusedHandshake {
  return new RefusedHandshake('ERR_SRT_HANDSHAKE', 'rogue', `answer: ${what}`);
}
