/** RTMP message types that carry media (RTMP 1.0 §7.1). AMF3 data (15) reaches nobody: the session turns it into 18. */
export type MediaMessageType = 8 | 9 | 18;

/** One whole audio (8), video (9) or data (18, AMF0) message as a publisher sent it; aggregates have been taken apart. */
export interface MediaMessage {
  readonly type: MediaMessageType;
  /** Milliseconds, 32 bits, as on the wire: wraps (ffmpeg at 2³¹, others at 2³²). */
  readonly timestamp: number;
  /** The message's own bytes: kept by the receiver, never reused by the sender. */
  readonly body: Buffer;
}
