import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FlushClock, flushTickMs } from './flush-clock.ts';

/** A publisher's socket and its path: what has come while it rested is read in the turn after it is resumed, as sockets do. */
class Publisher {
  destroyed = false;
  resumed = 0;
  arrived = 0;
  readonly flushed: number[] = [];
  #read = 0;
  readonly #clock: FlushClock;

  constructor(clock: FlushClock) {
    this.#clock = clock;
  }

  resume(): void {
    this.resumed++;
    queueMicrotask(() => this.read());
  }

  read(): void {
    if (this.#read === this.arrived) return;
    this.#read = this.arrived;
    this.#clock.markDirty(this);
  }

  flush(): boolean {
    this.flushed.push(this.#read);
    return false;
  }
}

describe('the flush tick', () => {
  it('grows with the viewers', () => {
    expect([1, 8, 104, 200, 1000].map((viewers) => flushTickMs(viewers, 50))).toEqual([0, 0, 25, 50, 50]);
  });
});

describe('publishers that rest until the tick', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('are resumed for it, and what they read then is flushed with it', async () => {
    const clock = new FlushClock(() => 50);
    const publisher = new Publisher(clock);
    publisher.arrived = 1;
    publisher.read();
    expect(clock.rest(publisher)).toBe(true);
    publisher.arrived = 4;
    await vi.advanceTimersByTimeAsync(49);
    expect(publisher.resumed).toBe(0);
    await vi.advanceTimersByTimeAsync(2);
    expect(publisher.resumed).toBe(1);
    expect(publisher.flushed).toEqual([4]);
    await vi.advanceTimersByTimeAsync(500);
    expect(publisher.flushed).toEqual([4]);
    expect(publisher.resumed).toBe(1);
  });

  it('go on reading while no tick is armed, between a tick and its flush, and where ticks are immediate or very long', async () => {
    let tickMs = 50;
    const clock = new FlushClock(() => tickMs);
    const publisher = new Publisher(clock);
    expect(clock.rest(publisher)).toBe(false);
    publisher.arrived = 1;
    publisher.read();
    expect(clock.rest(publisher)).toBe(true);
    const asked: boolean[] = [];
    vi.spyOn(publisher, 'resume').mockImplementation(() => asked.push(clock.rest(publisher)));
    await vi.advanceTimersByTimeAsync(52);
    expect(asked).toEqual([false]);
    for (tickMs of [0, 501]) {
      publisher.arrived++;
      publisher.read();
      expect(clock.rest(publisher)).toBe(false);
      await vi.advanceTimersByTimeAsync(600);
    }
    expect(publisher.flushed).toHaveLength(3);
  });

  it('are resumed when the clock is closed, and flushed no more; one that was closed meanwhile is let go', async () => {
    const clock = new FlushClock(() => 50);
    const [publisher, gone] = [new Publisher(clock), new Publisher(clock)];
    publisher.arrived = 1;
    publisher.read();
    clock.rest(publisher);
    clock.rest(gone);
    gone.destroyed = true;
    clock.close();
    await vi.advanceTimersByTimeAsync(500);
    expect([publisher.resumed, gone.resumed]).toEqual([1, 0]);
    expect(publisher.flushed).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });
});
