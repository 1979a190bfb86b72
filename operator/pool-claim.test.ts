import { setTimeout as delay } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { errorOfStatus } from '../kube/kube-error.ts';
import { MemoryApi } from '../test/support/kube/memory-api.ts';
import { NO_LOG } from '../test/support/kube/test-log.ts';
import { PoolClaim, withdrawClaim } from './pool-claim.ts';

const timing = { renewMs: 20, lapseMs: 100 };
let api: MemoryApi;

beforeEach(() => {
  api = new MemoryApi();
});

const claimOf = (release: string, pool = 'default') =>
  new PoolClaim({
    client: api.client,
    runtimeNamespace: `${release}-runtime`,
    pool,
    holder: `ns/${release}`,
    log: NO_LOG,
    timing,
  });
const soon = () => AbortSignal.timeout(60);

describe('PoolClaim', () => {
  it('is had at once where nobody has it, and again by the same release', async () => {
    await claimOf('one').acquire(soon());
    const again = claimOf('one');
    await again.acquire(soon());
    expect(again.takenBy).toBeUndefined();
  });

  it('is not had while another release renews it, which is said', async () => {
    const stop = new AbortController();
    const first = claimOf('one');
    await first.acquire(stop.signal);
    const keeping = first.keep(stop.signal);
    const second = claimOf('two');
    await second.acquire(AbortSignal.timeout(250));
    expect(second.takenBy).toBe('ns/one');
    expect(api.find('leases', 'two-runtime/pool-default')).toBeUndefined();
    // A replica that only looks says so too.
    const looking = claimOf('three');
    await looking.look(soon());
    expect(looking.takenBy).toBe('ns/one');
    stop.abort();
    await keeping;
    await second.acquire(AbortSignal.timeout(2_000));
    expect(second.takenBy).toBeUndefined();
  });

  it('pools of other names do not concern it', async () => {
    await claimOf('one', 'sports').acquire(soon());
    const second = claimOf('two');
    await second.acquire(soon());
    expect(second.takenBy).toBeUndefined();
  });

  it('of two that took it in one moment the older one keeps it', async () => {
    const first = claimOf('one');
    await first.acquire(soon());
    await delay(5);
    // The second saw nothing of the first when it looked.
    let isBlind = true;
    const second = claimOf('two');
    api.fault = (what) => {
      if (what === 'GET leases' && isBlind) throw errorOfStatus(403, {}, '');
    };
    await second.acquire(soon());
    isBlind = false;
    await expect(second.keep(AbortSignal.timeout(5_000))).rejects.toMatchObject({ code: 'ERR_POOL_TAKEN' });
    await first.look(soon());
    expect(first.takenBy).toBeUndefined();
  });

  it('goes on without rights in other namespaces', async () => {
    api.fault = (what) => {
      if (what === 'GET leases') throw errorOfStatus(403, {}, '');
    };
    const claim = claimOf('one');
    await claim.acquire(soon());
    expect(claim.takenBy).toBeUndefined();
    expect(api.find('leases', 'one-runtime/pool-default')).toBeDefined();
  });

  it('is free when it is withdrawn', async () => {
    await claimOf('one').acquire(soon());
    await withdrawClaim(api.client, 'one-runtime', 'default');
    const second = claimOf('two');
    await second.acquire(soon());
    expect(second.takenBy).toBeUndefined();
  });
});
