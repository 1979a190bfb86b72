import { describe, expect, it } from 'vitest';
import { SrtSink } from './srt-sink.ts';

/** A connection that takes `room` messages and acknowledges when told. */
class Link {
  readonly sent: Buffer[] = [];
  maxPayloadBytes = 1456;
  unacknowledgedBytes = 0;
  rttUs = 20_000;
  room = Number.POSITIVE_INFINITY;
  ageUs = 0;

  unacknowledgedUs(): number {
    return this.ageUs;
  }

  send(message: Buffer): boolean {
    if (this.sent.length >= this.room) return false;
    this.sent.push(message);
    this.unacknowledgedBytes += message.length;
    return true;
  }
}

function opened(room?: number) {
  const link = new Link();
  if (room !== undefined) link.room = room;
  const clock = { now: 0 };
  const sink = new SrtSink(() => clock.now);
  sink.attach(link);
  return { link, sink, clock };
}

describe('SrtSink', () => {
  it('cuts what is written into messages of seven TS packets, without a copy', () => {
    const { link, sink } = opened();
    const bytes = Buffer.alloc(188 * 16, 7);
    sink.write(bytes);
    expect(link.sent.map((message) => message.length)).toEqual([1316, 1316, 376]);
    expect(link.sent[0]!.buffer).toBe(bytes.buffer);
    expect(sink.writableLength).toBe(0);
  });

  it('cuts smaller ones, of whole TS packets, for a peer with a smaller MTU', () => {
    const link = new Link();
    link.maxPayloadBytes = 1256;
    const sink = new SrtSink(() => 0);
    sink.attach(link);
    sink.write(Buffer.alloc(188 * 7));
    expect(link.sent.map((message) => message.length)).toEqual([188 * 6, 188]);
  });

  it('keeps what waits for the handshake', () => {
    const link = new Link();
    const sink = new SrtSink(() => 0);
    sink.write(Buffer.alloc(188));
    expect(sink.writableLength).toBe(188);
    sink.attach(link);
    sink.tick(0);
    expect(link.sent).toHaveLength(1);
  });

  it('holds back what is not taken, in order, and tells when it was', () => {
    const { link, sink } = opened(1);
    const told: string[] = [];
    sink.write(Buffer.alloc(1316 * 2, 1), () => told.push('first'));
    sink.write(Buffer.alloc(188, 2), () => told.push('second'));
    expect(sink.writableLength).toBe(1316 + 188);
    link.room = 2;
    sink.tick(0);
    expect(told).toEqual(['first']);
    link.room = 3;
    sink.tick(0);
    expect(told).toEqual(['first', 'second']);
    expect(link.sent.map((message) => message[0])).toEqual([1, 1, 2]);
    expect(sink.writableLength).toBe(0);
  });

  it('tells at a tick and not while it is written to, so that whoever writes more then may', () => {
    const { sink, link } = opened();
    let writes = 0;
    const more = (): void => {
      writes++;
      if (writes < 3) sink.write(Buffer.alloc(188), more);
    };
    sink.write(Buffer.alloc(188), more);
    expect(writes).toBe(0);
    for (let i = 0; i < 5; i++) sink.tick(i);
    expect([writes, link.sent.length]).toEqual([3, 3]);
  });

  it('hands over no more of a burst than the link takes in a moment, and more when it turns out to take it', () => {
    const { link, sink } = opened();
    sink.write(Buffer.alloc(1316 * 4_000));
    const first = link.sent.length;
    expect(first * 1316).toBeGreaterThanOrEqual(256 * 1024);
    expect(first * 1316).toBeLessThan(260 * 1024);
    // All of it is acknowledged within the round trip: twice as much the next time.
    link.unacknowledgedBytes = 0;
    sink.tick(20_000);
    expect(link.sent.length - first).toBeGreaterThan(first * 1.9);
    // What follows takes long: no more than before, and less when it gets old.
    const second = link.sent.length;
    link.unacknowledgedBytes = 0;
    link.ageUs = 700_000;
    sink.tick(900_000);
    expect(link.sent.length - second).toBeLessThan(first * 1.1);
  });

  it('forgets what waits when it is of no use any more', () => {
    const { sink, link } = opened(1);
    const told: string[] = [];
    sink.write(Buffer.alloc(1316 * 2), () => told.push('never'));
    sink.clear();
    link.room = 9;
    sink.tick(0);
    expect([link.sent.length, sink.writableLength, told]).toEqual([1, 0, []]);
  });
});
