import { randomInt } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { CallerHandshake } from '../../ingest/protocol/srt/caller-handshake.ts';
import { SrtConnection } from '../../ingest/protocol/srt/connection.ts';
import type { CloseReason, SrtConnectionSettings } from '../../ingest/protocol/srt/connection-handler.ts';
import type { KeyRefresh } from '../../ingest/protocol/srt/connection-keys.ts';
import type { ConnectionStatistics } from '../../ingest/protocol/srt/connection-statistics.ts';
import { offerKeys } from '../../ingest/protocol/srt/key-agreement.ts';
import type { CipherMode, KeyLength } from '../../ingest/protocol/srt/key-material.ts';
import type { Negotiated } from '../../ingest/protocol/srt/negotiated.ts';
import { HEADER_BYTES } from '../../ingest/protocol/srt/packet.ts';

/** How a caller comes. */
export interface SrtCallerOptions {
  readonly streamId?: string;
  readonly latencyMs?: number;
  readonly passphrase?: string;
  readonly keyLength?: KeyLength;
  readonly mode?: CipherMode;
  readonly refresh?: KeyRefresh;
  readonly timeoutMs?: number;
  readonly host?: string;
  /** What it says of its network, bytes. */
  readonly mtu?: number;
  /** Instead of keeping it in `received`. */
  readonly onPayload?: (payload: Buffer) => void;
}

const TICK_MS = 10;
const SETTINGS: SrtConnectionSettings = {
  receivePackets: 8192,
  sendPackets: 8192,
  maxBytesPerSecond: 125_000_000,
  idleMs: 5_000,
};

/** An SRT caller made of the server's own protocol code and a socket: for what real programs cannot be made to do. */
export class SrtCaller implements AsyncDisposable {
  readonly received: Buffer[] = [];
  readonly closed: Promise<CloseReason>;
  readonly negotiated: Negotiated;
  /** Packets that never came, by the order of payloads. */
  dropped = 0;
  readonly #socket: Socket;
  readonly #sendDatagram: (datagram: Buffer) => void;
  readonly #connection: SrtConnection;
  readonly #ticker: NodeJS.Timeout;
  #isGone = false;

  private constructor(
    socket: Socket,
    negotiated: Negotiated,
    send: (datagram: Buffer) => void,
    options: SrtCallerOptions,
  ) {
    this.#socket = socket;
    this.#sendDatagram = send;
    this.negotiated = negotiated;
    const closed = Promise.withResolvers<CloseReason>();
    this.closed = closed.promise;
    this.#connection = new SrtConnection(negotiated, SETTINGS, {
      send,
      onPayload: (payload) => {
        if (options.onPayload) options.onPayload(payload);
        else this.received.push(payload);
      },
      onDrop: (packets) => {
        this.dropped += packets;
      },
      onSendDrop() {},
      onClosed: (reason) => closed.resolve(reason),
    });
    socket.on('message', (datagram) => this.#connection.receive(datagram, nowUs()));
    this.#ticker = setInterval(() => this.#connection.tick(nowUs()), TICK_MS);
  }

  /** Connects. @throws ProtocolError `ERR_SRT_REFUSED`, `ERR_SRT_NO_ANSWER` */
  static async connect(port: number, options: SrtCallerOptions = {}): Promise<SrtCaller> {
    const { host = '127.0.0.1', passphrase, keyLength = 16, mode = 'ctr', refresh } = options;
    const keys = passphrase === undefined ? undefined : await offerKeys({ passphrase, keyLength, mode }, refresh);
    const socket = createSocket('udp4');
    socket.on('error', () => {});
    socket.bind(0, host === '127.0.0.1' ? host : undefined);
    await once(socket, 'listening');
    const send = (datagram: Buffer): void => socket.send(datagram, port, host);
    const handshake = new CallerHandshake(
      {
        localSocketId: randomInt(1, 2 ** 30),
        initialSequence: randomInt(0, 2 ** 31),
        address: host,
        streamId: options.streamId ?? '',
        latencyMs: options.latencyMs ?? 120,
        flowWindow: SETTINGS.receivePackets,
        timeoutMs: options.timeoutMs ?? 3_000,
        ...(keys && { keys }),
      },
      options.mtu === undefined ? send : (datagram) => send(withMtu(datagram, options.mtu!)),
      nowUs(),
    );
    const settled = Promise.withResolvers<Negotiated>();
    const attempt = (step: () => Negotiated | undefined): void => {
      try {
        const negotiated = step();
        if (negotiated !== undefined) settled.resolve(negotiated);
      } catch (error) {
        settled.reject(error);
      }
    };
    const onMessage = (datagram: Buffer): void => attempt(() => handshake.receive(datagram, nowUs()));
    socket.on('message', onMessage);
    const ticker = setInterval(() => attempt(() => void handshake.tick(nowUs())), TICK_MS);
    try {
      return new SrtCaller(socket, await settled.promise, send, options);
    } catch (error) {
      socket.close();
      throw error;
    } finally {
      clearInterval(ticker);
      socket.off('message', onMessage);
    }
  }

  get isClosed(): boolean {
    return this.#connection.isClosed;
  }

  /** False: too much waits for acknowledgement. */
  send(payload: Buffer): boolean {
    return this.#connection.send(payload, nowUs());
  }

  /** A datagram as it is, past the protocol. */
  sendRaw(datagram: Buffer): void {
    this.#sendDatagram(datagram);
  }

  statistics(): ConnectionStatistics {
    return this.#connection.statistics(nowUs());
  }

  /** Says goodbye, once everything has arrived. */
  async close(): Promise<CloseReason> {
    this.#connection.close(nowUs());
    return this.closed;
  }

  /** Ends it without a word, as SIGKILL does. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isGone) return;
    this.#isGone = true;
    clearInterval(this.#ticker);
    const ended = once(this.#socket, 'close');
    this.#socket.close();
    await ended;
  }
}

/** A handshake that announces this MTU instead (SRT draft §3.2.1). */
function withMtu(datagram: Buffer, mtu: number): Buffer {
  const changed = Buffer.from(datagram);
  changed.writeUInt32BE(mtu, HEADER_BYTES + 12);
  return changed;
}

function nowUs(): number {
  return Math.round(performance.now() * 1000);
}
