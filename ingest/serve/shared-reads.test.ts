import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { readShared } from './shared-reads.ts';

let server: Server;
beforeEach(async () => {
  server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(async () => {
  await once(server.close(), 'close');
});

async function pair(): Promise<{ client: Socket; accepted: Socket }> {
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [accepted] = (await once(server, 'connection')) as [Socket];
  return { client, accepted };
}

it('works on this version of Node: all bytes in order, through one buffer, and the end is told', async () => {
  const [one, other] = [await pair(), await pair()];
  const memory = new Set<ArrayBufferLike>();
  const got = ['', ''];
  for (const [i, { accepted }] of [one, other].entries()) {
    const isShared = readShared(accepted, (bytes) => {
      memory.add(bytes.buffer);
      got[i] += bytes.toString('latin1');
      return true;
    });
    expect(isShared).toBe(true);
  }
  const sent = Array.from({ length: 20_000 }, (_, i) => `${i};`).join('');
  one.client.end(sent);
  other.client.end('short');
  await Promise.all([one, other].map(({ accepted }) => once(accepted, 'close')));
  expect(got).toEqual([sent, 'short']);
  expect(memory.size).toBe(1);
});

it('stops reading when it is told to, until it is resumed', async () => {
  const { client, accepted } = await pair();
  let got = 0;
  readShared(accepted, (bytes) => {
    got += bytes.length;
    return got !== 5;
  });
  client.write('first');
  await expect.poll(() => got).toBe(5);
  client.write('second');
  // What another socket sends later has come: this one has had its chance.
  const other = await pair();
  let heard = '';
  readShared(other.accepted, (bytes) => {
    heard += bytes.toString();
    return true;
  });
  other.client.end('later');
  await once(other.accepted, 'close');
  expect([got, heard]).toEqual([5, 'later']);
  accepted.resume();
  await expect.poll(() => got).toBe(11);
  client.destroy();
  await once(accepted, 'close');
});

it('takes data events where there is no such socket', async () => {
  const stream = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
  const got: string[] = [];
  const isShared = readShared(stream as Socket, (bytes) => {
    got.push(bytes.toString());
    return got.length !== 1;
  });
  expect(isShared).toBe(false);
  stream.push('hello');
  await expect.poll(() => got).toEqual(['hello']);
  stream.push('more');
  expect(stream.isPaused()).toBe(true);
  stream.resume();
  await expect.poll(() => got).toEqual(['hello', 'more']);
});
