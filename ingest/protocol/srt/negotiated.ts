/** What a handshake has settled: all that a connection needs. */
export interface Negotiated {
  /** Destination of what we receive. */
  readonly localSocketId: number;
  /** Destination of what we send. */
  readonly peerSocketId: number;
  /** First sequence number of both directions: the caller's. */
  readonly initialSequence: number;
  /** The smaller of both sides', in bytes, IP and UDP headers included. */
  readonly mtu: number;
  /** Packets that we may have in flight. */
  readonly peerFlowWindow: number;
  /** How long after its timestamp (and the way here) a received packet is due. */
  readonly receiveLatencyMs: number;
  /** The same at the peer, for what we send. */
  readonly sendLatencyMs: number;
  /** As 0x010503 for 1.5.3. */
  readonly peerVersion: number;
  /** `HANDSHAKE_FLAGS` of the peer. */
  readonly peerFlags: number;
  /** Of the handshake, where it could be measured. */
  readonly rttUs?: number;
  /** Empty where the caller sent none. */
  readonly streamId: string;
  /** Timestamp of the peer's handshake packet from which its clock counts, and our `now` when it came, both in µs. */
  readonly timeBase: { readonly peerTimestamp: number; readonly arrivedAt: number };
  /** Our `now` (µs) from which the timestamps count that we send. */
  readonly startedAt: number;
  /** Undefined: nothing is encrypted. */
  readonly keys?: ConnectionKeys;
}

/**
 * Keys of one connection, each direction by itself. Receivers decrypt a datagram when it arrives, never later: its key may be replaced
 * meanwhile. Senders encrypt once and keep the ciphertext; a retransmission differs in R only.
 */
export interface ConnectionKeys {
  /** Bytes that encryption adds behind a payload: 0 with AES-CTR, 16 with AES-GCM. */
  readonly overheadBytes: number;
  /** The payload in clear, which the datagram holds from then on (a view, nothing copied); undefined where no key fits. */
  decrypt(datagram: Buffer): Buffer | undefined;
  /** Sets KK and encrypts in place. The datagram is final but for that: header, payload, then `overheadBytes` of room. */
  encrypt(datagram: Buffer): void;
  /** The peer's new keys (`USER.keyRequest`). `answer` gets the body of the `USER.keyResponse`, mostly before this returns. */
  receiveKeyRequest(body: Buffer, answer: (body: Buffer) => void): void;
  /** The peer's answer to ours (`USER.keyResponse`). */
  receiveKeyResponse(body: Buffer): void;
  /** Body of the `USER.keyRequest` that is to be sent now: our next key, announced until the peer confirms it. Cheap: asked at each tick. */
  keyRequestDue(now: number, rttUs: number): Buffer | undefined;
}
