import { ProtocolError } from '../protocol-error.ts';
import type { CloseReason, SrtConnectionHandler, SrtConnectionSettings } from './connection-handler.ts';
import { type ConnectionStatistics, connectionStatistics } from './connection-statistics.ts';
import { Counters } from './counters.ts';
import type { ConnectionKeys, Negotiated } from './negotiated.ts';
import {
  bodyOf,
  CONTROL,
  controlTypeOf,
  HEADER_BYTES,
  informationOf,
  isControl,
  subtypeOf,
  timestampOf,
  USER,
} from './packet.ts';
import { PeerLink } from './peer-link.ts';
import { RateMeter } from './rate-meter.ts';
import { Receiver } from './receiver.ts';
import { RoundTrip } from './round-trip.ts';
import { Sender } from './sender.ts';
import { SEQUENCE_MASK } from './sequence.ts';

const KEEPALIVE_US = 1_000_000;
/** A longer pause between two ticks is our own: what the peer sent meanwhile may still lie in the socket. */
const MAX_TICK_US = 100_000;
/** SHUTDOWN is not acknowledged: lost, it costs the peer five seconds. So it is sent again, twice. */
const SHUTDOWNS = 3;
const SHUTDOWN_INTERVAL_US = 20_000;
/** How long `close` waits for acknowledgements beyond the peer's latency. */
const DRAIN_MARGIN_US = 200_000;
/** Of a packet with all headers: what rates and windows in bytes are reckoned with where nothing was sent yet. */
const USUAL_PACKET_BYTES = 1360;

/**
 * One SRT connection after its handshake (SRT draft §4): datagrams and the time in, datagrams and payloads out, as a state machine without
 * clock, timers or sockets. `now` is µs of a clock that never goes back; its zero does not matter. `tick` is to be called about every 10 ms.
 */
export class SrtConnection {
  readonly #negotiated: Negotiated;
  readonly #handler: SrtConnectionHandler;
  readonly #keys: ConnectionKeys | undefined;
  readonly #idleUs: number;
  readonly #counters = new Counters();
  readonly #link: PeerLink;
  readonly #roundTrip: RoundTrip;
  readonly #receiver: Receiver;
  readonly #sender: Sender;
  readonly #receiveRate: RateMeter;
  readonly #sendRate: RateMeter;
  readonly #answerKeyRequest: (body: Buffer) => void;
  #state: 'live' | 'draining' | 'leaving' | 'closed' = 'live';
  #now: number;
  /** Something came since the last tick. */
  #wasHeard = true;
  /** How long nothing has come, and how long nothing was sent, in µs. */
  #silentUs = 0;
  #quietUs = 0;
  #drainUntil = 0;
  #shutdownsLeft = SHUTDOWNS;
  #shutdownAt = 0;

