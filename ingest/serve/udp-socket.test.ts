import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import type { Log } from '../runtime/log.ts';
import { plainAddress } from './peer-address.ts';
import { UdpSocket } from './udp-socket.ts';

const said: string[] = [];
const log: Log = { debug() {}, info() {}, warn: (_, message) => void said.push(message), error() {}, child: () => log };

describe('UdpSocket', () => {
  it('receives from IPv4 peers on an address of both families, and answers them', async () => {
    const heard = Promise.withResolvers<{ datagram: Buffer; address: string; port: number }>();
    await using socket = await UdpSocket.open(
      { host: undefined, port: 0 },
      {
        name: 'SRT',
        receiveBuffer: 65_536,
        log,
        onDatagram: (datagram, { address, port }) => heard.resolve({ datagram, address, port }),
      },
    );
    const peer = createSocket('udp4');
    peer.send('there', socket.port, '127.0.0.1');
    const { datagram, address, port } = await heard.promise;
    expect(datagram.toString()).toBe('there');
    expect(plainAddress(address)).toBe('127.0.0.1');
    const answered = once(peer, 'message');
    socket.send(Buffer.from('here'), port, address);
    expect(String((await answered)[0])).toBe('here');
    peer.close();
  });

  it('goes on when a peer is gone, and takes no more after its disposal', async () => {
    const socket = await UdpSocket.open(
      { host: '127.0.0.1', port: 0 },
      { name: 'SRT', receiveBuffer: 65_536, log, onDatagram() {} },
    );
    const gone = createSocket('udp4').bind(0, '127.0.0.1');
    await once(gone, 'listening');
    const { port } = gone.address();
    gone.close();
    for (let i = 0; i < 3; i++) {
      socket.send(Buffer.from('nobody'), port, '127.0.0.1');
      await new Promise((done) => setTimeout(done, 10));
    }
    socket.send(Buffer.alloc(70_000), port, '127.0.0.1'); // larger than any datagram
    await new Promise((done) => setTimeout(done, 10));
    expect(() => socket.send(Buffer.from('nowhere'), 0, '127.0.0.1')).not.toThrow();
    await socket[Symbol.asyncDispose]();
    socket.send(Buffer.from('late'), port, '127.0.0.1');
  });

  it('says that the port is taken', async () => {
    const options = { name: 'SRT', receiveBuffer: 65_536, log, onDatagram() {} };
    await using first = await UdpSocket.open({ host: '127.0.0.1', port: 0 }, options);
    await expect(UdpSocket.open({ host: '127.0.0.1', port: first.port }, options)).rejects.toMatchObject({
      code: 'ERR_LISTEN',
      message: expect.stringMatching(/cannot listen for SRT on 127.0.0.1:\d+: the port is in use/),
    });
  });

  it('warns when the kernel gives a smaller buffer than asked for', async () => {
    const options = { name: 'SRT', receiveBuffer: 1024 ** 3, log, onDatagram() {} };
    await using socket = await UdpSocket.open({ host: '127.0.0.1', port: 0 }, options);
    expect(socket.receiveBuffer).toBeLessThan(1024 ** 3);
    expect(said).toContain('SRT receive buffer is capped by the kernel: bursts may lose packets');
  });
});
