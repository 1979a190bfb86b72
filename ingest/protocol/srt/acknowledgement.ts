/**
 * Bodies of acknowledgements (SRT draft §3.2.4): a light one has the first word, a small one four, a full one all seven.
 *
 *   next expected sequence | RTT µs | RTT variance µs | free packets | packets/s received | link capacity, packets/s | bytes/s received
 */
export const LIGHT_ACK_BYTES = 4;
export const FULL_ACK_BYTES = 28;
const SMALL_ACK_BYTES = 16;

export function writeFullAck(
  datagram: Buffer,
  at: number,
  sequence: number,
  rttUs: number,
  varianceUs: number,
  freePackets: number,
  packetsPerSecond: number,
  capacity: number,
  bytesPerSecond: number,
): void {
  datagram.writeUInt32BE(sequence, at);
  datagram.writeUInt32BE(Math.round(rttUs), at + 4);
  datagram.writeUInt32BE(Math.round(varianceUs), at + 8);
  datagram.writeUInt32BE(freePackets, at + 12);
  datagram.writeUInt32BE(Math.round(packetsPerSecond) >>> 0, at + 16);
  datagram.writeUInt32BE(Math.round(capacity) >>> 0, at + 20);
  datagram.writeUInt32BE(Math.round(bytesPerSecond) >>> 0, at + 24);
}

/** Whether the acknowledgement at `at` has more than the sequence number. */
export function hasAckDetails(datagram: Buffer, at: number): boolean {
  return datagram.length >= at + SMALL_ACK_BYTES;
}

export function ackRttUs(datagram: Buffer, at: number): number {
  return datagram.readUInt32BE(at + 4);
}

export function ackVarianceUs(datagram: Buffer, at: number): number {
  return datagram.readUInt32BE(at + 8);
}

export function ackFreePackets(datagram: Buffer, at: number): number {
  return datagram.readUInt32BE(at + 12);
}

/** Link capacity in packets a second, 0 where it is not told. */
export function ackCapacity(datagram: Buffer, at: number): number {
  return datagram.length >= at + 24 ? datagram.readUInt32BE(at + 20) : 0;
}
