import { ProtocolError } from '../protocol-error.ts';
import {
  ackCapacity,
  ackFreePackets,
  ackRttUs,
  ackVarianceUs,
  hasAckDetails,
  LIGHT_ACK_BYTES,
} from './acknowledgement.ts';
import type { SrtConnectionHandler, SrtConnectionSettings } from './connection-handler.ts';
import type { Counters } from './counters.ts';
import { HANDSHAKE_FLAGS } from './handshake-extension.ts';
import { LossReportReader } from './loss-report.ts';
import type { ConnectionKeys, Negotiated } from './negotiated.ts';
import { Pacer } from './pacer.ts';
import {
  CONTROL,
  HEADER_BYTES,
  IP_UDP_BYTES,
  informationOf,
  messageNumberAt,
  setRetransmitted,
  writeDataHeader,
} from './packet.ts';
import type { PeerLink } from './peer-link.ts';
import type { RoundTrip } from './round-trip.ts';
import { SendWindow } from './send-window.ts';
import { SEQUENCE_MASK, sequenceAfter, sequenceDistance } from './sequence.ts';

/** The peer may say that it has no room; a little goes out all the same, or nobody would speak again. */
const MIN_FREE_PACKETS = 2;
/** A packet is not sent twice within less, whatever round trip the peer pretends. */
const MIN_RESEND_US = 10_000;
/** TLPKTDROP on this side (SRT draft §4.6): packets live at least so long, and a little longer than the peer waits for them. */
const MIN_LIFETIME_US = 1_000_000;
const LIFETIME_MARGIN_US = 20_000;
/** After a pause with packets unacknowledged: receivers acknowledge every 10 ms, some of ours every 30 ms. */
const PROBE_MARGIN_US = 60_000;
/** Probes are further and further apart, up to this factor. */
const MAX_PROBE_FACTOR = 32;
/** Confirmations between two ticks: honest peers want one. */
const ACK_ACKS_PER_TICK = 8;
const DROP_REQUEST_BYTES = 8;

/**
 * What goes to the peer (SRT draft §4.8, §5.1): keeps packets until they are acknowledged, sends again what is reported lost, drops what is
 * too old to be of use. A packet's *position* is how many were taken before it.
 */
export class Sender {
  readonly #handler: SrtConnectionHandler;
  readonly #counters: Counters;
  readonly #link: PeerLink;
  readonly #roundTrip: RoundTrip;
  readonly #keys: ConnectionKeys | undefined;
  readonly #overheadBytes: number;
  readonly #initialSequence: number;
  readonly #lifetimeUs: number;
  readonly #peerRepeatsReports: boolean;
  readonly #window: SendWindow;
  readonly #pacer: Pacer;
  readonly #peerFlowWindow: number;
  /** Longest payload that fits into a datagram. */
  readonly maxPayloadBytes: number;
  /** The first position that has never been sent. */
  #next = 0;
  /** Positions below may be sent: as far as the peer's buffer goes. */
  #limit: number;
  #wantedCount = 0;
  /** No position below is to be sent again. */
  #wantedFrom = 0;
  /** The last new packet, or the last acknowledgement that got us on. */
  #progressAt = 0;
  #probeFactor = 1;
  #ackAcksLeft = ACK_ACKS_PER_TICK;
  #linkPacketsPerSecond = 0;

  constructor(
    negotiated: Negotiated,
    settings: SrtConnectionSettings,
    handler: SrtConnectionHandler,
    counters: Counters,
    link: PeerLink,
    roundTrip: RoundTrip,
  ) {
    this.#handler = handler;
    this.#counters = counters;
    this.#link = link;
    this.#roundTrip = roundTrip;
    this.#keys = negotiated.keys;
    this.#overheadBytes = negotiated.keys?.overheadBytes ?? 0;
    this.maxPayloadBytes = negotiated.mtu - IP_UDP_BYTES - HEADER_BYTES - this.#overheadBytes;
    this.#initialSequence = negotiated.initialSequence;
    this.#lifetimeUs =
      (negotiated.peerFlags & HANDSHAKE_FLAGS.tooLateDrop) === 0
        ? Number.POSITIVE_INFINITY
        : Math.max(negotiated.sendLatencyMs * 1000, MIN_LIFETIME_US) + LIFETIME_MARGIN_US;
    this.#peerRepeatsReports = (negotiated.peerFlags & HANDSHAKE_FLAGS.periodicNak) !== 0;
    this.#window = new SendWindow(settings.sendPackets);
    this.#pacer = new Pacer(settings.maxBytesPerSecond, negotiated.startedAt);
    this.#peerFlowWindow = negotiated.peerFlowWindow;
    this.#limit = negotiated.peerFlowWindow;
  }

  /** Packets that are kept: unacknowledged, or not sent yet. */
  get packets(): number {
    return this.#window.packets;
  }

