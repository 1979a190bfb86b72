import type { ProtocolError } from '../protocol/protocol-error.ts';
import { SrtConnection } from '../protocol/srt/connection.ts';
import type { CloseReason, SrtConnectionHandler, SrtConnectionSettings } from '../protocol/srt/connection-handler.ts';
import type { ConnectionStatistics } from '../protocol/srt/connection-statistics.ts';
import type { Negotiated } from '../protocol/srt/negotiated.ts';
import type { Log } from '../runtime/log.ts';
import type { Meter } from '../runtime/meter.ts';
import type { AddressTicket } from './address-limits.ts';
import type { SrtListener } from './srt-listener.ts';
import { countStatistics } from './srt-metrics.ts';
import { SrtWarnings } from './srt-warnings.ts';

/** What a session is for: it publishes or it watches. Times in µs, but for `sweep`. */
export interface SrtRole {
  onPayload(payload: Buffer, now: number): void;
  onDrop(packets: number): void;
  onSendDrop(packets: number): void;
  onClosed(reason: CloseReason): void;
  tick(now: number): void;
  /** Called about once a second. `now`: ms. */
  sweep(now: number): void;
  /** The server stops. */
  shutdown(): void;
}

/** How a session is encrypted, for logs and the API. */
export interface SrtEncryptionView {
  readonly cipher: string;
  readonly keyLength: number;
  /** Whether the peer still uses the passphrase that was replaced. */
  readonly passphrase: 'current' | 'previous';
}

/** What a session is made of. */
export interface SrtSessionOptions {
  readonly id: string;
  readonly path: string;
  readonly role: 'publish' | 'play';
  readonly listener: SrtListener;
  readonly negotiated: Negotiated;
  readonly encryption: SrtEncryptionView | null;
  readonly settings: SrtConnectionSettings;
  readonly ticket: AddressTicket;
  readonly log: Log;
  readonly meter: Meter;
  /** µs. */
  readonly now: () => number;
  readonly onEnded: () => void;
}

/** One SRT peer that has been let in: joins the socket, the protocol's state machine, and what the peer came for. */
export class SrtSession implements SrtConnectionHandler {
  readonly connection: SrtConnection;
  readonly #options: SrtSessionOptions;
  readonly #address: string;
  readonly #port: number;
  readonly #warnings: SrtWarnings;
  #role: SrtRole | undefined;
  #counted: ConnectionStatistics;
  #isEnded = false;

  constructor(options: SrtSessionOptions, from: { readonly address: string; readonly port: number }) {
    this.#options = options;
    this.#address = from.address;
    this.#port = from.port;
    this.#warnings = new SrtWarnings(options.log, options.role);
    this.connection = new SrtConnection(options.negotiated, options.settings, this);
    this.#counted = this.connection.statistics(options.negotiated.startedAt);
  }

  get id(): string {
    return this.#options.id;
  }

  get path(): string {
    return this.#options.path;
  }

  /** Milliseconds that the peer holds back what it receives. */
  get sendLatencyMs(): number {
    return this.#options.negotiated.sendLatencyMs;
  }

  /** `1.5.3`. */
  get peerVersion(): string {
    return versionText(this.#options.negotiated.peerVersion);
  }

  /** The port that it came in by. */
  get listener(): SrtListener {
    return this.#options.listener;
  }

  get isViewer(): boolean {
    return this.#options.role === 'play';
  }

  /** Says what it came for; to be called before anything is received. */
  begin(role: SrtRole): void {
    this.#role = role;
  }

  /** Whether a datagram that names it comes from its peer. */
  isFrom(listener: SrtListener, address: string, port: number): boolean {
    return this.#port === port && this.#address === address && this.#options.listener === listener;
  }

  /** `now`: µs. */
  receive(datagram: Buffer, now: number): void {
    try {
      this.connection.receive(datagram, now);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** `now`: µs. */
  tick(now: number): void {
    try {
      this.connection.tick(now);
      if (!this.connection.isClosed) this.#role?.tick(now);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Called about once a second. `now`: µs. */
  sweep(now: number): void {
    try {
      this.#report(now);
      this.#role?.sweep(now / 1000);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** The server stops: the peer is told. */
  shutdown(now: number): void {
    this.#role?.shutdown();
    this.connection.close(now);
  }

  /** It ends now: the peer is told, and not waited for. */
  abandon(): void {
    this.connection.abort(this.#options.now());
    this.#end('local');
  }

  /** What the API shows of it. */
  view(now: number): object {
    const { negotiated, encryption } = this.#options;
    const { msRTT, ...counts } = this.connection.statistics(now);
    return {
      conn_id: this.id,
      peer_version: this.peerVersion,
      encryption,
      latency: this.isViewer ? negotiated.sendLatencyMs : negotiated.receiveLatencyMs,
      rtt: msRTT,
      msRTT,
      ...counts,
    };
  }

  // What the connection says.

  send(datagram: Buffer): void {
    this.#options.listener.send(datagram, this.#port, this.#address);
  }

  onPayload(payload: Buffer, now: number): void {
    this.#role?.onPayload(payload, now);
  }

  onDrop(packets: number): void {
    this.#role?.onDrop(packets);
  }

  onSendDrop(packets: number): void {
    this.#role?.onSendDrop(packets);
  }

  onClosed(reason: CloseReason, error?: ProtocolError): void {
    const { log, meter } = this.#options;
    if (error !== undefined) {
      log.warn({ code: error.code, reason: error.message }, 'protocol error');
      meter.count('headwater_connection_faults_total', error.code);
    } else if (reason === 'idle') {
      log.warn({ code: 'ERR_SRT_IDLE' }, 'connection closed');
      meter.count('headwater_connection_faults_total', 'ERR_SRT_IDLE');
    }
    this.#end(reason);
  }

  /** Adds what has come since the last time to the metrics. */
  #report(now: number): void {
    const { meter } = this.#options;
    const statistics = this.connection.statistics(now);
    countStatistics(meter, statistics, this.#counted);
    this.#warnings.look(statistics, this.#counted, now);
    this.#counted = statistics;
  }

  /** An error of ours ends this session and nothing else. */
  #fail(error: unknown): void {
    const { log, meter } = this.#options;
    log.error({ err: error }, 'connection failed on an error of the server');
    meter.count('headwater_connection_faults_total', 'ERR_INTERNAL');
    this.#end('protocol');
    this.connection.abort(this.#options.now());
  }

  #end(reason: CloseReason): void {
    const { log, ticket, now, onEnded } = this.#options;
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#role?.onClosed(reason);
    this.#role = undefined;
    ticket.close();
    this.#report(now());
    const { pktRecv, pktRcvLoss, pktRcvDrop, pktSent, pktSndLoss, pktSndDrop } = this.#counted;
    const counts = this.isViewer
      ? { packets: pktSent, lost: pktSndLoss, dropped: pktSndDrop }
      : { packets: pktRecv, lost: pktRcvLoss, dropped: pktRcvDrop };
    log.info({ reason, ...counts }, 'Connection closed');
    onEnded();
  }
}

/** `1.5.3` for 0x010503. */
function versionText(version: number): string {
  return `${version >> 16}.${(version >> 8) & 0xff}.${version & 0xff}`;
}
