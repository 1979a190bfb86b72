import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { isIPv6 } from 'node:net';
import type { ListenAddress } from '../config/listen-address.ts';
import type { Log } from '../runtime/log.ts';
import { listenFault } from './listening.ts';

/** What a UDP socket is opened with. */
export interface UdpSocketOptions {
  /** For messages: `SRT`. */
  readonly name: string;
  /** Bytes asked of the kernel for what has not been read yet. */
  readonly receiveBuffer: number;
  readonly log: Log;
  readonly onDatagram: (datagram: Buffer, from: RemoteInfo) => void;
}

/** A machine without IPv6 says one of these when it is asked for a socket of both families. */
const NO_IPV6 = ['EAFNOSUPPORT', 'EADDRNOTAVAIL', 'EINVAL'];

/** A UDP listener whose sends never throw: what the network does not take is lost, as it may be anyway. */
export class UdpSocket implements AsyncDisposable {
  readonly port: number;
  /** Bytes that the kernel keeps of what has not been read: twice what was asked for on Linux, less where it is capped. */
  readonly receiveBuffer: number;
  readonly isIPv6: boolean;
  readonly #socket: Socket;
  #open = true;

  private constructor(socket: Socket) {
    this.#socket = socket;
    const { port, family } = socket.address();
    this.port = port;
    this.isIPv6 = family === 'IPv6';
    this.receiveBuffer = socket.getRecvBufferSize();
  }

  /** Opens it; `host` undefined: all addresses of the machine, IPv4 ones as `::ffff:…`. @throws Fault `ERR_LISTEN` */
  static async open(where: ListenAddress, options: UdpSocketOptions): Promise<UdpSocket> {
    const { name, log } = options;
    let socket: Socket;
    try {
      socket = await bound(where, options);
    } catch (cause) {
      throw listenFault(where, name, cause);
    }
    const opened = new UdpSocket(socket);
    if (opened.receiveBuffer < options.receiveBuffer) {
      log.warn(
        { bytes: opened.receiveBuffer, wanted: options.receiveBuffer, sysctl: 'net.core.rmem_max' },
        `${name} receive buffer is capped by the kernel: bursts may lose packets`,
      );
    }
    return opened;
  }

  /** Sends a datagram, which must not change afterwards. `address` is of the form that it came in with. To port 0, where nobody is, Node would throw. */
  send(datagram: Buffer, port: number, address: string): void {
    // Without a callback errors are dropped, and no closure and no turn of the event loop is spent on a packet.
    if (this.#open && port !== 0) this.#socket.send(datagram, port, address);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    const ended = once(this.#socket, 'close');
    this.#socket.close();
    await ended;
  }
}

async function bound(where: ListenAddress, options: UdpSocketOptions): Promise<Socket> {
  if (where.host === undefined) {
    try {
      return await bind('udp6', '::', where.port, options);
    } catch (error) {
      if (!NO_IPV6.includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
      return bind('udp4', '0.0.0.0', where.port, options);
    }
  }
  const { address, family } = await lookup(where.host);
  return bind(family === 6 ? 'udp6' : 'udp4', address, where.port, options);
}

async function bind(
  type: 'udp4' | 'udp6',
  address: string,
  port: number,
  { receiveBuffer, log, name, onDatagram }: UdpSocketOptions,
): Promise<Socket> {
  const socket = createSocket({ type, lookup: asItIs });
  try {
    const listening = once(socket, 'listening');
    socket.bind({ address, port });
    await listening;
  } catch (error) {
    socket.close();
    throw error;
  }
  try {
    socket.setRecvBufferSize(receiveBuffer);
  } catch (error) {
    log.warn({ reason: (error as Error).message }, `${name} receive buffer could not be set`);
  }
  // From port 0 one cannot be answered.
  socket.on('message', (datagram, from) => from.port !== 0 && onDatagram(datagram, from));
  socket.on('error', (error) => log.debug({ reason: error.message }, `${name} socket error`));
  return socket;
}

type LookupCallback = (error: NodeJS.ErrnoException | null, address: string, family: number) => void;

/** Peers are known by their addresses: nothing is to be looked up, and nothing waits for another turn of the event loop. */
function asItIs(host: string, _options: object, callback: LookupCallback): void {
  callback(null, host, isIPv6(host) ? 6 : 4);
}
