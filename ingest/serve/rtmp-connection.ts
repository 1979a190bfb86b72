import type { Socket } from 'node:net';
import { RtmpToMedia } from '../adapt/rtmp-to-media.ts';
import type { Authorizer, Denial } from '../auth/authorizer.ts';
import type { ConfigEvent, EndCause } from '../media/media-event.ts';
import { ProtocolError } from '../protocol/protocol-error.ts';
import type { MediaMessage } from '../protocol/rtmp/media-message.ts';
import type { RtmpLimits } from '../protocol/rtmp/rtmp-limits.ts';
import { RtmpSession } from '../protocol/rtmp/session.ts';
import type { PlayRequest, PublishRequest, RtmpSessionHandler } from '../protocol/rtmp/session-handler.ts';
import type { Hub, Seat } from '../relay/hub.ts';
import type { Publication } from '../relay/publication.ts';
import type { ReplaceCause } from '../relay/stream.ts';
import type { ViewerEnd } from '../relay/viewer.ts';
import type { Log } from '../runtime/log.ts';
import type { Meter } from '../runtime/meter.ts';
import type { AddressTicket } from './address-limits.ts';
import { READ_BYTES, readShared } from './shared-reads.ts';
import { logHeadersSent, needsFourCc, sequenceHeaders } from './viewer-log.ts';

/** Limits and times (ms) of a connection; `config.limits` has them. */
export interface ConnectionLimits extends RtmpLimits {
  readonly handshake: number;
  readonly request: number;
  readonly publisherRead: number;
  readonly publisherMedia: number;
}

/** What a connection is given by its server. */
export interface ConnectionOptions {
  readonly id: string;
  readonly protocol: 'rtmp' | 'rtmps';
  readonly hub: Hub;
  readonly authorizer: Authorizer;
  readonly limits: ConnectionLimits;
  readonly chunkSize: number;
  readonly ticket: AddressTicket;
  /** Called when it has stopped reading for a moment, as nobody watches it: resumes the socket a little later. */
  readonly rest: (socket: Socket) => void;
  readonly log: Log;
  readonly meter: Meter;
  readonly onClosed: () => void;
}

/** E-RTMP `capsEx` bit: the client takes multitrack messages. */
const CAPS_MULTITRACK = 2;
/** A viewer is asked for a sign of life this often, for the sake of routers and proxies on the way. */
const PING_EVERY_MS = 30_000;
/** What was written before `end()` has this long to leave. */
const LINGER_MS = 5_000;
/** Bytes of answers since the peer had last read all: who asks and does not read must not fill our memory. */
const MAX_UNREAD_ANSWERS = 256 * 1024;
/** Characters of a peer's own words that are logged. */
const MAX_SAID = 80;
const TOO_MANY_SESSIONS = 'too many sessions from this address';

type Role = 'none' | 'held' | 'publisher' | 'viewer';

/** One RTMP peer: joins its socket, its protocol session and the hub. Its faults end it and nothing else. */
export class RtmpConnection implements RtmpSessionHandler {
  readonly #socket: Socket;
  readonly #options: ConnectionOptions;
  readonly #session: RtmpSession;
  readonly #ownLog: Log;
  /** The same, with the path once there is one. */
  #log: Log;
  #role: Role = 'none';
  readonly #openedAt = performance.now();
  #handshaken = false;
  /** Since when it neither publishes nor plays. */
  #idleSince = this.#openedAt;
  #lastReadAt = this.#openedAt;
  #lastPingAt = this.#openedAt;
  #closingAt: number | undefined;
  #received = 0;
  #sent = 0;
  #answered = 0;
  #multitrack = false;
  #fourCc = false;
  #streamId = 0;
  #publication: Publication | undefined;
  #adapter: RtmpToMedia | undefined;
  #withdraw: (() => void) | undefined;
  #seat: Seat | undefined;

