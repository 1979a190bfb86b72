import { randomBytes, randomInt } from 'node:crypto';
import type { RemoteInfo } from 'node:dgram';
import type { Authorizer } from '../auth/authorizer.ts';
import type { SrtPolicies } from '../auth/srt-policies.ts';
import { formatListenAddress, type ListenAddress } from '../config/listen-address.ts';
import type { Config } from '../config/schema.ts';
import { refreshEvery } from '../protocol/srt/connection-keys.ts';
import type { ConnectionRequest } from '../protocol/srt/connection-request.ts';
import { CONTROL, controlTypeOf, destinationOf, HEADER_BYTES, isControl } from '../protocol/srt/packet.ts';
import { REJECTION, type Rejection } from '../protocol/srt/rejection.ts';
import type { Hub } from '../relay/hub.ts';
import type { Log } from '../runtime/log.ts';
import type { Meter } from '../runtime/meter.ts';
import type { AddressLimits } from './address-limits.ts';
import { AddressRate } from './address-rate.ts';
import { LogQuota } from './log-quota.ts';
import { plainAddress } from './peer-address.ts';
import { RECEIVE_PACKETS, SrtArrival, type SrtArrivalOptions } from './srt-arrival.ts';
import { SrtListener } from './srt-listener.ts';
import type { SrtSession } from './srt-session.ts';
import { Turns } from './turns.ts';

/** What the SRT listeners share. Times in ms. */
export interface SrtServerOptions {
  readonly hub: Hub;
  readonly authorizer: Authorizer;
  readonly policies: SrtPolicies;
  readonly settings: Config['srt'];
  readonly limits: Pick<Config['limits'], 'publisherMedia' | 'srtHalfOpen' | 'srtHandshakesPerSecond'>;
  /** `play.waitForPublisher`, where it is shorter than SRT's own. */
  readonly waitForPublisher: number;
  readonly addresses: AddressLimits;
  readonly log: Log;
  readonly meter: Meter;
}

/** What is logged of a refused caller. */
interface RefusalFields {
  readonly code: string;
  readonly rejection: Rejection;
  readonly reason: string;
  readonly conn_id?: string;
  readonly stream_id?: string;
}

/** How often connections look at the time: SRT's own measure (SYN). */
const TICK_MS = 10;
const SWEEP_US = 1_000_000;
/** Key derivations at once: the threads are there for the disks too. */
const DERIVATIONS_AT_ONCE = 4;
/** Viewers of one path that the API lists. */
const MAX_LISTED = 100;
const COOKIE_SECRET_BYTES = 32;

/** The SRT listeners, and all their connections. */
export class SrtServer implements AsyncDisposable {
  readonly #options: SrtServerOptions;
  readonly #listeners: SrtListener[] = [];
  /** By our socket id. */
  readonly #sessions = new Map<number, SrtSession>();
  readonly #arrivals = new Set<SrtArrival>();
  readonly #arrivalOptions: SrtArrivalOptions;
  readonly #secret = randomBytes(COOKIE_SECRET_BYTES);
  readonly #rate: AddressRate;
  readonly #refusals = new LogQuota();
  #ticker: NodeJS.Timeout | undefined;
  #sweptAt = 0;
  #isStopping = false;
  #lastId = 0;

