/**
 * The 16-byte header of SRT packets (SRT draft §3). Accessors read a datagram where it lies: nothing is made per packet.
 * Who calls them has checked that the datagram has `HEADER_BYTES`.
 *
 *          0                   1                   2                   3
 *          0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *  data    |0|                      sequence number                      |
 *          |PP |O|KK |R|                 message number                  |
 *  control |1|            type             |           subtype           |
 *          |                 type-specific information                   |
 *  both    |       timestamp, µs since the sender's start, wraps         |
 *          |                destination socket id                        |
 */
export const HEADER_BYTES = 16;
/** What a datagram of the usual 1500-byte MTU carries behind IPv4, UDP and SRT headers. */
export const MAX_PAYLOAD_BYTES = 1456;
/** IPv4 and UDP headers: part of the MTU that peers announce. */
export const IP_UDP_BYTES = 28;

/** Control types (SRT draft §3.2). */
export const CONTROL = {
  handshake: 0x0000,
  keepalive: 0x0001,
  ack: 0x0002,
  nak: 0x0003,
  congestion: 0x0004,
  shutdown: 0x0005,
  ackAck: 0x0006,
  dropRequest: 0x0007,
  peerError: 0x0008,
  user: 0x7fff,
} as const;

/** Subtypes of `CONTROL.user`: key messages after the handshake (SRT draft §3.2.2). */
export const USER = { keyRequest: 3, keyResponse: 4 } as const;

/** KK: which key a payload was encrypted with. */
export const KEY = { clear: 0, even: 1, odd: 2 } as const;

/** Message numbers begin at 1 and wrap from here to 1 again; 0 means none. */
export const MAX_MESSAGE_NUMBER = 0x3ff_ffff;

/** The message number of the packet that stands behind `position` others, one message a packet. */
export function messageNumberAt(position: number): number {
  return (position % MAX_MESSAGE_NUMBER) + 1;
}

/** One message in one packet, the only form of live mode: PP = 11. */
const WHOLE_MESSAGE = 0xc000_0000;
/** Offset of the word that holds PP, O, KK, R and the message number. */
const FLAGS_AT = 4;

export function isControl(datagram: Buffer): boolean {
  return (datagram[0] as number) >= 0x80;
}

/** µs of the sender's clock, 32 bits. */
export function timestampOf(datagram: Buffer): number {
  return datagram.readUInt32BE(8);
}

/** Socket id of the receiver, 0 in a handshake that opens a connection. */
export function destinationOf(datagram: Buffer): number {
  return datagram.readUInt32BE(12);
}

/** Of a data packet. */
export function sequenceOf(datagram: Buffer): number {
  return datagram.readUInt32BE(0) & 0x7fff_ffff;
}

/** Of a data packet. */
export function messageNumberOf(datagram: Buffer): number {
  return datagram.readUInt32BE(FLAGS_AT) & MAX_MESSAGE_NUMBER;
}

/** Whether a data packet says that it has been sent before. */
export function isRetransmitted(datagram: Buffer): boolean {
  return ((datagram[FLAGS_AT] as number) & 0x04) !== 0;
}

/** KK of a data packet: `KEY`, or 3, which no data may have. */
export function keyOf(datagram: Buffer): number {
  return ((datagram[FLAGS_AT] as number) >> 3) & 3;
}

/** `CONTROL` value of a control packet. */
export function controlTypeOf(datagram: Buffer): number {
  return datagram.readUInt16BE(0) & 0x7fff;
}

/** Of a control packet. */
export function subtypeOf(datagram: Buffer): number {
  return datagram.readUInt16BE(2);
}

/** Type-specific word of a control packet: the ACK number, or the message number of a drop request. */
export function informationOf(datagram: Buffer): number {
  return datagram.readUInt32BE(4);
}

/** Everything behind the header, not copied. */
export function bodyOf(datagram: Buffer): Buffer {
  return datagram.subarray(HEADER_BYTES);
}

/** Header of a data packet that holds one whole message in clear; `ConnectionKeys.encrypt` sets KK. `timestamp` is cut to 32 bits. */
export function writeDataHeader(
  datagram: Buffer,
  sequence: number,
  messageNumber: number,
  timestamp: number,
  destination: number,
): void {
  datagram.writeUInt32BE(sequence, 0);
  datagram.writeUInt32BE(WHOLE_MESSAGE + messageNumber, FLAGS_AT);
  datagram.writeUInt32BE(timestamp >>> 0, 8);
  datagram.writeUInt32BE(destination, 12);
}

/** Sets the timestamp, µs; it is cut to 32 bits. */
export function setTimestamp(datagram: Buffer, timestamp: number): void {
  datagram.writeUInt32BE(timestamp >>> 0, 8);
}

/** Sets KK. */
export function setKey(datagram: Buffer, key: number): void {
  datagram[FLAGS_AT] = ((datagram[FLAGS_AT] as number) & ~0x18) | (key << 3);
}

/** Sets R, the one thing that differs when a packet is sent again. */
export function setRetransmitted(datagram: Buffer): void {
  datagram[FLAGS_AT] = (datagram[FLAGS_AT] as number) | 0x04;
}

/** A control packet with room for `bodyBytes` behind its header, which the caller fills. `timestamp` is cut to 32 bits. */
export function controlPacket(
  type: number,
  information: number,
  timestamp: number,
  destination: number,
  bodyBytes = 0,
  subtype = 0,
): Buffer {
  const datagram = Buffer.allocUnsafe(HEADER_BYTES + bodyBytes);
  datagram.writeUInt16BE(0x8000 | type, 0);
  datagram.writeUInt16BE(subtype, 2);
  datagram.writeUInt32BE(information, 4);
  datagram.writeUInt32BE(timestamp >>> 0, 8);
  datagram.writeUInt32BE(destination, 12);
  return datagram;
}
