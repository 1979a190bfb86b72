import { createSocket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { expect, it } from 'vitest';
import type { Log } from '../runtime/log.ts';
import { SrtListener } from './srt-listener.ts';

const log: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => log };

it('SrtListener on localhost hears callers to each of its addresses, and answers them', async () => {
  await using listener = new SrtListener(undefined, {
    secret: Buffer.alloc(32),
    flowWindow: 8192,
    halfOpen: 10,
    admits: () => true,
  });
  const options = { name: 'SRT', receiveBuffer: 65_536, log };
  const port = await listener.open({ host: 'localhost', port: 0 }, options, (own, datagram, from) => {
    own.send(Buffer.concat([Buffer.from('you said '), datagram]), from.port, from.address);
  });
  const addresses = await lookup('localhost', { all: true });
  expect(addresses.length).toBeGreaterThan(0);
  for (const { address, family } of addresses) {
    const caller = createSocket(family === 6 ? 'udp6' : 'udp4');
    const answered = once(caller, 'message');
    caller.send(address, port, address);
    expect(String((await answered)[0])).toBe(`you said ${address}`);
    caller.close();
  }
});