  constructor(socket: Socket, options: ConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#ownLog = options.log.child({ conn_id: options.id });
    this.#log = this.#ownLog;
    this.#session = new RtmpSession({ limits: options.limits, chunkSize: options.chunkSize }, this);
    socket.setNoDelay(true);
    readShared(socket, (bytes) => {
      this.#receive(bytes);
      return bytes.length === READ_BYTES || !this.#rest();
    });
    socket.on('error', (error) => this.#log.debug({ reason: error.message }, 'socket error'));
    socket.once('close', () => this.#closed());
    this.#log.info(
      { peer_addr: `${socket.remoteAddress}:${socket.remotePort}`, protocol: options.protocol },
      'Connection accepted',
    );
  }

  /** Called about once a second: deadlines, pings, counters. */
  sweep(now: number): void {
    this.#reportBytes();
    if (this.#socket.writableLength === 0) this.#answered = 0;
    const { limits } = this.#options;
    if (this.#closingAt !== undefined) {
      if (now - this.#closingAt > LINGER_MS) this.#socket.destroy();
    } else if (this.#role === 'none') {
      if (!this.#handshaken && now - this.#openedAt > limits.handshake) this.#fail('ERR_RTMP_HANDSHAKE_TIMEOUT');
      else if (this.#handshaken && now - this.#idleSince > limits.request) this.#fail('ERR_RTMP_REQUEST_TIMEOUT');
    } else if (this.#publication !== undefined) {
      if (now - this.#lastReadAt > limits.publisherRead) this.#endPublisher('ERR_PUBLISHER_READ_TIMEOUT');
      else if (now - this.#publication.lastMediaAt > this.#idleTimeoutMs(this.#publication))
        this.#endPublisher('ERR_PUBLISHER_NO_MEDIA');
    }
    if (this.#role === 'viewer' && now - this.#lastPingAt > PING_EVERY_MS && this.#seat?.viewer.isCurrent) {
      this.#lastPingAt = now;
      this.#session.ping(now);
    }
  }

  /** The server stops: publishers are told, viewers have been ended by the hub. */
  shutdown(): void {
    if (this.#role === 'publisher' || this.#role === 'held') {
      this.#session.unpublishedByServer('NetStream.Unpublish.Success', 'server is shutting down');
    }
    this.#end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  // What the session says.

  send(bytes: Buffer): void {
    if (this.#closingAt !== undefined) return;
    this.#answered += bytes.length;
    if (this.#answered > MAX_UNREAD_ANSWERS) {
      this.#fail('ERR_RTMP_FLOOD');
      this.#socket.destroy(); // it would not read a farewell either
    } else if (this.#seat !== undefined) this.#seat.viewer.sendControl(bytes);
    else this.#socket.write(bytes);
  }

  onHandshake(info: { readonly scheme: string }): void {
    this.#handshaken = true;
    this.#log.info({ scheme: info.scheme }, 'Handshake completed');
  }

  onConnect(info: {
    readonly app: string;
    readonly flashVer: string;
    readonly fourCcList: readonly string[];
    readonly capsEx: number;
  }): void {
    this.#multitrack = (info.capsEx & CAPS_MULTITRACK) !== 0;
    this.#fourCc = info.fourCcList.length > 0;
    this.#log.debug(
      { client: info.flashVer.slice(0, MAX_SAID), fourcc: info.fourCcList, caps_ex: info.capsEx },
      'connect command',
    );
  }

  onPublish(request: PublishRequest): void {
    if (this.#closingAt !== undefined) return; // what came behind a refused one
    this.#log = this.#ownLog.child({ stream_key: request.path });
    this.#log.info({ type: request.publishType.slice(0, MAX_SAID) }, 'publish command');
    if (!this.#options.ticket.request()) {
      this.#session.rejectPublish(request.streamId, 'NetStream.Publish.Denied', TOO_MANY_SESSIONS);
      this.#options.meter.count('headwater_publications_refused_total', 'ERR_LIMIT_SESSIONS_PER_ADDRESS');
      this.#fail('ERR_LIMIT_SESSIONS_PER_ADDRESS');
      return;
    }
    const { hub, authorizer, protocol, id: connId } = this.#options;
    const verdict = authorizer.publish({ path: request.path, protocol, key: request.credentials.key });
    if (!verdict.isAllowed) {
      this.#deny(request, verdict);
      return;
    }
    this.#role = 'held';
    this.#streamId = request.streamId;
    const { grant } = verdict;
    this.#withdraw = hub.publish(
      { path: request.path, protocol, connId, ...(grant === undefined ? {} : { grant }) },
      {
        onAccepted: (publication) => this.#published(publication),
        onRefused: () => this.#refuse(request.streamId),
        onReplaced: (cause) => this.#replaced(cause),
      },
    );
  }

  onPlay(request: PlayRequest): void {
    if (this.#closingAt !== undefined) return;
    this.#log = this.#ownLog.child({ stream_key: request.path });
    this.#log.info({ start: request.startSeconds }, 'play command');
    if (!this.#options.ticket.request()) {
      this.#session.rejectPlay(request.streamId, 'NetStream.Play.Failed', TOO_MANY_SESSIONS);
      this.#options.meter.count('headwater_viewers_refused_total', 'ERR_LIMIT_SESSIONS_PER_ADDRESS');
      this.#fail('ERR_LIMIT_SESSIONS_PER_ADDRESS');
      return;
    }
    const verdict = this.#options.authorizer.play({ path: request.path, protocol: 'rtmp' });
    if (!verdict.isAllowed) {
      this.#denyPlay(request, verdict);
      return;
    }
    this.#role = 'viewer';
    this.#streamId = request.streamId;
    const selection = this.#multitrack || request.query.get('tracks') === 'all' ? 'full' : 'base';
    const { hub, meter, protocol } = this.#options;
    this.#seat = hub.seat(request.path, `rtmp-${selection}`, this.#socket, {
      onReady: () => {
        this.#options.ticket.accept();
        this.#session.acceptPlay(request.streamId);
        meter.count('headwater_viewers_total', protocol);
        this.#log.info({ total_subscribers: hub.streams.get(request.path)?.viewerCount ?? 1 }, 'Subscriber added');
      },
      onHeaders: (headers) => this.#headersSent(sequenceHeaders(headers, selection)),
      onCut: (frames) => this.#log.info({ frames }, 'viewer too slow: moved on to a keyframe'),
      onEnd: (reason) => this.#viewerEnded(request, reason),
    });
    this.#seat.take();
  }

  onMedia(message: MediaMessage): void {
    this.#adapter?.push(message, this.#lastReadAt);
  }

  onStop(info: { readonly streamId: number; readonly cause: string }): void {
    this.#log.debug({ cause: info.cause }, 'stop command');
    this.#withdraw?.();
    this.#endMedia('unpublish');
    this.#seat?.leave();
    this.#seat = undefined;
    this.#role = 'none';
    this.#idleSince = performance.now();
  }

  onSkipped(code: string): void {
    this.#options.meter.count('headwater_skipped_messages_total', code);
    this.#log.debug({ code }, 'message skipped');
  }

  /** Leaves what comes next to the kernel for a moment, where nobody would be sent it sooner. Whether it does. */
  #rest(): boolean {
    if (this.#publication === undefined || this.#closingAt !== undefined) return false;
    const { hub, rest } = this.#options;
    if (hub.streams.get(this.#publication.info.path)?.viewerCount !== 0) return hub.restUntilFlush(this.#socket);
    rest(this.#socket);
    return true;
  }

  // What follows from it.

  #receive(bytes: Buffer): void {
    this.#lastReadAt = performance.now();
    this.#received += bytes.length;
    if (this.#closingAt !== undefined) return;
    try {
      this.#session.receive(bytes);
    } catch (error) {
      if (!(error instanceof ProtocolError)) {
        this.#log.error({ err: error }, 'connection failed on an error of the server');
        this.#fail('ERR_INTERNAL');
        return;
      }
      this.#log.warn({ code: error.code, reason: error.message }, 'protocol error');
      this.#fault(error.code);
    }
  }

  #published(publication: Publication): void {
    this.#role = 'publisher';
    this.#options.ticket.accept();
    this.#publication = publication;
    this.#adapter = new RtmpToMedia(publication, { onSkipped: (code) => this.onSkipped(code) });
    this.#session.acceptPublish(this.#streamId);
  }

  #refuse(streamId: number): void {
    this.#role = 'none';
    this.#options.meter.count('headwater_publications_refused_total', 'ERR_PATH_BUSY');
    this.#log.warn({ code: 'ERR_PATH_BUSY' }, 'publisher refused');
    this.#session.rejectPublish(streamId, 'NetStream.Publish.BadName', 'somebody already publishes on this path');
    this.#end();
  }

  /** The peer is not told more than that it may not: who has no key shall not learn which paths there are. */
  #deny({ streamId }: PublishRequest, { code, reason }: Denial): void {
    this.#options.meter.count('headwater_publications_refused_total', code);
    this.#log.warn({ code, reason }, 'publisher refused');
    this.#session.rejectPublish(streamId, 'NetStream.Publish.Denied', 'this path and stream key are not accepted');
    this.#end();
  }

  #denyPlay({ streamId, path }: PlayRequest, { code, reason }: Denial): void {
    this.#options.meter.count('headwater_viewers_refused_total', code);
    this.#log.warn({ code, reason }, 'viewer refused');
    this.#session.rejectPlay(streamId, 'NetStream.Play.Failed', `${path} can't be watched here`);
    this.#end();
  }

  #replaced(cause: ReplaceCause): void {
    this.#log.info({ cause }, 'publisher replaced');
    if (cause === 'revoked')
      this.#session.unpublishedByServer('NetStream.Publish.Denied', 'this stream key may publish no more');
    else this.#session.unpublishedByServer('NetStream.Publish.BadName', 'another publisher took over');
    this.#end();
  }

  #idleTimeoutMs({ info }: Publication): number {
    return this.#options.hub.idleTimeoutMs(info.path) ?? this.#options.limits.publisherMedia;
  }

  #headersSent(headers: readonly ConfigEvent[]): void {
    logHeadersSent(this.#log, headers);
    if (!this.#fourCc && needsFourCc(headers)) {
      this.#fourCc = true; // once is enough
      this.#options.meter.count('headwater_viewers_without_fourcc_total');
      this.#log.info({}, 'viewer did not announce the FourCC codec that it is sent');
    }
  }

  #viewerEnded({ streamId, path }: PlayRequest, reason: ViewerEnd): void {
    this.#log.info({ reason }, 'viewer ended');
    if (reason === 'stalled') {
      this.#fail('ERR_VIEWER_STALLED');
      this.#socket.destroy();
      return;
    }
    if (reason === 'not-found') {
      this.#options.meter.count('headwater_viewers_refused_total', reason);
      const words = `nobody publishes ${path} (small and capital letters are not the same)`;
      this.#session.rejectPlay(streamId, 'NetStream.Play.StreamNotFound', words);
    } else {
      this.#session.endPlay();
    }
    this.#end();
  }

  /** The publisher is too slow or too quiet: told, then closed. */
  #endPublisher(code: 'ERR_PUBLISHER_READ_TIMEOUT' | 'ERR_PUBLISHER_NO_MEDIA'): void {
    this.#endMedia('timeout');
    this.#session.unpublishedByServer('NetStream.Unpublish.Success', 'no media came for too long');
    this.#fail(code);
  }

  #endMedia(cause: EndCause): void {
    this.#adapter?.end(cause);
    this.#adapter = undefined;
    this.#publication = undefined;
  }

  #fail(code: string): void {
    this.#log.warn({ code }, 'connection closed');
    this.#fault(code);
  }

  #fault(code: string): void {
    this.#options.meter.count('headwater_connection_faults_total', code);
    this.#end();
  }

  /** No more is read; what was written still leaves. */
  #end(): void {
    if (this.#closingAt !== undefined) return;
    this.#closingAt = performance.now();
    this.#withdraw?.();
    this.#endMedia('error');
    this.#socket.end();
  }

  #reportBytes(): void {
    const { meter, protocol } = this.#options;
    const sent = this.#socket.bytesWritten;
    if (this.#received > 0) meter.count('headwater_received_bytes_total', protocol, this.#received);
    if (sent > this.#sent) meter.count('headwater_sent_bytes_total', protocol, sent - this.#sent);
    this.#received = 0;
    this.#sent = sent;
  }

  #closed(): void {
    this.#reportBytes();
    this.#withdraw?.();
    this.#endMedia('lost');
    this.#seat?.leave();
    this.#options.ticket.close();
    this.#log.info({}, 'Connection closed');
    this.#options.onClosed();
  }
}
