import type { Authorizer } from '../auth/authorizer.ts';
import type { SrtPassphrase, SrtPathPolicy } from '../auth/srt-policies.ts';
import type { ConfigEvent } from '../media/media-event.ts';
import type { PublishGrant } from '../media/publication.ts';
import type { KeyRefresh } from '../protocol/srt/connection-keys.ts';
import type { ConnectionRequest } from '../protocol/srt/connection-request.ts';
import { type AgreedKeys, agreeOnKeys } from '../protocol/srt/key-agreement.ts';
import { RefusedHandshake, type Rejection } from '../protocol/srt/rejection.ts';
import { maskStreamId, parseStreamId, type SrtTarget } from '../protocol/srt/stream-id.ts';
import type { Hub, Seat } from '../relay/hub.ts';
import type { Publication } from '../relay/publication.ts';
import type { ViewerEnd } from '../relay/viewer.ts';
import type { Log } from '../runtime/log.ts';
import type { Meter } from '../runtime/meter.ts';
import type { AddressLimits, AddressTicket } from './address-limits.ts';
import type { SrtListener } from './srt-listener.ts';
import { SrtPublisher } from './srt-publisher.ts';
import { type SrtEncryptionView, SrtSession } from './srt-session.ts';
import { SrtSink } from './srt-sink.ts';
import { SrtViewer } from './srt-viewer.ts';
import { logHeadersSent, sequenceHeaders, withoutTsForm } from './viewer-log.ts';

/** What arrivals are given by the server. Times in µs, where a name does not say ms. */
export interface SrtArrivalOptions {
  readonly hub: Hub;
  readonly authorizer: Authorizer;
  readonly policyOf: (path: string) => SrtPathPolicy | undefined;
  readonly defaultPath: string | undefined;
  readonly waitForPublisherMs: number;
  readonly publisherMediaMs: number;
  readonly idleMs: number;
  /** When our own keys are replaced. */
  readonly keyRefresh: KeyRefresh;
  readonly addresses: AddressLimits;
  readonly log: Log;
  readonly meter: Meter;
  readonly now: () => number;
  readonly newSocketId: () => number;
  /** Derives keys when it is its turn. */
  readonly inTurn: <T>(job: () => Promise<T>) => Promise<T>;
  readonly onSession: (localSocketId: number, session: SrtSession) => void;
  readonly onSessionEnded: (localSocketId: number) => void;
  readonly onRefused: (arrival: SrtArrival, code: string, rejection: Rejection, reason: string) => void;
}

/** A caller as its datagrams name it, for answers. */
export interface SrtSource {
  readonly address: string;
  readonly port: number;
}

/** Callers repeat their request every 250 ms while they wait: who has not for so long has given up. */
const GIVEN_UP_US = 1_500_000;
/** Packets that wait behind a missing one at most: 10 s of 30 Mbit/s. */
export const RECEIVE_PACKETS = 32_768;
/** Packets of a viewer that wait for acknowledgement at most. */
const SEND_PACKETS = 16_384;
/** Of one peer, bytes a second, retransmissions included: 1 Gbit/s, as in libsrt. */
const MAX_BYTES_PER_SECOND = 125_000_000;

/** Why a caller is not let in, beside what the protocol itself finds. */
const REFUSALS = {
  ERR_LIMIT_SESSIONS_PER_ADDRESS: 'overload',
  ERR_PATH_BUSY: 'conflict',
  ERR_STREAM_NOT_FOUND: 'notFound',
  ERR_AUTH_UNKNOWN_PATH: 'notFound',
  ERR_AUTH_KEY: 'unauthorized',
  ERR_AUTH_PROTOCOL: 'forbidden',
  ERR_AUTH_SUSPENDED: 'locked',
  ERR_SRT_GAVE_UP: 'timeout',
  ERR_SRT_STOPPING: 'down',
  ERR_INTERNAL: 'serverError',
} as const satisfies Record<string, Rejection>;

/** A caller whose cookie was right, from its request to the answer: who it is, whether it may, and, where it may, the session that follows. */
export class SrtArrival {
  readonly id: string;
  readonly request: ConnectionRequest;
  readonly source: SrtSource;
  readonly listener: SrtListener;
  readonly #options: SrtArrivalOptions;
  #log: Log;
  #target: SrtTarget | undefined;
  #policy: SrtPathPolicy | undefined;
  #agreed: AgreedKeys<SrtPassphrase> | undefined;
  #ticket: AddressTicket | undefined;
  #isAnswered = false;
  #withdraw: (() => void) | undefined;
  #seat: Seat | undefined;
  #saidLeftOut = false;
  /** A viewer for whom nobody publishes is told so then, µs. */
  #notFoundAt = Number.POSITIVE_INFINITY;

