import type { ProtocolFault } from '../protocol-error.ts';
import type { StreamTarget } from '../stream-target.ts';
import type { ConnectInfo } from './connect-info.ts';
import type { HandshakeScheme } from './handshake.ts';
import type { MediaMessage } from './media-message.ts';
import type { RtmpLimits } from './rtmp-limits.ts';

/** A client wants to publish. `publishType` is `live`, `record` or `append`, or whatever else it sent. */
export interface PublishRequest extends StreamTarget {
  readonly streamId: number;
  readonly publishType: string;
}

/** A client wants to watch. `startSeconds` as sent: -2 live or recorded, -1 live, else a position; some send milliseconds. */
export interface PlayRequest extends StreamTarget {
  readonly streamId: number;
  readonly startSeconds: number;
}

/** The codes of refusals that librtmp and with it OBS know; on others they wait until the connection ends. */
export type PublishRefusal = 'NetStream.Publish.BadName' | 'NetStream.Publish.Denied' | 'NetStream.Publish.Rejected';
export type PlayRefusal = 'NetStream.Play.StreamNotFound' | 'NetStream.Play.Failed';

/** How a client ended what it published or watched. */
export type StopCause = 'FCUnpublish' | 'deleteStream' | 'closeStream';

/** What a session does, and what it learns of its peer. Called while `receive` or one of the session's own methods runs. */
export interface RtmpSessionHandler {
  /** Bytes for the peer, in order. A peer that makes us answer and does not read is the caller's to notice. */
  send(bytes: Buffer): void;
  onHandshake(info: { readonly scheme: HandshakeScheme }): void;
  onConnect(info: ConnectInfo): void;
  /** Answered by `acceptPublish` or `rejectPublish`, now or later. */
  onPublish(request: PublishRequest): void;
  /** Answered by `acceptPlay` or `rejectPlay`, now or later. */
  onPlay(request: PlayRequest): void;
  /** Only after `acceptPublish`, and until `onStop`. */
  onMedia(message: MediaMessage): void;
  /** The client ended its publishing or playing, accepted or not. It may begin again on the same connection. */
  onStop(info: { readonly streamId: number; readonly cause: StopCause }): void;
  /** Something odd was passed over. */
  onSkipped(code: ProtocolFault): void;
}

/** `chunkSize`: bytes of the chunks this side sends. `random`: for tests. */
export interface RtmpSessionOptions {
  readonly limits: RtmpLimits;
  readonly chunkSize: number;
  readonly windowAckSize?: number;
  readonly random?: (size: number) => Buffer;
}
