import type { RemoteInfo } from 'node:dgram';
import type { ListenAddress } from '../config/listen-address.ts';
import { ListenerHandshake, type ListenerOptions } from '../protocol/srt/listener-handshake.ts';
import { UdpSocket, type UdpSocketOptions } from './udp-socket.ts';

/** One UDP port that SRT callers come to: its socket, its handshakes, and the path that it leads to where it has one of its own. */
export class SrtListener implements AsyncDisposable {
  readonly handshake: ListenerHandshake;
  /** Undefined: callers say by their stream id what they want. */
  readonly path: string | undefined;
  #socket: UdpSocket | undefined;

  constructor(path: string | undefined, options: ListenerOptions) {
    this.path = path;
    this.handshake = new ListenerHandshake(options);
  }

  /** Opens it. Returns the port. @throws Fault `ERR_LISTEN` */
  async open(
    where: ListenAddress,
    options: Omit<UdpSocketOptions, 'onDatagram'>,
    onDatagram: (listener: SrtListener, datagram: Buffer, from: RemoteInfo) => void,
  ): Promise<number> {
    const socket = await UdpSocket.open(where, {
      ...options,
      onDatagram: (datagram, from) => onDatagram(this, datagram, from),
    });
    this.#socket = socket;
    return socket.port;
  }

  send(datagram: Buffer, port: number, address: string): void {
    this.#socket?.send(datagram, port, address);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#socket?.[Symbol.asyncDispose]();
  }
}
