import { AckHistory } from './ack-history.ts';
import { FULL_ACK_BYTES, LIGHT_ACK_BYTES, writeFullAck } from './acknowledgement.ts';
import type { SrtConnectionHandler, SrtConnectionSettings } from './connection-handler.ts';
import type { Counters } from './counters.ts';
import { LinkCapacity } from './link-capacity.ts';
import { LossList } from './loss-list.ts';
import { lossBytes, writeLoss } from './loss-report.ts';
import type { ConnectionKeys, Negotiated } from './negotiated.ts';
import { CONTROL, HEADER_BYTES, IP_UDP_BYTES, isRetransmitted, KEY, keyOf, sequenceOf, timestampOf } from './packet.ts';
import type { PeerLink } from './peer-link.ts';
import type { RateMeter } from './rate-meter.ts';
import { ReceiveWindow } from './receive-window.ts';
import type { RoundTrip } from './round-trip.ts';
import { sequenceAfter, sequenceDistance } from './sequence.ts';
import { TsbpdClock } from './tsbpd-clock.ts';

/**
 * A full acknowledgement is sent when so many packets have come, or so much time has passed since the last one. The draft has one every
 * 10 ms; at the rates of video that would be one for two or three packets, each with its confirmation: a third of all datagrams.
 */
const ACK_PACKETS = 64;
const ACK_INTERVAL_US = 30_000;
/** As often as the draft says until the round trip is known. */
const FIRST_ACK_INTERVAL_US = 10_000;
const FIRST_ACKS = 10;
/** In between, one that only moves the sender's window. SRT draft §3.2.4. */
const LIGHT_ACK_PACKETS = 64;
const MIN_NAK_INTERVAL_US = 20_000;
/** From here on libsrt does not send a packet twice within a round trip, however often it is reported. */
const PATIENT_SENDER_VERSION = 0x010404;
/** Packets given up are remembered so far back, to tell late ones from copies. */
const BELATED_PACKETS = 4096;
/** A packet far ahead is believed when another one follows it so closely. */
const STRAY_PACKETS = 256;

/** Stands in the window for a packet that the peer has given up. */
const GIVEN_UP = Buffer.alloc(0);
/** Stands in the window for a packet that no key fits. */
const UNREADABLE = Buffer.alloc(0);

/**
 * What comes from the peer (SRT draft §4.6, §4.8): brings packets into their order, asks for missing ones, and gives up those that are still
 * missing when a packet behind them is due. A packet's *position* is how many the peer sent before it; so it neither wraps nor depends on
 * where sequence numbers began.
 */
export class Receiver {
  readonly #handler: SrtConnectionHandler;
  readonly #counters: Counters;
  readonly #link: PeerLink;
  readonly #roundTrip: RoundTrip;
  readonly #rate: RateMeter;
  readonly #keys: ConnectionKeys | undefined;
  readonly #initialSequence: number;
  readonly #maxDatagramBytes: number;
  readonly #nakIntervalDivisor: number;
  readonly #clock: TsbpdClock;
  readonly #window: ReceiveWindow;
  readonly #losses = new LossList();
  readonly #givenUp = new LossList();
  readonly #acks = new AckHistory();
  readonly #capacity = new LinkCapacity();
  /** The first position that has neither been delivered nor given up: the one that acknowledgements name. */
  #next = 0;
  /** Behind the newest position that has come. Where it is beyond `#next`, that one is missing. */
  #end = 0;
  /** Of `#next`. */
  #nextSequence: number;
  #sinceAck = 0;
  #nakAt = 0;
  #tickedAt = Number.NEGATIVE_INFINITY;
  /** Sequence number behind the last packet that was too far ahead, -1 if there was none. */
  #strayNext = -1;
  #isStopped = false;

