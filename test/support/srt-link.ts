import type { ProtocolError } from '../../ingest/protocol/protocol-error.ts';
import { SrtConnection } from '../../ingest/protocol/srt/connection.ts';
import type {
  CloseReason,
  SrtConnectionHandler,
  SrtConnectionSettings,
} from '../../ingest/protocol/srt/connection-handler.ts';
import { LIVE_FLAGS } from '../../ingest/protocol/srt/live-mode.ts';
import type { Negotiated } from '../../ingest/protocol/srt/negotiated.ts';
import { seeded } from './recording-disk.ts';

/** What a simulated network does to datagrams that go one way. Times in µs, rates from 0 to 1. */
export interface Weather {
  readonly delayUs: number;
  /** Added at random to each datagram's delay: so they overtake each other. */
  readonly jitterUs?: number;
  readonly lossRate?: number;
  readonly duplicateRate?: number;
  /** Decides, beside the rates, what is lost. */
  readonly isLost?: (datagram: Buffer, now: number) => boolean;
}

export const SRT_SETTINGS: SrtConnectionSettings = {
  receivePackets: 8192,
  sendPackets: 8192,
  maxBytesPerSecond: 125_000_000,
  idleMs: 5000,
};

/** A number that no packet loss could make: how a payload says which one it is. */
export function numberedPayload(index: number, bytes = 1316): Buffer {
  const payload = Buffer.alloc(bytes, index & 0xff);
  payload.writeUInt32BE(index, 0);
  return payload;
}

/** One end of a simulated link: the connection and what came out of it. */
export class LinkEnd implements SrtConnectionHandler {
  readonly connection: SrtConnection;
  /** Indices of the payloads in order; a drop of n packets is -n. */
  readonly events: number[] = [];
  /** Our time of each event. */
  readonly times: number[] = [];
  readonly sendDrops: number[] = [];
  closed: { readonly reason: CloseReason; readonly code: string | undefined; readonly at: number } | undefined;
  readonly #transmit: (datagram: Buffer) => void;
  readonly #clock: () => number;

  constructor(
    negotiated: Negotiated,
    settings: SrtConnectionSettings,
    transmit: (datagram: Buffer) => void,
    clock: () => number,
  ) {
    this.#transmit = transmit;
    this.#clock = clock;
    this.connection = new SrtConnection(negotiated, settings, this);
  }

  get payloads(): number[] {
    return this.events.filter((event) => event >= 0);
  }

  /** Packets in all declared drops. */
  get dropped(): number {
    return this.events.reduce((sum, event) => (event < 0 ? sum - event : sum), 0);
  }

  send(datagram: Buffer): void {
    this.#transmit(datagram);
  }