  constructor(
    id: string,
    request: ConnectionRequest,
    source: SrtSource,
    listener: SrtListener,
    options: SrtArrivalOptions,
  ) {
    this.id = id;
    this.request = request;
    this.source = source;
    this.listener = listener;
    this.#options = options;
    this.#log = options.log.child({ conn_id: id });
  }

  /** It has been let in or refused: nothing is left to do. */
  get isAnswered(): boolean {
    return this.#isAnswered;
  }

  /** For logs: what the caller asked for, without secrets. */
  get streamId(): string {
    return maskStreamId(this.request.streamId);
  }

  /** Decides. Never throws: an error of ours is an answer too. */
  async decide(): Promise<void> {
    try {
      await this.#decide();
    } catch (error) {
      if (error instanceof RefusedHandshake) this.#answerNo(error.code, error.rejection, error.message);
      else this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#log.error({ err: error }, 'connection failed on an error of the server');
    this.refuse('ERR_INTERNAL', 'the server failed on this request');
  }

  /** Called about every 10 ms while it waits. */
  tick(now: number): void {
    if (this.#isAnswered) return;
    try {
      if (now >= this.#notFoundAt) this.#notFound();
      else if (now - this.request.lastSeenAt > GIVEN_UP_US) this.refuse('ERR_SRT_GAVE_UP', 'the caller asks no more');
    } catch (error) {
      this.#fail(error);
    }
  }

  refuse(code: keyof typeof REFUSALS, reason: string): void {
    this.#answerNo(code, REFUSALS[code], reason);
  }

  async #decide(): Promise<void> {
    const { addresses, policyOf, inTurn, keyRefresh } = this.#options;
    const target = this.#readTarget();
    this.#target = target;
    this.#log = this.#log.child({ stream_key: target.path });
    this.#ticket = addresses.open(this.request.address);
    if (this.#ticket?.request() !== true) {
      return this.refuse('ERR_LIMIT_SESSIONS_PER_ADDRESS', 'too many sessions from this address');
    }
    this.#policy = policyOf(target.path);
    if (this.#policy === undefined) return this.#notFound();
    const { keyMessage, hs } = this.request;
    const policy = this.#policy;
    this.#agreed = await inTurn(() => agreeOnKeys({ keyMessage, version: hs.version }, policy, keyRefresh));
    if (this.#isAnswered) return; // the server stops, or the caller has given up
    this.#log.info(
      { peer_addr: `${this.request.address}:${this.request.port}`, protocol: 'srt' },
      'Connection accepted',
    );
    if (target.mode === 'publish') this.#authorizePublish(target.path);
    else this.#authorizePlay(target.path);
  }

  /** On a port of its own the path is the port's, whatever the stream id says; without one there the caller publishes. */
  #readTarget(): SrtTarget {
    const { path } = this.listener;
    const { streamId } = this.request;
    if (path === undefined) return parseStreamId(streamId, this.#options.defaultPath);
    return { ...parseStreamId(streamId, path), path };
  }

  #authorizePublish(path: string): void {
    const revision = this.#agreed?.fitted?.revision;
    const answer = this.#options.authorizer.publish({ path, protocol: 'srt', revision });
    if (answer.isAllowed) this.#publish(path, answer.grant);
    else this.refuse(answer.code, answer.reason);
  }

  #authorizePlay(path: string): void {
    const answer = this.#options.authorizer.play({ path, protocol: 'srt' });
    if (answer.isAllowed) this.#play(path);
    else this.refuse(answer.code, answer.reason);
  }

  #publish(path: string, grant: PublishGrant | undefined): void {
    const { hub, meter, publisherMediaMs, now } = this.#options;
    let publisher: SrtPublisher | undefined;
    this.#log.info({ type: 'live' }, 'publish command');
    this.#withdraw = hub.publish(
      { path, protocol: 'srt', connId: this.id, ...(grant === undefined ? {} : { grant }) },
      {
        onAccepted: (publication: Publication) => {
          try {
            const session = this.#open('publish');
            const mediaTimeout = hub.idleTimeoutMs(path) ?? publisherMediaMs;
            publisher = new SrtPublisher({ session, publication, mediaTimeout, log: this.#log, meter, now });
            session.begin(publisher);
          } catch (error) {
            publication.onEvent({ kind: 'end', cause: 'error' }); // the path is not to wait for it
            throw error;
          }
        },
        onRefused: () => this.refuse('ERR_PATH_BUSY', 'somebody already publishes on this path'),
        onReplaced: (cause) => publisher?.replaced(cause),
      },
    );
  }

  #play(path: string): void {
    const { hub, meter, now, waitForPublisherMs } = this.#options;
    const sink = new SrtSink(now);
    let viewer: SrtViewer | undefined;
    this.#log.info({}, 'play command');
    this.#notFoundAt = now() + waitForPublisherMs * 1000;
    const seat = hub.seat(path, 'ts', sink, {
      onReady: () => {
        const session = this.#open('play');
        sink.attach(session.connection);
        const latencyMs = session.sendLatencyMs;
        viewer = new SrtViewer({ session, seat, sink, latencyMs, log: this.#log, meter });
        session.begin(viewer);
        meter.count('headwater_viewers_total', 'srt');
        this.#log.info({ total_subscribers: hub.streams.get(path)?.viewerCount ?? 1 }, 'Subscriber added');
      },
      onHeaders: (headers) => this.#headersSent(path, sequenceHeaders(headers, 'full')),
      onCut: (frames) => this.#log.info({ frames }, 'viewer too slow: moved on to a keyframe'),
      onEnd: (reason) => {
        if (viewer === undefined) this.#endedBefore(reason);
        else viewer.ended(reason);
      },
    });
    this.#seat = seat;
    this.listener.handshake.park(this.request);
    seat.take();
  }

  /** What a transport stream made for it leaves out is said once. */
  #headersSent(path: string, headers: readonly ConfigEvent[]): void {
    const { hub, meter } = this.#options;
    logHeadersSent(this.#log, headers);
    const codecs = hub.streams.get(path)?.media.hasOwnTransport ? [] : withoutTsForm(headers);
    if (codecs.length === 0 || this.#saidLeftOut) return;
    this.#saidLeftOut = true;
    for (const codec of codecs) meter.count('headwater_viewer_tracks_left_out_total', codec);
    this.#log.info({ codecs }, 'viewer is not sent these tracks: MPEG-TS has no form for their codecs');
  }

  /** The hub let a viewer go that had not been let in. */
  #endedBefore(reason: ViewerEnd): void {
    if (reason === 'shutdown') this.refuse('ERR_SRT_STOPPING', 'the server is stopping');
    else this.#notFound();
  }

  #notFound(): void {
    const { path } = this.#target!;
    this.refuse('ERR_STREAM_NOT_FOUND', `nobody publishes ${path} (small and capital letters are not the same)`);
  }

  /** Answers yes: from here on there is a connection. */
  #open(role: 'publish' | 'play'): SrtSession {
    const { meter, idleMs, now, newSocketId, onSession, onSessionEnded } = this.#options;
    const { listener, request, source } = this;
    const policy = this.#policy!;
    const ticket = this.#ticket!;
    const at = now();
    const localSocketId = newSocketId();
    const terms = { localSocketId, latencyMs: policy.latencyMs, agreed: this.#agreed };
    const { datagram, negotiated } = listener.handshake.accept(request, terms, at);
    this.#isAnswered = true;
    const encryption = this.#encryption();
    const session = new SrtSession(
      {
        id: this.id,
        path: this.#target!.path,
        role,
        listener,
        negotiated,
        encryption,
        settings: {
          receivePackets: RECEIVE_PACKETS,
          sendPackets: SEND_PACKETS,
          maxBytesPerSecond: MAX_BYTES_PER_SECOND,
          idleMs,
        },
        ticket,
        log: this.#log,
        meter,
        now,
        onEnded: () => {
          onSessionEnded(localSocketId);
          listener.handshake.forget(request, now());
        },
      },
      source,
    );
    onSession(localSocketId, session);
    listener.send(datagram, source.port, source.address);
    ticket.accept();
    meter.count('headwater_connections_total', 'srt');
    this.#log.info(
      {
        latency: role === 'publish' ? negotiated.receiveLatencyMs : negotiated.sendLatencyMs,
        peer_version: session.peerVersion,
        encryption,
      },
      'Handshake completed',
    );
    return session;
  }

  #encryption(): SrtEncryptionView | null {
    if (this.#agreed === undefined) return null;
    const { mode, keyLength, fitted } = this.#agreed;
    const isCurrent = fitted === this.#policy!.passphrases[0];
    return { cipher: `aes-${mode}`, keyLength, passphrase: isCurrent ? 'current' : 'previous' };
  }

  #answerNo(code: string, rejection: Rejection, reason: string): void {
    if (this.#isAnswered) return;
    this.#isAnswered = true;
    const { meter, now, onRefused } = this.#options;
    this.#withdraw?.();
    this.#seat?.leave();
    this.#ticket?.close();
    const datagram = this.listener.handshake.refuse(this.request, rejection, now());
    this.listener.send(datagram, this.source.port, this.source.address);
    if (this.#target?.mode === 'publish') meter.count('headwater_publications_refused_total', code);
    else if (this.#target?.mode === 'request') {
      meter.count('headwater_viewers_refused_total', code === 'ERR_STREAM_NOT_FOUND' ? 'not-found' : code);
    }
    onRefused(this, code, rejection, reason);
  }
}
