import { describe, expect, it } from 'vitest';
import type { PodReport } from '../../crds/pod-status.ts';
import { type Lease, microTime } from '../../kube/lease.ts';
import { NO_LOG } from '../../test/support/kube/test-log.ts';
import { PUBLISHER, RECORDING, streamReport } from '../../test/support/operator-fixtures.ts';
import { PodRegistry } from './pod-registry.ts';

/** A registry with a clock of its own, whose pods speak when the test says so. */
function pool() {
  let now = 100_000;
  const heard: string[] = [];
  const lost = new Map<string, () => void>();
  const registry = new PodRegistry({
    relayKey: () => 'key',
    onStream: (uid, isUrgent) => heard.push(`${uid} ${isUrgent ? 'state' : 'figures'}`),
    onPods: () => heard.push('pods'),
    onFinishedTombstones: (uids) => heard.push(`finished ${uids.join()}`),
    log: NO_LOG,
    now: () => now,
    follow: async ({ pod }, { onLost }) => {
      lost.set(pod, onLost);
    },
  });
  void registry.run(AbortSignal.timeout(60_000));
  let beats = 0;
  const beat = (name: string, change: { draining?: boolean; address?: string; renewedAt?: number } = {}) => {
    beats += 1;
    const lease = {
      metadata: {
        annotations: {
          'headwater.dev/address': change.address ?? '10.0.0.1',
          'headwater.dev/internal-port': '9090',
          'headwater.dev/draining': String(change.draining ?? false),
        },
      },
      spec: { renewTime: microTime((change.renewedAt ?? Date.now()) + beats) },
    };
    registry.heartbeat(`pod-${name}`, lease as unknown as Lease);
  };
  const say = (name: string, change: Partial<PodReport> = {}) =>
    registry.take(name, {
      ...{ kind: 'changes', pod: name, at: '', draining: false, spoolPersistent: true },
      ...{ streams: [], gone: [], finishedTombstones: [], ...change },
    });
  const pass = (ms: number) => {
    now += ms;
    registry.tick();
  };
  const since = () => heard.splice(0);
  return { registry, beat, say, pass, since, cut: (name: string) => lost.get(name)!() };
}
const ready = ({ registry }: ReturnType<typeof pool>) =>
  registry.viewOf('uid-1').map(({ name, isReady }) => `${name} ${isReady}`);

describe('heartbeats', () => {
  it('make a pod ready until they have stopped for ten seconds', () => {
    const it = pool();
    it.beat('a');
    expect(ready(it)).toEqual(['a true']);
    it.pass(9_000);
    it.beat('a');
    it.pass(9_000);
    expect(ready(it)).toEqual(['a true']);
    it.since();
    it.pass(2_000);
    expect(ready(it)).toEqual(['a false']);
    expect(it.since()).toEqual(['pods']);
  });

  it('that are old when they are first seen make no pod ready before they are renewed', () => {
    const it = pool();
    it.beat('a', { renewedAt: Date.now() - 3_600_000 });
    expect(ready(it)).toEqual(['a false']);
    it.beat('a', { renewedAt: Date.now() - 3_599_000 });
    expect(ready(it)).toEqual(['a true']);
  });

  it('of a pod that drains say that it is not ready, and that its address is going', () => {
    const it = pool();
    it.beat('a');
    it.beat('a', { draining: true });
    expect(ready(it)).toEqual(['a false']);
    expect(it.registry.addressOf('a')).toEqual({ address: '10.0.0.1', isTerminating: true });
    expect(it.registry.anyReady).toBeUndefined();
    expect(it.registry.hasAddress('10.0.0.1')).toBe(true);
  });

  it.each([
    { name: 'other Leases', lease: 'c-uid-1' },
    { name: 'heartbeats without an address', lease: 'pod-a' },
  ])('$name are no pods', ({ lease }) => {
    const it = pool();
    it.registry.heartbeat(lease, { metadata: {}, spec: {} } as unknown as Lease);
    expect(ready(it)).toEqual([]);
  });

  it('that go with their Lease, or stay away for a minute, take the pod with them', () => {
    const it = pool();
    it.beat('a');
    it.beat('b');
    it.registry.heartbeat('pod-a', undefined);
    expect(ready(it)).toEqual(['b true']);
    it.pass(61_000);
    expect(ready(it)).toEqual([]);
  });
});

