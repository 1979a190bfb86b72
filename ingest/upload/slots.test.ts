import { describe, expect, it } from 'vitest';
import { Bell } from './bell.ts';
import { Slots } from './slots.ts';

const FOREVER = new AbortController().signal;

describe('slots', () => {
  it('run no more than their number, the oldest of those that wait first', async () => {
    const slots = new Slots(2);
    const started: number[] = [];
    const ends: (() => void)[] = [];
    const runs = [5, 4, 3, 1, 2, 1].map((order) =>
      slots.run(order, FOREVER, () => {
        started.push(order);
        return new Promise<void>((resolve) => ends.push(resolve));
      }),
    );
    for (let n = 0; n < runs.length; n += 1) {
      await new Promise(setImmediate);
      expect(started.length - n).toBeLessThanOrEqual(2);
      ends[n]!();
    }
    await Promise.all(runs);
    expect(started).toEqual([5, 4, 1, 1, 2, 3]);
  });

  it('are given back by tasks that fail, and not taken by those that were aborted', async () => {
    const slots = new Slots(1);
    const stop = new AbortController();
    const first = slots.run(1, FOREVER, async () => {
      await new Promise(setImmediate);
      throw new Error('failed');
    });
    const aborted = slots.run(2, stop.signal, async () => 'never');
    const last = slots.run(3, FOREVER, async () => 'done');
    stop.abort(new Error('stop'));
    await expect(aborted).rejects.toThrow('stop');
    await expect(first).rejects.toThrow('failed');
    expect(await last).toBe('done');
    await expect(slots.run(1, stop.signal, async () => 'never')).rejects.toThrow('stop');
    expect(await slots.run(1, FOREVER, async () => 'free')).toBe('free');
  });
});

describe('a bell', () => {
  it('wakes a sleeper, and is remembered when nobody sleeps', async () => {
    const bell = new Bell();
    const sleeping = bell.wait(FOREVER);
    bell.ring();
    await sleeping;
    bell.ring();
    bell.ring();
    await bell.wait(FOREVER);
    let isAwake = false;
    const next = bell.wait(FOREVER).then(() => {
      isAwake = true;
    });
    await new Promise(setImmediate);
    expect(isAwake, 'rung twice, it wakes once').toBe(false);
    bell.ring();
    await next;
  });

  it('lets go after its time, and when the signal aborts', async () => {
    const bell = new Bell();
    await bell.wait(FOREVER, 1);
    const stop = new AbortController();
    const sleeping = bell.wait(stop.signal);
    stop.abort();
    await sleeping;
    await bell.wait(stop.signal);
  });
});