  constructor(
    negotiated: Negotiated,
    settings: SrtConnectionSettings,
    handler: SrtConnectionHandler,
    counters: Counters,
    link: PeerLink,
    roundTrip: RoundTrip,
    rate: RateMeter,
  ) {
    this.#handler = handler;
    this.#counters = counters;
    this.#link = link;
    this.#roundTrip = roundTrip;
    this.#rate = rate;
    this.#keys = negotiated.keys;
    this.#initialSequence = negotiated.initialSequence;
    this.#nextSequence = negotiated.initialSequence;
    this.#maxDatagramBytes = negotiated.mtu - IP_UDP_BYTES;
    this.#nakIntervalDivisor = negotiated.peerVersion >= PATIENT_SENDER_VERSION ? 4 : 2;
    const { peerTimestamp, arrivedAt } = negotiated.timeBase;
    this.#clock = new TsbpdClock(peerTimestamp, arrivedAt, negotiated.receiveLatencyMs * 1000);
    this.#window = new ReceiveWindow(settings.receivePackets);
  }

  /** Packets between the first missing one and the newest that has come. */
  get waitingPackets(): number {
    return this.#end - this.#next;
  }

  get freePackets(): number {
    return Math.max(0, this.#window.capacity - this.waitingPackets);
  }

  get linkPacketsPerSecond(): number {
    return this.#capacity.packetsPerSecond;
  }

  /** The peer is gone: what has come is delivered, what is missing before it will not come. */
  finish(now: number): void {
    while (this.#losses.count > 0) {
      this.#giveUp(this.#losses.lastOf(0) + 1);
      this.#drain(now);
    }
    this.stop();
  }

  /** Nothing is delivered from now on. */
  stop(): void {
    this.#isStopped = true;
  }

  /** A data packet came. */
  receive(datagram: Buffer, now: number): void {
    this.#counters.pktRecv += 1;
    this.#counters.byteRecv += datagram.length;
    if (datagram.length > this.#maxDatagramBytes) {
      this.#counters.pktRcvRefused += 1;
      return;
    }
    const sequence = sequenceOf(datagram);
    this.#capacity.probe(sequence, now);
    if (sequence === this.#nextSequence && this.#end === this.#next) {
      this.#end += 1;
      this.#deliver(this.#open(datagram), now);
    } else {
      this.#receiveApart(datagram, sequence, now);
    }
    this.#sinceAck += 1;
    if (this.#sinceAck % LIGHT_ACK_PACKETS === 0 && this.#next !== this.#acks.position) this.#sendLightAck(now);
  }

  /** The peer confirms acknowledgement `number`; `timestamp` is of the packet that says so. */
  acknowledged(number: number, timestamp: number, now: number): void {
    const rttUs = this.#acks.confirm(number, now);
    if (rttUs < 0) return;
    this.#roundTrip.sample(rttUs);
    this.#clock.trace(timestamp, now, this.#roundTrip.rttUs);
  }

  /** A packet of a peer that sends no data: its clock may drift away meanwhile. */
  traceIdle(timestamp: number, now: number): void {
    if (this.#roundTrip.isMeasured) this.#clock.trace(timestamp, now, this.#roundTrip.rttUs);
  }

  /** The peer has dropped `first` … `last` (sequence numbers): those of them that are missing will not come. */
  dropRequest(first: number, last: number, now: number): void {
    const from = this.#positionOf(first);
    const to = this.#positionOf(last);
    if (from > to) return;
    let range = this.#losses.rangeFrom(from);
    while (range < this.#losses.ranges && this.#losses.firstOf(range) <= to) {
      const begin = Math.max(from, this.#losses.firstOf(range));
      const end = Math.min(to, this.#losses.lastOf(range));
      // What is given up waits no longer than the packet behind it.
      const due = this.#window.dueOf(this.#losses.lastOf(range) + 1);
      for (let position = begin; position <= end; position += 1) this.#window.put(position, GIVEN_UP, due);
      this.#losses.cut(range, begin, end);
      range = this.#losses.rangeFrom(end + 1);
    }
    this.#drain(now);
  }

  /** Gives up what is too late, then acknowledges, then asks again for what is missing. */
  tick(now: number): void {
    if (this.#losses.count > 0) this.#giveUpLate(now);
    this.#tickedAt = now;
    this.#acknowledge(now);
    if (this.#losses.count > 0 && now >= this.#nakAt) this.#reportLosses(now);
  }

  #positionOf(sequence: number): number {
    return this.#next + sequenceDistance(this.#nextSequence, sequence);
  }

  #sequenceAt(position: number): number {
    return sequenceAfter(this.#initialSequence, position);
  }

  /** A packet that is not simply the next one: it shows or fills a hole, stands behind one, or is a copy. */
  #receiveApart(datagram: Buffer, sequence: number, now: number): void {
    const position = this.#positionOf(sequence);
    if (isRetransmitted(datagram)) this.#counters.pktRcvRetrans += 1;
    if (position < this.#next) {
      if (this.#givenUp.remove(position)) this.#counters.pktRcvBelated += 1;
      else this.#counters.pktRcvDuplicate += 1;
      return;
    }
    if (position < this.#end) {
      if (!this.#losses.remove(position)) {
        this.#counters.pktRcvDuplicate += 1;
        return;
      }
    } else if (!this.#reach(position, sequence, now)) {
      return;
    }
    this.#window.put(position, this.#open(datagram), this.#clock.dueAt(timestampOf(datagram), now));
    this.#drain(now);
  }

  /** The newest position is `position` from now on: what lies between is missing. False if that is too far ahead to be taken. */
  #reach(position: number, sequence: number, now: number): boolean {
    if (position - this.#next >= this.#window.capacity) return this.#reachFar(position, sequence);
    this.#window.reserve(this.#next, position);
    if (position > this.#end) {
      const first = this.#end;
      this.#counters.pktRcvLoss += position - first;
      if (this.#losses.count === 0) this.#nakAt = now + this.#nakIntervalUs();
      this.#losses.add(first, position - 1);
      this.#sendLossReport(this.#losses.ranges - 1, now, first);
    }
    this.#end = position + 1;
    return true;
  }

  /**
   * A packet beyond the window. It waits for the hole to be given up; where there is none, the peer has dropped more than a window of packets
   * during an outage, and what it sends now is as good as a new start. One stray packet does not prove that, two in a row do.
   */
  #reachFar(position: number, sequence: number): boolean {
    const distance = this.#strayNext < 0 ? -1 : sequenceDistance(this.#strayNext, sequence);
    this.#strayNext = sequenceAfter(sequence, 1);
    if (distance < 0 || distance > STRAY_PACKETS || this.#end > this.#next) {
      this.#counters.pktRcvRefused += 1;
      return false;
    }
    this.#strayNext = -1;
    this.#counters.pktRcvLoss += position - this.#next;
    this.#giveUp(position);
    this.#end = position + 1;
    return true;
  }

  #open(datagram: Buffer): Buffer {
    const keys = this.#keys;
    if (keys === undefined) {
      if (keyOf(datagram) === KEY.clear) return datagram.subarray(HEADER_BYTES);
    } else {
      const payload = keys.decrypt(datagram);
      if (payload !== undefined) return payload;
    }
    this.#counters.pktRcvUndecrypt += 1;
    this.#counters.byteRcvUndecrypt += datagram.length;
    return UNREADABLE;
  }

  /** The packet at `#next`. */
  #deliver(payload: Buffer, now: number): void {
    this.#next += 1;
    this.#nextSequence = sequenceAfter(this.#nextSequence, 1);
    if (this.#isStopped) return;
    if (payload === UNREADABLE) {
      this.#handler.onDrop(1);
    } else if (payload === GIVEN_UP) {
      this.#counters.pktRcvDrop += 1;
      this.#handler.onDrop(1);
    } else {
      this.#handler.onPayload(payload, now);
    }
  }

  /** Delivers what waits at `#next` and right behind it. */
  #drain(now: number): void {
    while (this.#next < this.#end) {
      const payload = this.#window.take(this.#next);
      if (payload === undefined) return;
      this.#deliver(payload, now);
    }
  }

  /**
   * TLPKTDROP (SRT draft §4.6): a hole is not waited for any longer than until the packet behind it is due, and was so at the last tick
   * already: after a pause of our own, what is missing may lie in the socket.
   */
  #giveUpLate(now: number): void {
    while (this.#losses.count > 0) {
      const behind = this.#losses.lastOf(0) + 1;
      if (this.#tickedAt < this.#window.dueOf(behind)) return;
      this.#giveUp(behind);
      this.#drain(now);
    }
  }

  /** All before `position` is missing, and not waited for any longer. */
  #giveUp(position: number): void {
    const packets = position - this.#next;
    this.#counters.pktRcvDrop += packets;
    this.#givenUp.removeBefore(this.#next - BELATED_PACKETS);
    this.#givenUp.add(this.#next, position - 1);
    this.#losses.removeBefore(position);
    this.#next = position;
    this.#nextSequence = this.#sequenceAt(position);
    if (!this.#isStopped) this.#handler.onDrop(packets);
  }

  #acknowledge(now: number): void {
    const acks = this.#acks;
    if (this.#next === acks.position) {
      if (acks.isRepetitionDue(now, this.#roundTrip.timeoutUs)) this.#sendFullAck(now);
      return;
    }
    const interval = acks.sent < FIRST_ACKS ? FIRST_ACK_INTERVAL_US : ACK_INTERVAL_US;
    if (now - acks.lastSentAt >= interval || this.#next - acks.position >= ACK_PACKETS) this.#sendFullAck(now);
  }

  #sendFullAck(now: number): void {
    const datagram = this.#link.control(CONTROL.ack, this.#acks.record(this.#next, now), now, FULL_ACK_BYTES);
    writeFullAck(
      datagram,
      HEADER_BYTES,
      this.#nextSequence,
      this.#roundTrip.rttUs,
      this.#roundTrip.varianceUs,
      Math.max(2, this.freePackets), // never 0: the peer would have nothing to send, and we nothing to acknowledge
      this.#rate.packetsPerSecond,
      this.#capacity.packetsPerSecond,
      this.#rate.bytesPerSecond,
    );
    this.#sinceAck = 0;
    this.#counters.pktSentACK += 1;
    this.#link.send(datagram);
  }

  #sendLightAck(now: number): void {
    const datagram = this.#link.control(CONTROL.ack, 0, now, LIGHT_ACK_BYTES);
    datagram.writeUInt32BE(this.#nextSequence, HEADER_BYTES);
    this.#counters.pktSentACK += 1;
    this.#link.send(datagram);
  }

  #nakIntervalUs(): number {
    return Math.max(MIN_NAK_INTERVAL_US, this.#roundTrip.timeoutUs / this.#nakIntervalDivisor);
  }

  /** Periodic report: everything that is missing, the oldest first. */
  #reportLosses(now: number): void {
    this.#nakAt = now + this.#nakIntervalUs();
    this.#sendLossReport(0, now, 0);
  }

  /** Reports the missing packets from `range` on, as many as a datagram holds, and of these only positions from `from` on. */
  #sendLossReport(range: number, now: number, from: number): void {
    const losses = this.#losses;
    let bytes = 0;
    let end = range;
    while (end < losses.ranges) {
      const more = lossBytes(Math.max(from, losses.firstOf(end)), losses.lastOf(end));
      if (HEADER_BYTES + bytes + more > this.#maxDatagramBytes) break;
      bytes += more;
      end += 1;
    }
    const datagram = this.#link.control(CONTROL.nak, 0, now, bytes);
    let at = HEADER_BYTES;
    for (let i = range; i < end; i += 1) {
      const first = this.#sequenceAt(Math.max(from, losses.firstOf(i)));
      at = writeLoss(datagram, at, first, this.#sequenceAt(losses.lastOf(i)));
    }
    this.#counters.pktSentNAK += 1;
    this.#link.send(datagram);
  }
}