  constructor(negotiated: Negotiated, settings: SrtConnectionSettings, handler: SrtConnectionHandler) {
    this.#negotiated = negotiated;
    this.#handler = handler;
    this.#keys = negotiated.keys;
    this.#idleUs = settings.idleMs * 1000;
    this.#now = negotiated.startedAt;
    this.#link = new PeerLink(negotiated, handler);
    this.#roundTrip = new RoundTrip(negotiated.rttUs);
    this.#receiveRate = new RateMeter(negotiated.startedAt);
    this.#sendRate = new RateMeter(negotiated.startedAt);
    this.#receiver = new Receiver(
      negotiated,
      settings,
      handler,
      this.#counters,
      this.#link,
      this.#roundTrip,
      this.#receiveRate,
    );
    this.#sender = new Sender(negotiated, settings, handler, this.#counters, this.#link, this.#roundTrip);
    this.#answerKeyRequest = (body) => this.#sendKeyMessage(USER.keyResponse, body, this.#now);
  }

  /** `onClosed` has been called. */
  get isClosed(): boolean {
    return this.#state === 'closed';
  }

  /** Longest payload that `send` takes. */
  get maxPayloadBytes(): number {
    return this.#sender.maxPayloadBytes;
  }

  /** Bytes of datagrams that were sent and not acknowledged, or not sent yet. */
  get unacknowledgedBytes(): number {
    return this.#sender.bytes;
  }

  /** Smoothed round trip. */
  get rttUs(): number {
    return this.#roundTrip.rttUs;
  }

  /** Age of the oldest payload that is not acknowledged, in µs. */
  unacknowledgedUs(now: number): number {
    return this.#sender.ageUs(now);
  }

  /** A datagram of the peer came. Its memory belongs to the connection from now on. */
  receive(datagram: Buffer, now: number): void {
    if (datagram.length < HEADER_BYTES || this.#state === 'closed') return;
    this.#wasHeard = true;
    if (!isControl(datagram)) {
      this.#receiver.receive(datagram, now);
      return;
    }
    try {
      this.#receiveControl(datagram, now);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#link.signal(CONTROL.shutdown, 0, now);
      this.#end('protocol', now, error);
    }
  }

  /**
   * Takes a payload to send. False: too many wait for the peer's acknowledgement, or the connection is being closed.
   * @throws RangeError for a payload longer than `maxPayloadBytes`.
   */
  send(payload: Buffer, now: number): boolean {
    return this.#state === 'live' && this.#sender.send(payload, now);
  }

  /** All that depends on time. */
  tick(now: number): void {
    if (this.#state === 'closed') return;
    const passed = Math.min(now - this.#now, MAX_TICK_US);
    this.#now = now;
    this.#silentUs = this.#wasHeard ? 0 : this.#silentUs + passed;
    this.#wasHeard = false;
    if (this.#silentUs > this.#idleUs) {
      this.#link.signal(CONTROL.shutdown, 0, now);
      this.#end('idle', now);
      return;
    }
    if (this.#state !== 'leaving') {
      this.#receiver.tick(now);
      this.#sender.tick(now);
      this.#announceKeys(now);
      this.#keepAlive(now, passed);
    }
    this.#leave(now);
    this.#receiveRate.update(now, this.#counters.pktRecv, this.#counters.byteRecv);
    this.#sendRate.update(now, this.#counters.pktSent, this.#counters.byteSent);
  }

  /**
   * Ends the connection: waits, no longer than the peer's latency, until everything sent has arrived, and says goodbye. Needs ticks until
   * `onClosed`. Nothing is delivered from now on.
   */
  close(now: number): void {
    if (this.#state !== 'live') return;
    this.#receiver.stop();
    this.#state = 'draining';
    this.#drainUntil = now + this.#negotiated.sendLatencyMs * 1000 + DRAIN_MARGIN_US;
    this.#leave(now);
  }

  /** Ends the connection now, whatever has not arrived. The peer is told. */
  abort(now: number): void {
    if (this.#state === 'closed') return;
    this.#link.signal(CONTROL.shutdown, 0, now);
    this.#end('local', now);
  }

  /** Counts and state under libsrt's names. */
  statistics(now: number): ConnectionStatistics {
    const counters = this.#counters;
    const sender = this.#sender;
    const averageBytes = counters.pktSent === 0 ? USUAL_PACKET_BYTES : counters.byteSent / counters.pktSent;
    const capacity = this.#receiver.linkPacketsPerSecond || sender.linkPacketsPerSecond;
    return connectionStatistics(counters, {
      msTimeStamp: (now - this.#negotiated.startedAt) / 1000,
      msRTT: this.#roundTrip.rttUs / 1000,
      msRcvTsbPdDelay: this.#negotiated.receiveLatencyMs,
      msSndTsbPdDelay: this.#negotiated.sendLatencyMs,
      pktFlowWindow: sender.flowWindow,
      pktFlightSize: sender.flightPackets,
      usPktSndPeriod: (averageBytes * 1e6) / sender.maxBytesPerSecond,
      mbpsMaxBW: megabits(sender.maxBytesPerSecond),
      mbpsBandwidth: megabits(capacity * averageBytes),
      mbpsSendRate: megabits(this.#sendRate.bytesPerSecond),
      mbpsRecvRate: megabits(this.#receiveRate.bytesPerSecond),
      pktSndBuf: sender.packets,
      byteSndBuf: sender.bytes,
      msSndBuf: sender.ageUs(now) / 1000,
      byteAvailSndBuf: sender.freePackets * this.#negotiated.mtu,
      pktRcvBuf: this.#receiver.waitingPackets,
      byteAvailRcvBuf: this.#receiver.freePackets * this.#negotiated.mtu,
      byteMSS: this.#negotiated.mtu,
    });
  }

  #receiveControl(datagram: Buffer, now: number): void {
    switch (controlTypeOf(datagram)) {
      case CONTROL.ack:
        this.#sender.acknowledge(datagram, now);
        break;
      case CONTROL.ackAck:
        this.#receiver.acknowledged(informationOf(datagram), timestampOf(datagram), now);
        break;
      case CONTROL.nak:
        this.#sender.lossReport(datagram, now);
        break;
      case CONTROL.keepalive:
        this.#receiver.traceIdle(timestampOf(datagram), now);
        break;
      case CONTROL.dropRequest:
        this.#receiveDropRequest(datagram, now);
        break;
      case CONTROL.shutdown:
        this.#end('shutdown', now);
        break;
      case CONTROL.user:
        this.#receiveUser(datagram, now);
        break;
      default: // handshakes are the listener's; congestion warnings and peer errors mean nothing in live mode
    }
  }

  #receiveDropRequest(datagram: Buffer, now: number): void {
    if (datagram.length < HEADER_BYTES + 8) return;
    const first = datagram.readUInt32BE(HEADER_BYTES);
    const last = datagram.readUInt32BE(HEADER_BYTES + 4);
    if (first <= SEQUENCE_MASK && last <= SEQUENCE_MASK) this.#receiver.dropRequest(first, last, now);
  }

  #receiveUser(datagram: Buffer, now: number): void {
    this.#now = now;
    const subtype = subtypeOf(datagram);
    if (subtype === USER.keyRequest) this.#keys?.receiveKeyRequest(bodyOf(datagram), this.#answerKeyRequest);
    else if (subtype === USER.keyResponse) this.#keys?.receiveKeyResponse(bodyOf(datagram));
  }

  #announceKeys(now: number): void {
    const body = this.#keys?.keyRequestDue(now, this.#roundTrip.rttUs);
    if (body !== undefined) this.#sendKeyMessage(USER.keyRequest, body, now);
  }

  #sendKeyMessage(subtype: number, body: Buffer, now: number): void {
    if (this.#state === 'closed') return;
    const datagram = this.#link.control(CONTROL.user, 0, now, body.length, subtype);
    datagram.set(body, HEADER_BYTES);
    this.#link.send(datagram);
  }

  #keepAlive(now: number, passed: number): void {
    this.#quietUs = this.#link.hasSpoken ? 0 : this.#quietUs + passed;
    this.#link.hasSpoken = false;
    if (this.#quietUs >= KEEPALIVE_US) this.#link.signal(CONTROL.keepalive, 0, now);
  }

  /** The steps of `close` that are due. */
  #leave(now: number): void {
    if (this.#state === 'draining' && (this.#sender.packets === 0 || now >= this.#drainUntil)) {
      this.#state = 'leaving';
      this.#shutdownAt = now;
    }
    if (this.#state !== 'leaving' || now < this.#shutdownAt) return;
    this.#shutdownAt = now + SHUTDOWN_INTERVAL_US;
    this.#shutdownsLeft -= 1;
    this.#link.signal(CONTROL.shutdown, 0, now);
    if (this.#shutdownsLeft === 0) this.#end('local', now);
  }

  #end(reason: CloseReason, now: number, error?: ProtocolError): void {
    this.#receiver.finish(now);
    this.#state = 'closed';
    this.#handler.onClosed(reason, error);
  }
}

function megabits(bytesPerSecond: number): number {
  return (bytesPerSecond * 8) / 1e6;
}
