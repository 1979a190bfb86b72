import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeApiServer, refuse } from '../test/support/fake-api-server.ts';
import { recordingLog } from '../test/support/kube/test-log.ts';
import { waitFor } from '../test/support/wait-for.ts';
import { KubeClient } from './client.ts';
import { LeaderElector } from './leader-elector.ts';

const TIMING = { leaseMs: 900, renewDeadlineMs: 600, retryMs: 100 };

let server: FakeApiServer;
let client: KubeClient;
beforeEach(async () => {
  server = await FakeApiServer.start();
  client = new KubeClient({ access: server.access });
});
afterEach(async () => {
  await client[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

/** A candidate whose clock can be put forward. */
function candidate(identity: string, lead?: (signal: AbortSignal) => Promise<void>) {
  let ahead = 0;
  const sleepFor = (ms: number): void => {
    ahead += ms;
  };
  const stop = new AbortController();
  const { log, lines } = recordingLog();
  const now = () => performance.now() + ahead;
  const elector = new LeaderElector({ client, namespace: 'default', name: 'lead', identity, log, timing: TIMING, now });
  const forever = (signal: AbortSignal) => delay(1e9, undefined, { signal }).catch(() => {});
  const running = elector.run(stop.signal, lead ?? forever);
  running.catch(() => {});
  return { elector, stop, running, lines, sleepFor };
}

const leads = ({ elector }: { elector: LeaderElector }, timeoutMs = 5000) =>
  waitFor('a leader', () => elector.isLeading, { everyMs: 2, timeoutMs });

const writes = () => server.requests.filter(({ method }) => method !== 'GET');

describe('LeaderElector', () => {
  it('one leads and renews, the other knows who', async () => {
    const a = candidate('a');
    await leads(a);
    const b = candidate('b');
    await waitFor('b to know', () => b.elector.leader === 'a', { everyMs: 2 });
    await delay(TIMING.leaseMs * 2);
    expect([a.elector.isLeading, b.elector.isLeading]).toEqual([true, false]);
    b.stop.abort();
    await b.running;
    a.stop.abort();
    await a.running;
  });

  it('writes times with six digits of a second', async () => {
    const a = candidate('a');
    await leads(a);
    expect(JSON.parse(writes()[0]!.body).spec).toMatchObject({
      holderIdentity: 'a',
      leaseTransitions: 0,
      renewTime: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/),
    });
    a.stop.abort();
    await a.running;
  });

  it('a leader that stops leaves the Lease free, after what it led has ended', async () => {
    const order: string[] = [];
    const note = (what: string): void => {
      order.push(what);
    };
    const a = candidate('a', async (signal) => {
      await delay(1e9, undefined, { signal }).catch(() => {});
      await delay(TIMING.renewDeadlineMs * 2);
      note('ended');
    });
    await leads(a);
    const b = candidate('b', async () => note('b leads'));
    await waitFor('b to know', () => b.elector.leader === 'a', { everyMs: 2 });
    a.stop.abort();
    await a.running;
    await b.running;
    expect(order).toEqual(['ended', 'b leads']);
  });

  it('another takes over when the leader is dead, no sooner than the Lease is old', async () => {
    const a = candidate('a');
    await leads(a);
    const b = candidate('b');
    await waitFor('b to know', () => b.elector.leader === 'a', { everyMs: 2 });
    // What a dead process does: nothing more.
    server.intercept = ({ body, method }, response) => {
      if (method === 'GET' || !body.includes('"holderIdentity":"a"')) return false;
      response.destroy();
      return true;
    };
    const began = performance.now();
    await leads(b);
    const took = performance.now() - began;
    expect(took).toBeGreaterThan(TIMING.leaseMs - TIMING.retryMs * 2);
    expect(took).toBeLessThan(TIMING.leaseMs * 3);
    // And the first one noticed in time.
    await expect(a.running).rejects.toThrow(/ERR_KUBE_LEADERSHIP_LOST/);
    expect(() => a.elector.guard()).toThrow(/ERR_KUBE_LEADERSHIP_LOST/);
    b.stop.abort();
    await b.running;
  });

  it('a leader that was frozen starts no request and says so', async () => {
    const a = candidate('a');
    client.guardWith(a.elector.guard);
    await leads(a);
    await delay(5);
    const before = server.requests.length;
    a.sleepFor(TIMING.renewDeadlineMs + 1);
    // The very first thing it does, before any timer.
    await expect(client.request({ path: '/api/v1/secrets' })).rejects.toMatchObject({
      code: 'ERR_KUBE_LEADERSHIP_LOST',
    });
    await expect(client.open({ path: '/api/v1/secrets' })).rejects.toMatchObject({ code: 'ERR_KUBE_LEADERSHIP_LOST' });
    await expect(a.running).rejects.toMatchObject({ code: 'ERR_KUBE_LEADERSHIP_LOST' });
    expect(server.requests.length).toBe(before);
  });

  it('what is led is told of the loss, and is not waited for', async () => {
    let told = false;
    const a = candidate('a', async (signal) => {
      signal.addEventListener('abort', () => {
        told = true;
      });
      await delay(3000, undefined, { ref: false });
    });
    await leads(a);
    a.sleepFor(TIMING.renewDeadlineMs + 1);
    const began = performance.now();
    await expect(a.running).rejects.toThrow(/ERR_KUBE_LEADERSHIP_LOST/);
    expect(told).toBe(true);
    expect(performance.now() - began).toBeLessThan(1000);
  });

  it('goes on leading over an outage shorter than its deadline', async () => {
    const a = candidate('a');
    await leads(a);
    server.intercept = (_, response) => {
      refuse(response, 500, 'etcd is away');
      return true;
    };
    await delay(TIMING.renewDeadlineMs * 0.5);
    server.intercept = undefined;
    await delay(TIMING.renewDeadlineMs * 2);
    expect(a.elector.isLeading).toBe(true);
    expect(a.lines.some(({ message }) => message === 'Lease not renewed')).toBe(true);
    a.stop.abort();
    await a.running;
  });

  it('goes on leading after somebody put a label on the Lease, and keeps the label', async () => {
    const a = candidate('a');
    await leads(a);
    const lease = JSON.parse(writes().at(-1)!.body);
    server.set('lead', { spec: lease.spec }, { theirs: 'yes' });
    await delay(TIMING.renewDeadlineMs * 2);
    expect(a.elector.isLeading).toBe(true);
    expect(JSON.parse(writes().at(-1)!.body).metadata.labels).toEqual({ theirs: 'yes' });
    a.stop.abort();
    await a.running;
  });

  it('loses at once where the Lease says that another holds it', async () => {
    const a = candidate('a');
    await leads(a);
    server.set('lead', { spec: { holderIdentity: 'b' } });
    await expect(a.running).rejects.toThrow(/ERR_KUBE_LEADERSHIP_LOST/);
  });

  it('an error of what is led ends it, and frees the Lease', async () => {
    const a = candidate('a', async () => {
      throw new Error('broken');
    });
    await expect(a.running).rejects.toThrow('broken');
    expect(JSON.parse(writes().at(-1)!.body).spec.holderIdentity).toBe('');
  });

  it('waits out an API server that is not there', async () => {
    server.intercept = (_, response) => {
      response.destroy();
      return true;
    };
    const a = candidate('a');
    await delay(150);
    expect(a.elector.isLeading).toBe(false);
    server.intercept = undefined;
    await leads(a);
    a.stop.abort();
    await a.running;
  });
});
