import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LABELS, publishSecretName, SECRET_TYPES } from '../../crds/names.ts';
import type { KubeObject } from '../../kube/kube-object.ts';
import { SECRETS } from '../../kube/resource.ts';
import { LIVE_STREAMS } from '../../operator/watch/resources.ts';
import { ApiProxy } from '../support/kube/api-proxy.ts';
import type { IngestPod } from '../support/kube/ingest-pod.ts';
import { hasCondition, KubeApiRun, type StreamObject } from '../support/kube/kube-api-run.ts';
import type { OperatorReplica } from '../support/kube/operator-replica.ts';
import type { Release } from '../support/kube/release.ts';
import { waitFor } from '../support/wait-for.ts';

/** How long a fault lasts: longer than any backoff needs to grow to its most. */
const FAULT_MS = 6000;
/** What must be true again this long after it has ended. */
const CONVERGED_MS = 5000;

const TENANT = 'team-a';

let run: KubeApiRun;
let release: Release;
let proxy: ApiProxy;
let operator: OperatorReplica;
let pod: IngestPod;

beforeAll(async () => {
  run = await KubeApiRun.start('faults', { addresses: 1 });
  release = await run.install();
  await run.plane.kubectl('create', 'namespace', TENANT);
  proxy = await ApiProxy.start(run.plane);
  operator = await release.operator({ url: proxy.url });
  pod = await release.ingest(0, run.addresses[0]!, { url: proxy.url });
  await operator.waitUntilReady();
});
afterAll(async () => {
  await operator?.[Symbol.asyncDispose]();
  await pod?.[Symbol.asyncDispose]();
  await proxy?.[Symbol.asyncDispose]();
  await run[Symbol.asyncDispose]();
});

/** What is not as it should be; empty: all is. */
async function unfinished(): Promise<string[]> {
  const streams = await run.list<StreamObject>(LIVE_STREAMS, TENANT);
  const published = new Set((await run.list(SECRETS, TENANT)).map(({ metadata }) => metadata.name));
  const configured = await run.list<KubeObject & { readonly type: string }>(SECRETS, release.runtimeNamespace);
  const uids = configured
    .filter(({ type }) => type === SECRET_TYPES.streamConfig)
    .map(({ metadata }) => metadata.labels?.[LABELS.uid]);
  const open = streams.flatMap((stream) => {
    const { name, uid } = stream.metadata;
    if (!hasCondition(stream, 'Programmed')) return `${name} is not programmed`;
    if (!published.has(publishSecretName(name))) return `${name} has no Secret`;
    return uids.includes(uid) ? [] : `${name} has no configuration`;
  });
  const left = uids.filter((uid) => !streams.some(({ metadata }) => metadata.uid === uid));
  return [...open, ...left.map((uid) => `the configuration of ${uid} is left`)];
}

const settled = (timeoutMs: number) =>
  waitFor('all to be as it should', async () => (await unfinished()).length === 0, { timeoutMs, everyMs: 50 }).catch(
    async (error: Error) => {
      throw new Error(`${error.message}: ${(await unfinished()).slice(0, 5).join('; ')}\n${operator.log.tail(15)}`);
    },
  );

const patch = (name: string, spec: object) => run.client.merge(LIVE_STREAMS, { namespace: TENANT, name }, { spec });

/** Objects made, changed and deleted while something is wrong, and after it: nothing of it may be forgotten. */
async function changeThings(prefix: string, survivors: readonly string[]): Promise<void> {
  await Promise.all(Array.from({ length: 8 }, (_, index) => run.createStream(TENANT, `${prefix}-${index}`)));
  await Promise.all(survivors.map((name, index) => patch(name, { ingest: { idleTimeout: `${11 + index}s` } })));
  const names = Array.from({ length: 4 }, (_, index) => `${prefix}-${index}`);
  await delay(FAULT_MS / 3);
  await Promise.all(
    names.slice(0, 2).map((name) => run.client.remove(LIVE_STREAMS, { namespace: TENANT, name }, undefined)),
  );
  await run.client.remove(SECRETS, { namespace: TENANT, name: publishSecretName(survivors[0]!) }, undefined);
  await patch(names[2]!, { suspend: true });
}

describe('what the operator and the pods do while the API server is at fault', () => {
  const survivors = ['lives-1', 'lives-2', 'lives-3'];
  beforeAll(async () => {
    for (const name of survivors) await run.createStream(TENANT, name);
    await settled(20_000);
  });

  it.each([
    { name: 'watches are closed', act: () => proxy.faultWatches('close') },
    { name: 'watches are silent', act: () => proxy.faultWatches('silence') },
    { name: 'watches are cut off in a line', act: () => proxy.faultWatches('truncate') },
    { name: 'watches are told 410', act: () => proxy.faultWatches('gone') },
    { name: 'requests are answered 429', act: () => proxy.faultRequests('throttle') },
    { name: 'requests are answered 500', act: () => proxy.faultRequests('fail') },
    { name: 'connections are broken', act: () => proxy.faultRequests('refuse') },
  ])('$name', async ({ name, act }) => {
    const prefix = name.replaceAll(' ', '-');
    act();
    const began = performance.now();
    await changeThings(prefix, survivors);
    await delay(FAULT_MS - (performance.now() - began));
    const healed = performance.now();
    proxy.heal();
    await settled(CONVERGED_MS);
    console.log(`${name}: converged ${((performance.now() - healed) / 1000).toFixed(1)} s after the end`);
    // The pod has what it was told: it lets nobody in whose stream is suspended, gone, or without a key.
    const names = (await run.list(LIVE_STREAMS, TENANT)).map(({ metadata }) => metadata.name);
    expect(names).toHaveLength(survivors.length + 6);
    await Promise.all(
      names
        .filter((each) => each.startsWith(prefix))
        .map((each) => run.client.remove(LIVE_STREAMS, { namespace: TENANT, name: each }, undefined)),
    );
    await settled(CONVERGED_MS);
  });

  it('needed no list of all objects but after 410, and ended with watches that are open', async () => {
    const lists = proxy.requests.filter(({ method, url }) => method === 'GET' && /[?&]limit=500/.test(url));
    const gone = await operator.metric('headwater_kube_watch_failures_total', 'ERR_KUBE_GONE');
    expect(gone).toBeGreaterThan(0);
    expect(lists.length).toBeLessThan(200);
    expect(await operator.metric('headwater_kube_cache_misses_total')).toBe(0);
    expect(operator.process.exit).toBeUndefined();
    expect(pod.process.exit).toBeUndefined();
  });
});
