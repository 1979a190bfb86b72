import type { RemoteInfo } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import type { ListenAddress } from '../config/listen-address.ts';
import { ListenerHandshake, type ListenerOptions } from '../protocol/srt/listener-handshake.ts';
import { UdpSocket, type UdpSocketOptions } from './udp-socket.ts';

/** One UDP port that SRT callers come to: its socket, its handshakes, and the path that it leads to where it has one of its own. */
export class SrtListener implements AsyncDisposable {
  readonly handshake: ListenerHandshake;
  /** Undefined: callers say by their stream id what they want. */
  readonly path: string | undefined;
  /** One; two for `localhost`, which is an address of either family. */
  readonly #sockets: UdpSocket[] = [];

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
    const onOwn = (datagram: Buffer, from: RemoteInfo): void => onDatagram(this, datagram, from);
    const faults: unknown[] = [];
    for (const host of await hostsOf(where.host)) {
      const address = { host, port: this.#sockets[0]?.port ?? where.port };
      try {
        this.#sockets.push(await UdpSocket.open(address, { ...options, onDatagram: onOwn }));
      } catch (fault) {
        faults.push(fault); // hosts files name ::1 on machines that have no IPv6
      }
    }
    const [first] = this.#sockets;
    if (first === undefined) throw faults[0];
    return first.port;
  }

  send(datagram: Buffer, port: number, address: string): void {
    const [first, second] = this.#sockets;
    if (second === undefined || first?.isIPv6 === address.includes(':')) first?.send(datagram, port, address);
    else second.send(datagram, port, address);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#sockets.map((socket) => socket[Symbol.asyncDispose]()));
  }
}

/** A caller to `localhost` takes whichever address comes first to it, and waits three seconds where nobody is. */
async function hostsOf(host: string | undefined): Promise<readonly (string | undefined)[]> {
  if (host !== 'localhost') return [host];
  const found = await lookup(host, { all: true }).catch(() => []);
  return found.length === 0 ? [host] : [...new Set(found.map(({ address }) => address))].slice(0, 2);
}