  constructor(options: SrtServerOptions) {
    this.#options = options;
    const { hub, authorizer, policies, settings, limits, waitForPublisher, addresses, log, meter } = options;
    const turns = new Turns(DERIVATIONS_AT_ONCE);
    this.#rate = new AddressRate(limits.srtHandshakesPerSecond);
    this.#arrivalOptions = {
      hub,
      authorizer,
      policyOf: (path) => policies.of(path),
      defaultPath: settings.defaultPath ?? undefined,
      waitForPublisherMs: Math.min(settings.waitForPublisher, waitForPublisher),
      publisherMediaMs: limits.publisherMedia,
      idleMs: settings.idleTimeout,
      keyRefresh: refreshEvery(settings.keyRefresh),
      addresses,
      log,
      meter,
      now: nowUs,
      newSocketId: () => this.#newSocketId(),
      inTurn: (job) => turns.run(job),
      onSession: (id, session) => this.#sessions.set(id, session),
      onSessionEnded: (id) => this.#sessions.delete(id),
      onRefused: (arrival, code, rejection, reason) => {
        const { request, streamId, id } = arrival;
        this.#refused(request, { code, rejection, reason, stream_id: streamId, conn_id: id });
      },
    };
  }

  /** Connections that are open. */
  get connectionCount(): number {
    return this.#sessions.size;
  }

  /** Opens a listener; where `path` is given, for that path alone. Returns the port. @throws Fault `ERR_LISTEN` */
  async listen(address: ListenAddress, path?: string): Promise<number> {
    const { settings, limits, log, policies } = this.#options;
    const listener = new SrtListener(path, {
      secret: this.#secret,
      flowWindow: RECEIVE_PACKETS,
      keyLength: (path === undefined ? undefined : policies.of(path)?.keyLength) ?? settings.keyLength,
      halfOpen: limits.srtHalfOpen,
      admits: (address) => this.#rate.take(address, performance.now()),
    });
    const options = { name: 'SRT', receiveBuffer: settings.receiveBuffer, log };
    const port = await listener.open(address, options, (from, datagram, source) =>
      this.#receive(from, datagram, source),
    );
    this.#listeners.push(listener);
    const addr = formatListenAddress({ host: address.host, port });
    log.info(path === undefined ? { addr } : { addr, stream_key: path }, 'SRT server listening');
    return port;
  }

  /** Closes the listener that is for this path alone; who came in by it is told, and cut. */
  async close(path: string): Promise<void> {
    const at = this.#listeners.findIndex((listener) => listener.path === path);
    const [listener] = at < 0 ? [] : this.#listeners.splice(at, 1);
    if (listener === undefined) return;
    for (const arrival of [...this.#arrivals]) {
      if (arrival.listener === listener) arrival.refuse('ERR_SRT_STOPPING', 'the port of the path is closed');
    }
    const now = nowUs();
    for (const session of this.#sessionsWhere((each) => each.listener === listener, Number.POSITIVE_INFINITY)) {
      session.shutdown(now);
      session.abandon();
    }
    await listener[Symbol.asyncDispose]();
  }

  /** What the API shows of a publisher's connection. */
  publisherView(connId: string): object | undefined {
    const session = this.#sessionsWhere((each) => each.id === connId, 1)[0];
    return session?.view(nowUs());
  }

  /** The same of the first viewers of a path. */
  viewerViews(path: string): readonly object[] {
    const now = nowUs();
    return this.#sessionsWhere((each) => each.isViewer && each.path === path, MAX_LISTED).map((each) => each.view(now));
  }

  /** No new connections. */
  stopAccepting(): void {
    this.#isStopping = true;
    for (const arrival of [...this.#arrivals]) arrival.refuse('ERR_SRT_STOPPING', 'the server is stopping');
  }

  /** Tells every peer. */
  shutdown(): void {
    const now = nowUs();
    for (const session of [...this.#sessions.values()]) session.shutdown(now);
  }

  /** Cuts what is left. Afterwards nothing of it runs. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.stopAccepting();
    clearInterval(this.#ticker);
    this.#ticker = undefined;
    for (const session of [...this.#sessions.values()]) session.abandon();
    await Promise.all(this.#listeners.map((listener) => listener[Symbol.asyncDispose]()));
  }

  #receive(listener: SrtListener, datagram: Buffer, from: RemoteInfo): void {
    if (datagram.length < HEADER_BYTES) return;
    const now = nowUs();
    const session = this.#sessions.get(destinationOf(datagram));
    const isHandshake = isControl(datagram) && controlTypeOf(datagram) === CONTROL.handshake;
    if (!isHandshake) {
      // Who knows the id of a connection but not its address is met with silence, like who knows neither.
      if (session?.isFrom(listener, from.address, from.port)) session.receive(datagram, now);
      return;
    }
    try {
      this.#shakeHands(listener, datagram, from, now);
    } catch (error) {
      this.#options.meter.count('headwater_connection_faults_total', 'ERR_INTERNAL');
      if (this.#refusals.take(performance.now()) === undefined) return;
      this.#options.log.error({ err: error }, 'handshake failed on an error of the server');
    }
  }

  #shakeHands(listener: SrtListener, datagram: Buffer, from: RemoteInfo, now: number): void {
    const address = plainAddress(from.address);
    const step = listener.handshake.receive(datagram, address, from.port, now);
    if (step === undefined) return;
    if (step.kind === 'request') {
      this.#arrive(listener, step.request, from);
      return;
    }
    listener.send(step.datagram, from.port, from.address);
    if (step.kind === 'refused') {
      const { code, rejection, message } = step.fault;
      this.#refused({ address, port: from.port }, { code, rejection, reason: message });
    }
  }

  #arrive(listener: SrtListener, request: ConnectionRequest, from: RemoteInfo): void {
    const id = `s${String(++this.#lastId).padStart(6, '0')}`;
    const source = { address: from.address, port: from.port };
    const arrival = new SrtArrival(id, request, source, listener, this.#arrivalOptions);
    if (this.#isStopping) {
      arrival.refuse('ERR_SRT_STOPPING', 'the server is stopping');
      return;
    }
    this.#arrivals.add(arrival);
    this.#ticker ??= setInterval(() => this.#tick(), TICK_MS);
    arrival.decide().catch((error) => {
      this.#options.log.error({ err: error, conn_id: id }, 'connection failed on an error of the server');
    });
  }

  #refused(from: { readonly address: string; readonly port: number }, fields: RefusalFields): void {
    const { log, meter } = this.#options;
    meter.count('headwater_srt_rejections_total', fields.rejection);
    meter.count('headwater_connection_faults_total', fields.code);
    const suppressed = this.#refusals.take(performance.now());
    if (suppressed === undefined) return;
    const peer = { peer_addr: `${from.address}:${from.port}`, protocol: 'srt' };
    const more = suppressed > 0 ? { suppressed } : {};
    log.warn({ ...fields, reject: REJECTION[fields.rejection], ...peer, ...more }, 'SRT caller refused');
  }

  #tick(): void {
    const now = nowUs();
    for (const session of this.#sessions.values()) session.tick(now);
    for (const arrival of this.#arrivals) {
      arrival.tick(now);
      if (arrival.isAnswered) this.#arrivals.delete(arrival);
    }
    if (now - this.#sweptAt >= SWEEP_US) {
      this.#sweptAt = now;
      for (const session of [...this.#sessions.values()]) session.sweep(now);
    }
    if (this.#sessions.size > 0 || this.#arrivals.size > 0) return;
    clearInterval(this.#ticker);
    this.#ticker = undefined;
  }

  #sessionsWhere(matches: (session: SrtSession) => boolean, most: number): SrtSession[] {
    const found: SrtSession[] = [];
    for (const session of this.#sessions.values()) {
      if (found.length >= most) break;
      if (matches(session)) found.push(session);
    }
    return found;
  }

  /** Random, so that nobody guesses the id of somebody else's connection. */
  #newSocketId(): number {
    for (;;) {
      const id = randomInt(1, 2 ** 30);
      if (!this.#sessions.has(id)) return id;
    }
  }
}

/** µs of a clock that never goes back. */
function nowUs(): number {
  return Math.round(performance.now() * 1000);
}
