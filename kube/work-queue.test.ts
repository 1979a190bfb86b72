import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { recordingLog } from '../test/support/kube/test-log.ts';
import { KubeError } from './kube-error.ts';
import { WorkQueue, type WorkQueueOptions } from './work-queue.ts';

beforeEach(() => vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
afterEach(() => vi.useRealTimers());

function queueOf(work: WorkQueueOptions['work'], extra: Partial<WorkQueueOptions> = {}) {
  const { log, lines } = recordingLog();
  const queue = new WorkQueue({ name: 'streams', work, log, ...extra });
  const stop = new AbortController();
  return { queue, lines, stop, running: queue.run(stop.signal) };
}

const tick = (ms = 0) => vi.advanceTimersByTimeAsync(ms);
const pass = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

describe('WorkQueue', () => {
  it('does a key once that was added many times while it waited', async () => {
    const done: string[] = [];
    const work = async (key: string) => {
      await pass(1);
      done.push(key);
      return undefined;
    };
    const { queue } = queueOf(work, { workers: 1 });
    queue.add('first');
    for (let index = 0; index < 10; index++) queue.add('a');
    queue.add('b');
    await tick(10);
    expect(done).toEqual(['first', 'a', 'b']);
  });

  it('does a key once more that was added while it was worked on, and never twice at a time', async () => {
    let [active, most, times] = [0, 0, 0];
    const { queue } = queueOf(async () => {
      active += 1;
      times += 1;
      most = Math.max(most, active);
      await pass(100);
      active -= 1;
      return undefined;
    });
    queue.add('a');
    await tick(50);
    for (let index = 0; index < 5; index++) queue.add('a');
    await tick(1000);
    expect({ times, most }).toEqual({ times: 2, most: 1 });
  });

  it('works on so many keys at a time', async () => {
    let [active, most] = [0, 0];
    const work = async () => {
      most = Math.max(most, ++active);
      await pass(10);
      active -= 1;
      return undefined;
    };
    const { queue } = queueOf(work, { workers: 4 });
    for (let index = 0; index < 40; index++) queue.add(`k${index}`);
    expect(queue.depth).toBe(40);
    await tick(100);
    expect({ most, depth: queue.depth }).toEqual({ most: 4, depth: 0 });
  });

  it('tries again with growing waits, up to a most, and begins anew after success', async () => {
    const at: number[] = [];
    let fails = 12;
    const work = async () => {
      at.push(performance.now());
      if (fails-- > 0) throw new Error('not yet');
      return undefined;
    };
    const { queue } = queueOf(work, { minBackoffMs: 10, maxBackoffMs: 1000 });
    queue.add('a');
    await tick(30_000);
    const waits = at.slice(1).map((time, index) => time - at[index]!);
    expect(waits).toHaveLength(12);
    for (const [index, wait] of waits.entries()) {
      const most = Math.min(1000, 10 * 2 ** index);
      expect(wait).toBeGreaterThanOrEqual(most / 2 - 1);
      expect(wait).toBeLessThanOrEqual(most + 1);
    }
    fails = 1;
    queue.add('a');
    const began = performance.now();
    await tick(30);
    expect(at.at(-1)! - began).toBeLessThanOrEqual(11);
  });

  it('waits no longer than 2 s for an API server that is away', async () => {
    const at: number[] = [];
    const { queue } = queueOf(async () => {
      at.push(performance.now());
      throw new KubeError('ERR_KUBE_UNREACHABLE', 'away');
    });
    queue.add('a');
    await tick(600_000);
    const waits = at.slice(1).map((time, index) => time - at[index]!);
    expect(Math.max(...waits)).toBeLessThanOrEqual(2001);
    expect(at.length).toBeLessThan(700);
  });

  it('waits as long as the server asks', async () => {
    const at: number[] = [];
    const work = async () => {
      at.push(performance.now());
      if (at.length === 1) throw new KubeError('ERR_KUBE_THROTTLED', 'slow', { status: 429, retryAfterMs: 3000 });
      return undefined;
    };
    const { queue } = queueOf(work);
    queue.add('a');
    await tick(10_000);
    expect(at[1]! - at[0]!).toBeGreaterThanOrEqual(3000);
  });

  it('a new reason does not wait for the backoff', async () => {
    let times = 0;
    const { queue } = queueOf(
      async () => {
        times += 1;
        throw new Error('no');
      },
      { minBackoffMs: 60_000 },
    );
    queue.add('a');
    await tick(1);
    queue.add('a');
    await tick(1);
    expect(times).toBe(2);
  });

  it('does again what asks for it, and of two delays the shorter one counts', async () => {
    const at: number[] = [];
    const { queue } = queueOf(async () => {
      at.push(performance.now());
      return at.length === 1 ? 500 : undefined;
    });
    queue.addAfter('a', 1000);
    queue.addAfter('a', 200);
    queue.addAfter('a', 5000);
    const began = performance.now();
    await tick(10_000);
    expect(at.map((time) => Math.round(time - began))).toEqual([200, 700]);
  });

  it('a stop waits for what is under way, and begins nothing', async () => {
    const done: string[] = [];
    const { queue, stop, running } = queueOf(
      async (key) => {
        await pass(100);
        done.push(key);
        return 1;
      },
      { workers: 1 },
    );
    queue.add('a');
    queue.add('b');
    queue.addAfter('c', 10);
    await tick(50);
    stop.abort();
    let ended = false;
    void running.then(() => {
      ended = true;
    });
    await tick(10);
    expect(ended).toBe(false);
    await tick(1000);
    expect({ ended, done }).toEqual({ ended: true, done: ['a'] });
  });

  it('an idle one stops at once', async () => {
    const { stop, running } = queueOf(async () => undefined);
    stop.abort();
    await running;
  });

  it('a first conflict is no news, a repeated one is', async () => {
    const { queue, lines } = queueOf(async () => {
      throw new KubeError('ERR_KUBE_CONFLICT', 'changed', { status: 409 });
    });
    queue.add('a');
    await tick(200);
    expect(lines.slice(0, 4).map(({ level }) => level)).toEqual(['debug', 'debug', 'debug', 'warn']);
  });

  it('whatever the order of adds, the last one of each key is followed by work', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.nat(30)), { maxLength: 40 }),
        async (adds) => {
          const state = new Map<string, number>();
          const seen = new Map<string, number>();
          const work = async (key: string) => {
            const now = state.get(key)!;
            await pass(7);
            seen.set(key, now);
            return undefined;
          };
          const { queue, stop, running } = queueOf(work, { workers: 2 });
          for (const [key, wait] of adds) {
            state.set(key, (state.get(key) ?? 0) + 1);
            queue.add(key);
            await tick(wait);
          }
          await tick(1000);
          expect(seen).toEqual(state);
          stop.abort();
          await running;
        },
      ),
      { numRuns: 30 },
    );
  });
});