  onPayload(payload: Buffer): void {
    this.events.push(payload.readUInt32BE(0));
    this.times.push(this.#clock());
  }

  onDrop(packets: number): void {
    this.events.push(-packets);
    this.times.push(this.#clock());
  }

  onSendDrop(packets: number): void {
    this.sendDrops.push(packets);
  }

  onClosed(reason: CloseReason, error?: ProtocolError): void {
    this.closed = { reason, code: error?.code, at: this.#clock() };
  }
}

export interface LinkOptions {
  readonly seed?: number;
  /** From a to b, and back. */
  readonly there: Weather;
  readonly back: Weather;
  readonly latencyMs: number;
  readonly initialSequence?: number;
  /** The reading of the clock when the connection begins. */
  readonly startedAt?: number;
  /** How far the clocks that timestamps count from have run already. */
  readonly clockUs?: number;
  readonly settings?: Partial<SrtConnectionSettings>;
  readonly negotiated?: Partial<Negotiated>;
  readonly keys?: readonly [Negotiated['keys'], Negotiated['keys']];
}

/** Two connections, what their handshake would have settled, and the network between them; time passes in `run` only. */
export class SimulatedLink {
  now: number;
  readonly a: LinkEnd;
  readonly b: LinkEnd;
  there: Weather;
  back: Weather;
  /** Datagrams that were sent, whatever became of them. */
  transmitted = 0;
  readonly #random: () => number;
  readonly #inFlight: { readonly at: number; readonly to: LinkEnd; readonly datagram: Buffer }[] = [];
  #tickAt: number;

  constructor(options: LinkOptions) {
    this.now = options.startedAt ?? 1_000_000;
    this.#tickAt = this.now;
    this.#random = seeded(options.seed ?? 1);
    this.there = options.there;
    this.back = options.back;
    const settings = { ...SRT_SETTINGS, ...options.settings };
    const clockUs = options.clockUs ?? 0;
    const common = {
      initialSequence: options.initialSequence ?? 1000,
      mtu: 1500,
      peerFlowWindow: settings.receivePackets,
      receiveLatencyMs: options.latencyMs,
      sendLatencyMs: options.latencyMs,
      peerVersion: 0x01_05_04,
      peerFlags: LIVE_FLAGS,
      streamId: 'publish:live/test',
      startedAt: this.now - clockUs,
      ...options.negotiated,
    };
    // The clock of the other end began with ours; its handshake took the way here.
    const base = (delayUs: number) => ({ peerTimestamp: clockUs >>> 0, arrivedAt: this.now + delayUs });
    const end = (local: number, peer: number, weather: Weather, keys: Negotiated['keys'], out: (d: Buffer) => void) =>
      new LinkEnd(
        {
          ...common,
          localSocketId: local,
          peerSocketId: peer,
          timeBase: base(weather.delayUs),
          ...(keys === undefined ? {} : { keys }),
        },
        settings,
        out,
        () => this.now,
      );
    this.a = end(1, 2, options.back, options.keys?.[0], (datagram) => this.#carry(datagram, this.b, this.there));
    this.b = end(2, 1, options.there, options.keys?.[1], (datagram) => this.#carry(datagram, this.a, this.back));
  }

  /** Lets time pass; `each` is called at each step of `stepUs`, before the datagrams that arrive then. */
  run(us: number, stepUs = 1000, each?: (now: number) => void): void {
    const end = this.now + us;
    while (this.now < end) {
      each?.(this.now);
      this.now += stepUs;
      this.#arrive();
      if (this.now >= this.#tickAt) {
        this.#tickAt = this.now + 10_000;
        this.a.connection.tick(this.now);
        this.b.connection.tick(this.now);
      }
    }
  }

  /** a sends numbered payloads at a steady pace for so long, from `first` on; returns the number behind the last. Refused ones are sent later. */
  stream(us: number, packetsPerSecond: number, first = 0): number {
    const began = this.now;
    let index = first;
    this.run(us, 1000, (now) => {
      const due = first + Math.floor(((now - began) * packetsPerSecond) / 1e6);
      while (index <= due && this.a.connection.send(numberedPayload(index), now)) index += 1;
    });
    return index;
  }

  #carry(datagram: Buffer, to: LinkEnd, weather: Weather): void {
    this.transmitted += 1;
    const copies = this.#random() < (weather.duplicateRate ?? 0) ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1) {
      if (this.#random() < (weather.lossRate ?? 0) || weather.isLost?.(datagram, this.now)) continue;
      const at = this.now + weather.delayUs + this.#random() * (weather.jitterUs ?? 0);
      this.#inFlight.push({ at, to, datagram: Buffer.from(datagram) });
    }
  }

  #arrive(): void {
    const arrived = this.#inFlight.filter((each) => each.at <= this.now).sort((x, y) => x.at - y.at);
    if (arrived.length === 0) return;
    const later = this.#inFlight.filter((each) => each.at > this.now);
    this.#inFlight.length = 0;
    this.#inFlight.push(...later);
    for (const { to, datagram } of arrived) to.connection.receive(datagram, this.now);
  }
}
