import { overheadOf } from './cipher.ts';
import { HANDSHAKE_FLAGS, type HsBlock } from './handshake-extension.ts';
import { HEADER_BYTES, IP_UDP_BYTES, MAX_PAYLOAD_BYTES } from './packet.ts';

/** Of a transport stream. */
const TS_PACKET_BYTES = 188;
/** What we say we are: libsrt switches to its present AES-GCM from 1.5.4 on. */
export const OUR_VERSION = 0x01_05_04;
/** Everything of live mode; no packet filter. */
export const LIVE_FLAGS =
  HANDSHAKE_FLAGS.tsbpdSend |
  HANDSHAKE_FLAGS.tsbpdReceive |
  HANDSHAKE_FLAGS.crypt |
  HANDSHAKE_FLAGS.tooLateDrop |
  HANDSHAKE_FLAGS.periodicNak |
  HANDSHAKE_FLAGS.retransmitFlag;
/** Bytes of a datagram with IP and UDP headers: Ethernet's. */
export const OUR_MTU = IP_UDP_BYTES + HEADER_BYTES + MAX_PAYLOAD_BYTES;
/** Handshakes of version 5 began here; libsrt refuses older ones too. */
export const MIN_PEER_VERSION = 0x01_03_00;
/** Smallest MTU: a packet of a transport stream fits into a datagram, with the tag of AES-GCM. (libsrt lets people set 76.) */
export const MIN_MTU = IP_UDP_BYTES + HEADER_BYTES + overheadOf('gcm') + TS_PACKET_BYTES;
/** Packets; a window beyond is cut to this. */
export const MAX_FLOW_WINDOW = 2 ** 20;
/** What a peer may wish, where our own setting is not longer: packets wait for it in our memory. */
const MAX_WISHED_LATENCY_MS = 10_000;

/** The latency of both directions: the longer of what we and the peer want (SRT draft §4.4), the peer's wish within bounds. */
export function negotiateLatency(
  ourMs: number,
  peer: Pick<HsBlock, 'receiveLatencyMs' | 'sendLatencyMs'>,
): { readonly receiveLatencyMs: number; readonly sendLatencyMs: number } {
  return {
    receiveLatencyMs: Math.max(ourMs, Math.min(peer.sendLatencyMs, MAX_WISHED_LATENCY_MS)),
    sendLatencyMs: Math.max(ourMs, Math.min(peer.receiveLatencyMs, MAX_WISHED_LATENCY_MS)),
  };
}
