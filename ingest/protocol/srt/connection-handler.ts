import type { ProtocolError } from '../protocol-error.ts';

/**
 * Why a connection is over. `shutdown`: the peer said so. `idle`: nothing came from it for `idleMs`. `protocol`: it sent what cannot be.
 * `local`: `close` was called.
 */
export type CloseReason = 'shutdown' | 'idle' | 'protocol' | 'local';

/** What a connection does and what comes out of it. Called while one of its methods runs; `now` is the one given there, in µs. */
export interface SrtConnectionHandler {
  /** A datagram for the peer. A data packet may be sent again later: then the R bit of the same memory is set, nothing else. */
  send(datagram: Buffer): void;
  /** What the peer sent, in its order and each payload once: a view into the datagram that was received. */
  onPayload(payload: Buffer, now: number): void;
  /** At this place of the order so many packets are missing for good: too late, given up by the peer, or not to be decrypted. */
  onDrop(packets: number): void;
  /** So many packets that `send` took will not reach the peer any more, because they got too old: what depends on them is broken there. */
  onSendDrop(packets: number): void;
  /** The last call: the connection may be forgotten. `error` comes with `protocol` only. */
  onClosed(reason: CloseReason, error?: ProtocolError): void;
}

/** Bounds of one connection. */
export interface SrtConnectionSettings {
  /** Packets that wait behind a missing one at most; further ones are not taken. Also our flow window of the handshake. */
  readonly receivePackets: number;
  /** Packets that wait for their acknowledgement, or to be sent; `send` refuses further ones. */
  readonly sendPackets: number;
  /** Pace of everything we send, retransmissions included. */
  readonly maxBytesPerSecond: number;
  /** Silence after which the peer counts as gone. */
  readonly idleMs: number;
}
