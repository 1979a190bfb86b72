import type { MediaEvent } from './media-event.ts';

/** What a publisher was let in with: whether it may stay is asked again when that changes. */
export interface PublishGrant {
  /** LiveStream uid. */
  readonly owner: string;
  /** Which of the stream's keys it came with. */
  readonly credentialRevision: number;
}

/** Who publishes what: fixed when a publisher is accepted. */
export interface PublicationInfo {
  /** `app/name`. */
  readonly path: string;
  /** 8 random characters of lower-case base32: no two publications ever share one. */
  readonly pub: string;
  /** Orders the publications of a path. */
  readonly epoch: number;
  readonly startedAt: Date;
  readonly protocol: 'rtmp' | 'rtmps' | 'srt';
  /** `c000001`. */
  readonly connId: string;
  /** Absent where everybody may publish. */
  readonly grant?: PublishGrant;
}

/** Takes a publication's events in order. Called on the media path: must not throw, block or wait. The last event is `end`. */
export interface MediaSink {
  onEvent(event: MediaEvent): void;
}

/** A piece of the transport stream that a publication came as, for viewers who take the same. */
export interface TransportPart {
  /** Whole packets, unchanged: parts that follow each other lack nothing between them but what was lost on the way. */
  readonly data: Buffer;
  /** A decoder that has `tables` can start with the first packet. */
  readonly isStart: boolean;
  /** The packets that describe the program, as they came last; empty while they have not. */
  readonly tables: Buffer;
}

/** Takes a publication that has a transport stream beside its events. Called like {@link MediaSink.onEvent}. */
export interface TransportSink extends MediaSink {
  onTransport(part: TransportPart): void;
}
