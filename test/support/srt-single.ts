import { SrtConnection } from '../../ingest/protocol/srt/connection.ts';
import type { SrtConnectionSettings } from '../../ingest/protocol/srt/connection-handler.ts';
import { LIVE_FLAGS } from '../../ingest/protocol/srt/live-mode.ts';
import type { Negotiated } from '../../ingest/protocol/srt/negotiated.ts';
import { CONTROL, controlPacket, HEADER_BYTES, writeDataHeader } from '../../ingest/protocol/srt/packet.ts';
import { SRT_SETTINGS } from './srt-link.ts';

const CONTROL_NAMES = new Map<number, string>(Object.entries(CONTROL).map(([name, type]) => [type, name]));

/** First sequence number of both directions. */
export const FIRST = 1000;
export const LATENCY_US = 120_000;

/**
 * One connection whose peer is the test: `log` has what it did, a line each. Datagrams as `<type> <information> <body in hex>`, data as
 * `data <sequence> <again>`.
 */
export class SingleConnection {
  readonly log: string[] = [];
  readonly connection: SrtConnection;
  now = 0;

  constructor(negotiated: Partial<Negotiated> = {}, settings: Partial<SrtConnectionSettings> = {}) {
    this.connection = new SrtConnection(
      {
        localSocketId: 1,
        peerSocketId: 2,
        initialSequence: FIRST,
        mtu: 1500,
        peerFlowWindow: 8192,
        receiveLatencyMs: LATENCY_US / 1000,
        sendLatencyMs: LATENCY_US / 1000,
        peerVersion: 0x01_05_03,
        peerFlags: LIVE_FLAGS,
        streamId: '',
        startedAt: 0,
        timeBase: { peerTimestamp: 0, arrivedAt: 0 },
        ...negotiated,
      },
      { ...SRT_SETTINGS, ...settings },
      {
        send: (datagram) => this.log.push(described(datagram)),
        onPayload: (payload) => this.log.push(`payload ${payload.toString('latin1')}`),
        onDrop: (packets) => this.log.push(`drop ${packets}`),
        onSendDrop: (packets) => this.log.push(`send drop ${packets}`),
        onClosed: (reason, error) => this.log.push(`closed ${reason}${error ? ` ${error.code}` : ''}`),
      },
    );
  }

  /** What has happened since this was last asked. */
  get news(): string[] {
    return this.log.splice(0);
  }

  /** A data packet comes: the `index`th, with its index for a payload, sent at `sentAt`. */
  data(index: number, sentAt = this.now, isAgain = false): void {
    this.connection.receive(dataPacket(index, sentAt, isAgain), this.now);
  }

  /** A control packet comes. `words`: its body. */
  control(type: number, information: number, ...words: number[]): void {
    const datagram = controlPacket(type, information, this.now, 1, words.length * 4);
    words.forEach((word, i) => {
      datagram.writeUInt32BE(word, HEADER_BYTES + 4 * i);
    });
    this.connection.receive(datagram, this.now);
  }

  /** Ticks every 10 ms until `now`. */
  wait(us: number): void {
    for (const end = this.now + us; this.now < end; ) {
      this.now += 10_000;
      this.connection.tick(this.now);
    }
  }

  /** Payloads to send, all at once. */
  take(...texts: string[]): boolean[] {
    return texts.map((text) => this.connection.send(Buffer.from(text, 'latin1'), this.now));
  }
}

/** The `index`th data packet of a peer, with its index for a payload. */
export function dataPacket(index: number, timestamp: number, isAgain = false): Buffer {
  const payload = Buffer.from(`${index}`);
  const datagram = Buffer.alloc(HEADER_BYTES + payload.length);
  writeDataHeader(datagram, (FIRST + index) & 0x7fff_ffff, 1, timestamp, 1);
  if (isAgain) datagram[4] = (datagram[4] as number) | 0x04;
  payload.copy(datagram, HEADER_BYTES);
  return datagram;
}

function described(datagram: Buffer): string {
  const body = datagram.toString('hex', HEADER_BYTES);
  if (datagram.readUInt32BE(12) !== 2) return 'to somebody else';
  if ((datagram[0] as number) < 0x80) {
    const isAgain = ((datagram[4] as number) & 0x04) !== 0;
    return `data ${datagram.readUInt32BE(0)}${isAgain ? ' again' : ''}`;
  }
  const name = CONTROL_NAMES.get(datagram.readUInt16BE(0) & 0x7fff);
  return `${name} ${datagram.readUInt32BE(4)} ${body}`;
}