describe('a pool without a ready pod', () => {
  it('rests for twenty seconds, and then everyone is told', () => {
    const it = pool();
    expect(it.registry.isResting).toBe(false);
    it.beat('a');
    it.beat('a', { draining: true });
    it.since();
    expect(it.registry.isResting).toBe(true);
    it.pass(19_000);
    expect(it.registry.isResting).toBe(true);
    it.since();
    it.pass(1_500);
    expect(it.registry.isResting).toBe(false);
    expect(it.since()).toEqual(['pods']);
  });
});

describe('reports', () => {
  it('tell a change of state from figures, and nothing from nothing', () => {
    const it = pool();
    it.beat('a');
    it.say('a', { kind: 'all', streams: [streamReport()] });
    expect(it.registry.hasHeardAll).toBe(true);
    it.since();
    it.say('a', { streams: [streamReport()] });
    expect(it.since()).toEqual([]);
    it.say('a', { streams: [streamReport({ publisher: PUBLISHER })] });
    expect(it.since()).toEqual(['uid-1 state']);
    it.say('a', { streams: [streamReport({ publisher: { ...PUBLISHER, bitsPerSecond: 1 } })] });
    expect(it.since()).toEqual(['uid-1 figures']);
    it.say('a', { streams: [streamReport({ publisher: { ...PUBLISHER, bitsPerSecond: 1 }, recording: RECORDING })] });
    expect(it.since()).toEqual(['uid-1 state']);
    it.say('a', {
      streams: [
        streamReport({ publisher: { ...PUBLISHER, bitsPerSecond: 1 }, recording: { ...RECORDING, segmentsTotal: 6 } }),
      ],
    });
    expect(it.since()).toEqual(['uid-1 figures']);
  });

  it('of all streams forget those that are not among them; changes forget those that are said to be gone', () => {
    const it = pool();
    it.beat('a');
    it.say('a', { kind: 'all', streams: [streamReport(), streamReport({ uid: 'uid-2' })] });
    it.since();
    it.say('a', { kind: 'all', streams: [streamReport()] });
    expect(it.since()).toEqual(['uid-2 state']);
    it.say('a', { gone: ['uid-1', 'uid-3'] });
    expect(it.since()).toEqual(['uid-1 state']);
    expect(it.registry.viewOf('uid-1')[0]?.stream).toBeUndefined();
  });

  it('hold while its heart beats, though it cannot be asked for a moment', () => {
    const it = pool();
    it.beat('a');
    it.say('a', { kind: 'all', streams: [streamReport({ publisher: PUBLISHER })] });
    it.cut('a');
    it.pass(9_000);
    expect(it.registry.viewOf('uid-1')[0]?.stream?.publisher).toEqual(PUBLISHER);
    it.pass(2_000);
    expect(it.registry.viewOf('uid-1')[0]).toMatchObject({ hasReported: false, stream: undefined });
  });

  it('say that a pod drains before its Lease does', () => {
    const it = pool();
    it.beat('a');
    it.say('a', { kind: 'all' });
    expect(ready(it)).toEqual(['a true']);
    it.say('a', { draining: true });
    expect(ready(it)).toEqual(['a false']);
  });

  it('hold as long as the pod is heard or its heart beats, and no longer', () => {
    const it = pool();
    it.beat('a');
    it.say('a', { kind: 'all', streams: [streamReport({ publisher: PUBLISHER })] });
    const isLive = () => it.registry.viewOf('uid-1')[0]?.stream?.publisher != null;
    // Its Lease cannot be renewed, but it is heard: publishing goes on without an API server.
    it.pass(70_000);
    expect(isLive()).toBe(true);
    expect(ready(it)).toEqual(['a true']);
    it.cut('a');
    expect(ready(it)).toEqual(['a false']);
    it.since();
    it.pass(1_000);
    expect(it.since()).toContain('uid-1 state');
    expect(ready(it)).toEqual([]);
  });

  it('of a pod that came back with another address are no longer true', () => {
    const it = pool();
    it.beat('a');
    it.say('a', { kind: 'all', streams: [streamReport()] });
    it.beat('a', { address: '10.0.0.2' });
    expect(it.registry.viewOf('uid-1')[0]).toMatchObject({ hasReported: false, stream: undefined });
    expect(it.registry.hasHeardAll).toBe(false);
    expect(it.registry.addressOf('a')?.address).toBe('10.0.0.2');
  });

  it('name tombstones that are done', () => {
    const it = pool();
    it.beat('a');
    it.since();
    it.say('a', { finishedTombstones: ['uid-9'] });
    expect(it.since()).toContain('finished uid-9');
  });
});
