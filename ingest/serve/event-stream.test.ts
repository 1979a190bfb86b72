import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { LifecycleFeed } from '../observe/lifecycle-feed.ts';
import { EventStream } from './event-stream.ts';

/** A client whose kernel takes everything, or nothing while `stuck`. */
class FakeResponse extends EventEmitter {
  writableLength = 0;
  stuck = false;
  text = '';

  writeHead(): this {
    return this;
  }

  write(text: string): boolean {
    if (this.stuck) this.writableLength += text.length;
    this.text += text;
    return !this.stuck;
  }

  get asResponse(): ServerResponse {
    return this as unknown as ServerResponse;
  }
}

const event = { type: 'viewer-joined', path: 'live/test', viewers: 1 } as const;

describe('EventStream', () => {
  it('keeps no more than its bound for a client that does not read, tells it what it lost, and does not disturb others', () => {
    const feed = new LifecycleFeed();
    using stream = new EventStream(feed);
    const [slow, good] = [new FakeResponse(), new FakeResponse()];
    stream.open(slow.asResponse, null);
    stream.open(good.asResponse, null);
    slow.stuck = true;
    for (let i = 0; i < 10_000; i += 1) feed.publish(event);
    expect(slow.writableLength).toBeLessThan(257 * 1024);
    slow.stuck = false;
    slow.writableLength = 0;
    feed.publish(event);
    const lost = Number(/event: lost\ndata: \{"events":(\d+)\}/.exec(slow.text)?.[1]);
    expect(slow.text.split('event: viewer-joined').length - 1 + lost).toBe(10_001);
    expect(good.text.split('event: viewer-joined').length - 1).toBe(10_001);
    expect(good.text).not.toContain('event: lost');
  });

  it('listens only while there are clients, and takes a hundred of them', () => {
    const feed = new LifecycleFeed();
    using stream = new EventStream(feed);
    expect(feed.isHeard).toBe(false);
    const clients = Array.from({ length: 101 }, () => new FakeResponse());
    expect(clients.map((client) => stream.open(client.asResponse, null)).filter((isOpen) => !isOpen).length).toBe(1);
    expect(feed.isHeard).toBe(true);
    for (const client of clients) client.emit('close');
    expect(feed.isHeard).toBe(false);
    expect(stream.open(new FakeResponse().asResponse, null)).toBe(true);
    expect(feed.isHeard).toBe(true);
  });
});
