import { setTimeout as delay } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { type Lease, microTime } from '../kube/lease.ts';
import { MemoryApi } from '../test/support/kube/memory-api.ts';
import { NO_LOG } from '../test/support/kube/test-log.ts';
import { waitFor } from '../test/support/wait-for.ts';
import { UninstallOffice } from './uninstall-office.ts';

const PLACE = { namespace: 'video', name: 'hw-operator' };
const TIMING = { renewMs: 20, leaderEndsMs: 50 };

let api: MemoryApi;
beforeEach(() => {
  api = new MemoryApi();
});

const take = () => UninstallOffice.take(api.client, PLACE, NO_LOG, TIMING);
const lease = () => api.find<Lease>('leases', 'video/hw-operator');
const led = (holderIdentity: string) => {
  const spec = { holderIdentity, leaseDurationSeconds: 15, renewTime: microTime(Date.now()) };
  api.put('leases', { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: PLACE, spec } as never);
};

describe('the office of the leader', () => {
  it('is taken from who leads, who gets time to end', async () => {
    led('operator-0');
    const began = performance.now();
    await using _ = await take();
    expect(performance.now() - began).toBeGreaterThanOrEqual(TIMING.leaderEndsMs - 5);
    expect(lease()?.spec).toMatchObject({ holderIdentity: 'uninstall', leaseDurationSeconds: 15 });
  });

  it('is renewed while there is work, taken back from who took it meanwhile, and renewed once more at the end', async () => {
    let renewals = 0;
    {
      await using _ = await take();
      await waitFor('renewals', () => api.writes.length >= 3, { everyMs: 5 });
      led('operator-1');
      await waitFor('it to be taken back', () => lease()?.spec.holderIdentity === 'uninstall', { everyMs: 5 });
      renewals = api.writes.length;
    }
    expect(api.writes.length).toBeGreaterThan(renewals);
    const all = api.writes.length;
    await delay(3 * TIMING.renewMs);
    expect(api.writes.length).toBe(all);
  });

  it('is taken though the leader renews it in the same moment', async () => {
    led('operator-0');
    let isFirst = true;
    api.fault = (what) => {
      if (!what.startsWith('PUT') || !isFirst) return;
      isFirst = false;
      led('operator-0');
    };
    await using _ = await take();
    expect(lease()?.spec.holderIdentity).toBe('uninstall');
  });
});
