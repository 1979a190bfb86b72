import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { TokenBucket } from './token-bucket.ts';

beforeEach(() => vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
afterEach(() => vi.useRealTimers());

/** Takes so many tokens at once; gives how many have been had so far. */
function takeMany(bucket: TokenBucket, count: number): () => number {
  let had = 0;
  const note = (): void => {
    had += 1;
  };
  for (let index = 0; index < count; index++) void bucket.take().then(note);
  return () => had;
}

describe('TokenBucket', () => {
  it('lets a burst through, then so many a second', async () => {
    const had = takeMany(new TokenBucket(100, 20), 200);
    await vi.advanceTimersByTimeAsync(0);
    expect(had()).toBe(20);
    await vi.advanceTimersByTimeAsync(1000);
    expect(had()).toBeGreaterThanOrEqual(118);
    expect(had()).toBeLessThanOrEqual(121);
    await vi.advanceTimersByTimeAsync(1000);
    expect(had()).toBe(200);
  });

  it('keeps the order', async () => {
    const bucket = new TokenBucket(10, 1);
    const order: number[] = [];
    for (let index = 0; index < 5; index++) void bucket.take().then(() => order.push(index));
    await vi.advanceTimersByTimeAsync(1000);
    expect(order).toEqual([0, 1, 2, 3, 4]);
  });

  it('pauses for all', async () => {
    const bucket = new TokenBucket(100, 10);
    bucket.pause(500);
    const had = takeMany(bucket, 10);
    await vi.advanceTimersByTimeAsync(490);
    expect(had()).toBe(0);
    await vi.advanceTimersByTimeAsync(20);
    expect(had()).toBe(10);
  });

  it('who gives up leaves the line', async () => {
    const bucket = new TokenBucket(1, 1);
    await bucket.take();
    const gone = new AbortController();
    const left = bucket.take(gone.signal);
    const next = takeMany(bucket, 1);
    gone.abort(new Error('enough'));
    await expect(left).rejects.toThrow('enough');
    await expect(bucket.take(gone.signal)).rejects.toThrow('enough');
    await vi.advanceTimersByTimeAsync(1001);
    expect(next()).toBe(1);
  });
});
