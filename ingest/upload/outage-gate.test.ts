import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { keptLog } from '../../test/support/spooled-segments.ts';
import { Fault } from '../runtime/fault.ts';
import { jitter, OutageGate } from './outage-gate.ts';

const FOREVER = new AbortController().signal;
const DOWN = new Fault('ERR_STORE_UNREACHABLE', 'connection refused');
const BOUNDS = { min: 500, max: 30_000 };

describe('the wait before an attempt', () => {
  it('lies between the bounds, and its range doubles', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e9 }), fc.double({ min: 0, max: 1, noNaN: true }), (attempt, random) => {
        const wait = jitter(BOUNDS, attempt, random);
        expect(wait).toBeGreaterThanOrEqual(500);
        expect(wait).toBeLessThanOrEqual(30_000);
      }),
    );
    expect([1, 2, 3, 4, 5, 6, 7].map((attempt) => jitter(BOUNDS, attempt, 1))).toEqual([
      1000, 2000, 4000, 8000, 16_000, 30_000, 30_000,
    ]);
  });
});

describe('the gate', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  /** Enters and notes when it was let in. */
  function visitor(gate: OutageGate, signal = FOREVER) {
    const seen = { isIn: false };
    const entered = gate.enter(signal).then(() => {
      seen.isIn = true;
    });
    return { seen, entered };
  }

  it('is open while the store answers', async () => {
    const gate = new OutageGate(BOUNDS, keptLog());
    await Promise.all([gate.enter(FOREVER), gate.enter(FOREVER), gate.enter(FOREVER)]);
    gate.succeeded();
    expect(gate.state).toEqual({ available: true });
  });

  it('keeps no timer when nobody waits any more', async () => {
    const gate = new OutageGate(BOUNDS, keptLog());
    await gate.enter(FOREVER);
    gate.failed(DOWN);
    const [first, second] = [new AbortController(), new AbortController()];
    const entered = [gate.enter(first.signal), gate.enter(second.signal)];
    first.abort();
    await expect(entered[0]).rejects.toThrow('abort');
    expect(vi.getTimerCount()).toBe(1);
    second.abort();
    await expect(entered[1]).rejects.toThrow('abort');
    expect(vi.getTimerCount()).toBe(0);
  });

  it('lets one in to look, and all when it was answered', async () => {
    const log = keptLog();
    const gate = new OutageGate(BOUNDS, log);
    await gate.enter(FOREVER);
    gate.failed(DOWN);
    const all = [visitor(gate), visitor(gate), visitor(gate)];
    await vi.advanceTimersByTimeAsync(499);
    expect(all.filter(({ seen }) => seen.isIn)).toHaveLength(0);
    await vi.advanceTimersByTimeAsync(501);
    expect(all.filter(({ seen }) => seen.isIn)).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(100_000);
    expect(
      all.filter(({ seen }) => seen.isIn),
      'the one inside is still waiting for its answer',
    ).toHaveLength(1);
    gate.failed(DOWN);
    await vi.advanceTimersByTimeAsync(2000);
    expect(all.filter(({ seen }) => seen.isIn)).toHaveLength(2);
    gate.succeeded();
    await Promise.all(all.map(({ entered }) => entered));
    expect(log.lines.map(({ level, message }) => `${level} ${message}`)).toEqual([
      'warn store unavailable',
      'info store available again',
    ]);
  });

  it('counts failures of attempts that were under way together as one', async () => {
    const log = keptLog();
    const gate = new OutageGate(BOUNDS, log);
    await Promise.all([gate.enter(FOREVER), gate.enter(FOREVER), gate.enter(FOREVER)]);
    for (let n = 0; n < 3; n += 1) gate.failed(DOWN);
    const next = visitor(gate);
    await vi.advanceTimersByTimeAsync(1000); // the range of a first failure
    expect(next.seen.isIn).toBe(true);
    expect(log.lines).toHaveLength(1);
  });

  it('says so when the reason changes', async () => {
    const log = keptLog();
    const gate = new OutageGate(BOUNDS, log);
    gate.failed(DOWN);
    const next = visitor(gate);
    await vi.advanceTimersByTimeAsync(1000);
    await next.entered;
    gate.failed(new Fault('ERR_STORE_ACCESS', 'wrong key'));
    expect(log.lines.map(({ fields }) => fields.code)).toEqual(['ERR_STORE_UNREACHABLE', 'ERR_STORE_ACCESS']);
    expect(gate.state).toMatchObject({ available: false, code: 'ERR_STORE_ACCESS' });
  });

  it('passes the look on when the one inside gives up', async () => {
    const gate = new OutageGate(BOUNDS, keptLog());
    gate.failed(DOWN);
    const [first, second] = [visitor(gate), visitor(gate)];
    await vi.advanceTimersByTimeAsync(1000);
    expect([first.seen.isIn, second.seen.isIn]).toEqual([true, false]);
    gate.abandoned();
    await second.entered;
  });

  it('lets a waiting one go when it is aborted, and the others stay', async () => {
    const gate = new OutageGate(BOUNDS, keptLog());
    gate.failed(DOWN);
    const stop = new AbortController();
    const [gone, stays] = [visitor(gate, stop.signal), visitor(gate)];
    const end = expect(gone.entered).rejects.toThrow('stop');
    stop.abort(new Error('stop'));
    await end;
    expect(stays.seen.isIn).toBe(false);
    gate.hurry();
    await stays.entered;
  });

  it('in haste never waits longer than a second', async () => {
    const gate = new OutageGate(BOUNDS, keptLog());
    gate.failed(DOWN);
    gate.hurry();
    for (let attempt = 0; attempt < 10; attempt += 1) {
      const { seen, entered } = visitor(gate);
      await vi.advanceTimersByTimeAsync(1000);
      expect(seen.isIn).toBe(true);
      await entered;
      gate.failed(DOWN);
    }
  });
});
