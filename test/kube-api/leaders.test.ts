import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ApiProxy } from '../support/kube/api-proxy.ts';
import { hasCondition, KubeApiRun } from '../support/kube/kube-api-run.ts';
import type { OperatorReplica } from '../support/kube/operator-replica.ts';
import type { Release } from '../support/kube/release.ts';
import { waitFor } from '../support/wait-for.ts';

const PAIRS = 5;
const ROUNDS = 2;
/** 15 s of the Lease, two tries of 2.4 s, and some for a machine with ten operators on it. */
const AFTER_DEATH_MS = 20_000;
const AFTER_STOP_MS = 3000;
const FROZEN_MS = 30_000;

/** Two replicas of the operator of one release. */
interface Pair {
  readonly release: Release;
  replicas: OperatorReplica[];
}

let run: KubeApiRun;
const pairs: Pair[] = [];
const everyone: OperatorReplica[] = [];

beforeAll(async () => {
  run = await KubeApiRun.start('leaders', { addresses: 1 });
  for (let index = 0; index < PAIRS; index++) {
    const set = [`pool.name=pool-${index}`, ...(index > 0 ? ['crds.enabled=false'] : [])];
    const release = await run.install({ name: `hw-${index}`, namespace: `video-${index}`, set });
    pairs.push({ release, replicas: [] });
  }
  await Promise.all(
    pairs.map(async (pair) => pair.replicas.push(await start(pair.release), await start(pair.release))),
  );
  await Promise.all(pairs.map(async (pair) => waitFor('a leader', () => leaderOf(pair))));
});
afterAll(async () => {
  for (const replica of everyone) await replica[Symbol.asyncDispose]();
  await run[Symbol.asyncDispose]();
});

async function start(release: Release, url?: string): Promise<OperatorReplica> {
  const replica = await release.operator({ ...(url && { url }) });
  everyone.push(replica);
  return replica;
}

const leads = ({ log, process }: OperatorReplica): boolean =>
  process.exit === undefined && log.all('leading').length > 0;
const leaderOf = ({ replicas }: Pair): OperatorReplica | undefined => replicas.find(leads);
const otherOf = ({ replicas }: Pair, leader: OperatorReplica): OperatorReplica =>
  replicas.find((replica) => replica !== leader)!;

/** Takes the leader away by `end`, and gives how long it took until the other led, by its log: this process is busy. */
async function succession(pair: Pair, end: (leader: OperatorReplica) => Promise<unknown>): Promise<number> {
  const leader = leaderOf(pair)!;
  const other = otherOf(pair, leader);
  const began = Date.now();
  const ended = end(leader);
  const { time } = await other.log.waitForLog('leading', {}, { timeoutMs: 30_000 });
  const took = Date.parse(time as string) - began;
  await ended;
  pair.replicas = [other, await start(pair.release)];
  return took;
}

const seconds = (ms: readonly number[]): string => ms.map((each) => (each / 1000).toFixed(1)).join(' ');

describe('two replicas', () => {
  it('the leader works, the other waits', async () => {
    const { release } = pairs[0]!;
    await run.plane.kubectl('create', 'namespace', 'team-a');
    await run.createStream('team-a', 'cam-1', { pool: 'pool-0' });
    await waitFor('it to be accepted', async () => hasCondition(await run.stream('team-a', 'cam-1'), 'Accepted'));
    const [one, two] = pairs[0]!.replicas;
    expect([leads(one!), leads(two!)].filter(Boolean)).toHaveLength(1);
    expect(release.namespace).toBe('video-0');
  });

  it('leader killed: the other leads within 20 s, the worst of ten', async () => {
    const all: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      all.push(...(await Promise.all(pairs.map((pair) => succession(pair, (leader) => leader.stop('SIGKILL'))))));
      // Whoever is new has to have seen the Lease, as a replica that was there for longer has.
      await delay(3000);
    }
    console.log(`leader killed: ${seconds(all.sort((a, b) => a - b))} s`);
    expect(all).toHaveLength(PAIRS * ROUNDS);
    expect(Math.max(...all)).toBeLessThan(AFTER_DEATH_MS);
    await run.createStream('team-a', 'cam-2', { pool: 'pool-0' });
    await waitFor('it to be accepted', async () => hasCondition(await run.stream('team-a', 'cam-2'), 'Accepted'));
  });

  it('leader stopped: the other leads within 3 s', async () => {
    const all = await Promise.all(pairs.map((pair) => succession(pair, (leader) => leader.stop('SIGTERM'))));
    console.log(`leader stopped: ${seconds(all)} s`);
    expect(Math.max(...all)).toBeLessThan(AFTER_STOP_MS);
  });

  it('leader frozen for 30 s and continued: it starts no request, and exits', async () => {
    const pair = pairs[0]!;
    // One that asks through a proxy, to see what it asks; the other one goes, so that it leads.
    await using proxy = await ApiProxy.start(run.plane);
    for (const replica of pair.replicas) await replica.stop('SIGTERM');
    const frozen = await start(pair.release, proxy.url);
    await waitFor('it to lead', () => leads(frozen));
    const other = await start(pair.release);
    pair.replicas = [frozen, other];
    await run.createStream('team-a', 'cam-3', { pool: 'pool-0' });
    await waitFor('it to be accepted', async () => hasCondition(await run.stream('team-a', 'cam-3'), 'Accepted'));
    frozen.signal('SIGSTOP');
    await delay(FROZEN_MS);
    expect(leads(other)).toBe(true);
    // Work that it finds when it wakes up.
    await run.createStream('team-a', 'cam-4', { pool: 'pool-0' });
    await delay(500);
    const before = proxy.requests.length;
    frozen.signal('SIGCONT');
    const { code } = await frozen.process.wait(10_000);
    expect(code).not.toBe(0);
    expect(proxy.requests.slice(before).map(({ method, url }) => `${method} ${url}`)).toEqual([]);
    await waitFor('cam-4', async () => hasCondition(await run.stream('team-a', 'cam-4'), 'Accepted'));
  });
});
