import { CONTROL, controlPacket, HEADER_BYTES } from './packet.ts';
import { RefusedHandshake } from './rejection.ts';

/** Handshake types (SRT draft §3.2.1); from `FIRST_REJECTION` on, where read as unsigned, a refusal. */
export const HANDSHAKE = {
  waveAHand: 0,
  induction: 1,
  conclusion: 0xffff_ffff,
  agreement: 0xffff_fffe,
  done: 0xffff_fffd,
} as const;

/** Extension field of a conclusion: which blocks come behind it. */
export const EXTENSION_FIELD = { hs: 1, key: 2, config: 4 } as const;
/** Extension field of an induction answer: the listener speaks version 5. */
export const INDUCTION_MAGIC = 0x4a17;
/** Extension field of an induction request: the datagram socket type of UDT, version 4. */
export const UDT_DATAGRAM = 2;

/** The fixed part of a handshake. */
export interface Handshake {
  readonly version: number;
  /** Key length of what is sent: bytes / 8, 0 for none or any. */
  readonly encryption: number;
  readonly extension: number;
  readonly initialSequence: number;
  /** Bytes, IP and UDP headers included. */
  readonly mtu: number;
  /** Packets. */
  readonly flowWindow: number;
  readonly type: number;
  readonly socketId: number;
  readonly cookie: number;
}

/** Length of the fixed part. */
const FIXED_BYTES = 48;
/** Smallest datagram that may be one. */
export const MIN_HANDSHAKE_BYTES = HEADER_BYTES + FIXED_BYTES;
const ADDRESS_AT = HEADER_BYTES + 32;

/**
 * The fixed part (SRT draft §3.2.1), not judged yet.
 *
 *   0 version · 4 encryption, extension (16 bits each) · 8 initial sequence number · 12 MTU · 16 flow window · 20 type
 *   24 socket id · 28 cookie · 32 address of the peer, 16 bytes
 *
 * @throws RefusedHandshake ERR_SRT_HANDSHAKE where the datagram is shorter than that.
 */
export function parseHandshake(datagram: Buffer): Handshake {
  if (datagram.length < MIN_HANDSHAKE_BYTES) {
    throw new RefusedHandshake('ERR_SRT_HANDSHAKE', 'rogue', `${datagram.length} bytes are no handshake`);
  }
  const u32 = (at: number): number => datagram.readUInt32BE(HEADER_BYTES + at);
  return {
    version: u32(0),
    encryption: datagram.readUInt16BE(HEADER_BYTES + 4),
    extension: datagram.readUInt16BE(HEADER_BYTES + 6),
    initialSequence: u32(8),
    mtu: u32(12),
    flowWindow: u32(16),
    type: u32(20),
    socketId: u32(24),
    cookie: u32(28),
  };
}

/** Extension blocks of a handshake, not copied. */
export function extensionsOf(datagram: Buffer): Buffer {
  return datagram.subarray(MIN_HANDSHAKE_BYTES);
}

/** The whole packet. `address`: the receiver's, as we see it; only IPv4 is told. `timestamp` µs. */
export function encodeHandshake(
  handshake: Handshake,
  to: { readonly timestamp: number; readonly destination: number; readonly address: string },
  extensions: Buffer = Buffer.alloc(0),
): Buffer {
  const datagram = controlPacket(CONTROL.handshake, 0, to.timestamp, to.destination, FIXED_BYTES + extensions.length);
  const u32 = (value: number, at: number): number => datagram.writeUInt32BE(value, HEADER_BYTES + at);
  u32(handshake.version, 0);
  datagram.writeUInt16BE(handshake.encryption, HEADER_BYTES + 4);
  datagram.writeUInt16BE(handshake.extension, HEADER_BYTES + 6);
  u32(handshake.initialSequence, 8);
  u32(handshake.mtu, 12);
  u32(handshake.flowWindow, 16);
  u32(handshake.type, 20);
  u32(handshake.socketId, 24);
  u32(handshake.cookie, 28);
  writeAddress(datagram, to.address);
  extensions.copy(datagram, MIN_HANDSHAKE_BYTES);
  return datagram;
}

/** IPv4 stands in the first four bytes, last byte first: libsrt writes it in the order of x86. Nobody may rely on it. */
function writeAddress(datagram: Buffer, address: string): void {
  datagram.fill(0, ADDRESS_AT, MIN_HANDSHAKE_BYTES);
  const bytes = /^\d+\.\d+\.\d+\.\d+$/.test(address) ? address.split('.').map(Number) : [];
  for (const [i, byte] of bytes.reverse().entries()) datagram[ADDRESS_AT + i] = byte;
}