  get bytes(): number {
    return this.#window.bytes;
  }

  get freePackets(): number {
    return this.#window.freePackets;
  }

  /** Packets sent and not acknowledged. */
  get flightPackets(): number {
    return this.#next - this.#window.first;
  }

  /** Packets in flight that the peer allows. */
  get flowWindow(): number {
    return Math.max(0, this.#limit - this.#window.first);
  }

  get maxBytesPerSecond(): number {
    return this.#pacer.bytesPerSecond;
  }

  /** As the peer estimates it, 0 if it has not said. */
  get linkPacketsPerSecond(): number {
    return this.#linkPacketsPerSecond;
  }

  /** Age of the oldest packet that is kept, in µs. */
  ageUs(now: number): number {
    return this.#window.packets === 0 ? 0 : now - this.#window.takenAt(this.#window.first);
  }

  /**
   * Takes a payload, which is copied, and sends it as soon as window and pace allow. False: too many wait, it was not taken.
   * @throws RangeError for a payload longer than `maxPayloadBytes`.
   */
  send(payload: Buffer, now: number): boolean {
    if (payload.length > this.maxPayloadBytes) {
      throw new RangeError(`a payload of ${payload.length} bytes, ${this.maxPayloadBytes} fit into a packet`);
    }
    if (this.#window.isFull) return false;
    const datagram = Buffer.allocUnsafe(HEADER_BYTES + payload.length + this.#overheadBytes);
    const position = this.#window.end;
    const sequence = sequenceAfter(this.#initialSequence, position);
    const timestamp = this.#link.timestamp(now);
    writeDataHeader(datagram, sequence, messageNumberAt(position), timestamp, this.#link.destination);
    datagram.set(payload, HEADER_BYTES);
    this.#keys?.encrypt(datagram);
    this.#window.push(datagram, now);
    this.#flush(now);
    return true;
  }

  /**
   * An acknowledgement came.
   * @throws ProtocolError ERR_SRT_ACKNOWLEDGEMENT
   */
  acknowledge(datagram: Buffer, now: number): void {
    if (datagram.length < HEADER_BYTES + LIGHT_ACK_BYTES) return;
    const word = datagram.readUInt32BE(HEADER_BYTES);
    if (word > SEQUENCE_MASK) return; // libsrt passes over it too
    this.#counters.pktRecvACK += 1;
    const number = informationOf(datagram);
    if (number !== 0 && this.#ackAcksLeft > 0) {
      this.#ackAcksLeft -= 1;
      this.#link.signal(CONTROL.ackAck, number, now);
    }
    const position = this.#positionOf(word);
    if (position > this.#next) {
      throw new ProtocolError('ERR_SRT_ACKNOWLEDGEMENT', `${position - this.#next} packets that were never sent`);
    }
    if (hasAckDetails(datagram, HEADER_BYTES)) {
      this.#roundTrip.adopt(ackRttUs(datagram, HEADER_BYTES), ackVarianceUs(datagram, HEADER_BYTES));
      this.#linkPacketsPerSecond = ackCapacity(datagram, HEADER_BYTES);
      if (position >= this.#window.first) {
        const free = Math.max(MIN_FREE_PACKETS, ackFreePackets(datagram, HEADER_BYTES));
        this.#limit = position + Math.min(free, this.#peerFlowWindow);
      }
    }
    if (position > this.#window.first) {
      this.#release(position);
      this.#progressAt = now;
      this.#probeFactor = 1;
    }
    this.#flush(now);
  }

  /**
   * A loss report came. What it names is sent again, but nothing twice within a round trip: reports of the same loss cross the
   * retransmission on its way.
   * @throws ProtocolError ERR_SRT_LOSS_REPORT
   */
  lossReport(datagram: Buffer, now: number): void {
    this.#counters.pktRecvNAK += 1;
    const notSince = now - this.#resendIntervalUs();
    const report = new LossReportReader(datagram);
    const oldest = this.#window.first;
    let goneFirst = oldest;
    let goneLast = Number.NEGATIVE_INFINITY;
    let left = this.flightPackets; // of an honest report the ranges do not overlap
    while (left >= 0 && report.next()) {
      const first = this.#positionOf(report.first);
      const last = this.#positionOf(report.last);
      if (first > last || last >= this.#next) {
        throw new ProtocolError('ERR_SRT_LOSS_REPORT', `packets ${report.first} to ${report.last}`);
      }
      if (first < oldest) {
        goneFirst = Math.min(goneFirst, first);
        goneLast = Math.max(goneLast, Math.min(last, oldest - 1));
      }
      const from = Math.max(first, oldest);
      left -= Math.max(0, last - from + 1);
      if (left >= 0) this.#want(from, last, notSince);
    }
    if (report.isBroken) throw new ProtocolError('ERR_SRT_LOSS_REPORT', 'a range without an end');
    if (goneFirst < oldest) this.#sendDropRequest(goneFirst, goneLast, now);
    this.#flush(now);
  }

  /** Drops what is too old, sends what had to wait, and asks for an answer where none comes. */
  tick(now: number): void {
    this.#ackAcksLeft = ACK_ACKS_PER_TICK;
    if (this.#window.packets === 0) return;
    this.#dropLate(now);
    this.#probe(now);
    this.#flush(now);
  }

  #positionOf(sequence: number): number {
    const { first } = this.#window;
    return first + sequenceDistance(sequenceAfter(this.#initialSequence, first), sequence);
  }

  #resendIntervalUs(): number {
    const { rttUs, varianceUs } = this.#roundTrip;
    return Math.max(MIN_RESEND_US, rttUs - 4 * varianceUs, rttUs / 2);
  }

  /** Counts as lost what is not asked for already. */
  #want(first: number, last: number, notSince: number): void {
    for (let position = first; position <= last; position += 1) {
      if (!this.#window.want(position, notSince)) continue;
      if (this.#wantedCount === 0 || position < this.#wantedFrom) this.#wantedFrom = position;
      this.#wantedCount += 1;
      this.#counters.pktSndLoss += 1;
    }
  }

  /** Forgets all before `position`: it has arrived, or is of no use any more. */
  #release(position: number): void {
    const { first } = this.#window;
    if (this.#wantedCount > 0) {
      for (let i = Math.max(first, this.#wantedFrom); i < position; i += 1) {
        if (this.#window.isWanted(i)) this.#wantedCount -= 1;
      }
    }
    this.#window.release(position);
    this.#wantedFrom = Math.max(this.#wantedFrom, position);
    this.#next = Math.max(this.#next, position);
  }

  /** Sends as much as pace and window allow: first what was lost, then what is new. */
  #flush(now: number): void {
    const { end } = this.#window;
    if (this.#wantedCount === 0 && this.#next === end) return;
    this.#pacer.fill(now);
    while (this.#wantedCount > 0 && this.#pacer.isOpen) {
      if (this.#window.isWanted(this.#wantedFrom)) {
        this.#wantedCount -= 1;
        this.#resend(this.#wantedFrom, now);
      }
      this.#wantedFrom += 1;
    }
    while (this.#next < end && this.#next < this.#limit && this.#pacer.isOpen) {
      const datagram = this.#window.at(this.#next);
      this.#next += 1;
      this.#progressAt = now;
      this.#transmit(datagram);
    }
  }

  #transmit(datagram: Buffer): void {
    this.#counters.pktSent += 1;
    this.#counters.byteSent += datagram.length;
    this.#pacer.spend(datagram.length);
    this.#link.send(datagram);
  }

  #resend(position: number, now: number): void {
    const datagram = this.#window.at(position);
    this.#window.markResent(position, now);
    setRetransmitted(datagram);
    this.#counters.pktRetrans += 1;
    this.#counters.byteRetrans += datagram.length;
    this.#transmit(datagram);
  }

  /** The peer asks for what we have not any more. SRT draft §3.2.9. */
  #sendDropRequest(first: number, last: number, now: number): void {
    const datagram = this.#link.control(CONTROL.dropRequest, 0, now, DROP_REQUEST_BYTES);
    datagram.writeUInt32BE(sequenceAfter(this.#initialSequence, first), HEADER_BYTES);
    datagram.writeUInt32BE(sequenceAfter(this.#initialSequence, last), HEADER_BYTES + 4);
    this.#link.send(datagram);
  }

  #dropLate(now: number): void {
    const { first, end } = this.#window;
    let position = first;
    while (position < end && now - this.#window.takenAt(position) > this.#lifetimeUs) {
      this.#counters.byteSndDrop += this.#window.at(position).length;
      position += 1;
    }
    if (position === first) return;
    this.#counters.pktSndDrop += position - first;
    this.#limit = Math.min(this.#limit + position - first, position + this.#peerFlowWindow); // the peer gives them up as well
    this.#release(position);
    this.#handler.onSendDrop(position - first);
  }

  /**
   * Nothing comes back. If the last packets before a pause are lost, the peer sees no hole to report: the newest is sent again, so that it
   * does. A peer that reports each loss once only gets everything again.
   */
  #probe(now: number): void {
    const { first } = this.#window;
    if (this.#next === first || this.#wantedCount > 0) return;
    if (now - this.#progressAt < (this.#roundTrip.timeoutUs + PROBE_MARGIN_US) * this.#probeFactor) return;
    this.#probeFactor = Math.min(MAX_PROBE_FACTOR, this.#probeFactor * 2);
    if (this.#peerRepeatsReports) this.#resend(this.#next - 1, now);
    else this.#want(first, this.#next - 1, now - this.#resendIntervalUs());
  }
}
