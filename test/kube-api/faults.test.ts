import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CONFIG_KEY, LABELS, publishSecretName, SECRET_TYPES } from '../../crds/names.ts';
import type { StreamConfig } from '../../crds/stream-config.ts';
import type { KubeObject } from '../../kube/kube-object.ts';
import { SECRETS } from '../../kube/resource.ts';
import { LIVE_STREAMS } from '../../operator/watch/resources.ts';
import { ApiProxy } from '../support/kube/api-proxy.ts';
import type { IngestPod } from '../support/kube/ingest-pod.ts';
import { hasCondition, KubeApiRun, type StreamObject } from '../support/kube/kube-api-run.ts';
import { LivePublisher } from '../support/kube/live-publisher.ts';
import type { OperatorReplica } from '../support/kube/operator-replica.ts';
import type { Release } from '../support/kube/release.ts';
import { waitFor } from '../support/wait-for.ts';

/** How long a fault lasts: longer than any backoff needs to grow to its most. */
const FAULT_MS = 6000;
/** What must be true again this long after it has ended. */
const CONVERGED_MS = 5000;

/** A watch that was silent for 90 s is dead; that is looked at each 9 s. No setting makes it less, but `kube/reflector.test.ts` does. */
const FOUND_DEAD_MS = 99_000;

const TENANT = 'team-a';

type Secret = KubeObject & { readonly type: string; readonly data: Readonly<Record<string, string>> };

/** A release whose operator and pod ask the API server through a proxy. */
interface Behind {
  readonly release: Release;
  readonly proxy: ApiProxy;
  readonly operator: OperatorReplica;
  readonly pod: IngestPod;
  readonly tenant: string;
}

let run: KubeApiRun;
let near: Behind;
/** Its watches die before the other faults begin, and are found dead after them. */
let far: Behind;
const everything: AsyncDisposable[] = [];

beforeAll(async () => {
  run = await KubeApiRun.start('faults', { addresses: 2 });
  near = await behind(await run.install(), TENANT, run.addresses[0]!);
  const set = ['crds.enabled=false', 'pool.name=far'];
  far = await behind(await run.install({ name: 'far', namespace: 'video-2', set }), 'team-b', run.addresses[1]!);
});
afterAll(async () => {
  for (const each of everything.toReversed()) await each[Symbol.asyncDispose]();
  await run[Symbol.asyncDispose]();
});

async function behind(release: Release, tenant: string, address: string): Promise<Behind> {
  await run.plane.kubectl('create', 'namespace', tenant);
  const proxy = await ApiProxy.start(run.plane);
  everything.push(proxy);
  const operator = await release.operator({ url: proxy.url });
  everything.push(operator);
  const pod = await release.ingest(0, address, { url: proxy.url });
  everything.push(pod);
  await operator.waitUntilReady();
  return { release, proxy, operator, pod, tenant };
}

/** What of a stream's configuration is looked at. */
type Wanted = Pick<StreamConfig, 'idleTimeoutMs' | 'state'>;
const AS_MADE: Wanted = { idleTimeoutMs: 10_000, state: 'active' };

const decode = (value: string | undefined): string => Buffer.from(value ?? '', 'base64').toString('utf8');

/** What is not as it should be; empty: all is. `wanted`: of streams that are not as they were made. */
async function unfinished({ release, tenant }: Behind, wanted: ReadonlyMap<string, Wanted>): Promise<string[]> {
  const streams = await run.list<StreamObject>(LIVE_STREAMS, tenant);
  const published = new Set((await run.list(SECRETS, tenant)).map(({ metadata }) => metadata.name));
  const configured = (await run.list<Secret>(SECRETS, release.runtimeNamespace)).filter(
    ({ type }) => type === SECRET_TYPES.streamConfig,
  );
  const configs = new Map(
    configured.map(({ metadata, data }) => [
      metadata.labels![LABELS.uid]!,
      JSON.parse(decode(data[CONFIG_KEY])) as StreamConfig,
    ]),
  );
  const open = streams.flatMap((stream) => {
    const { name, uid } = stream.metadata;
    if (!hasCondition(stream, 'Programmed')) return `${name} is not programmed`;
    if (!published.has(publishSecretName(name))) return `${name} has no Secret`;
    const config = configs.get(uid!);
    if (config === undefined) return `${name} has no configuration`;
    const { idleTimeoutMs, state } = wanted.get(name) ?? AS_MADE;
    const isAsWanted = config.idleTimeoutMs === idleTimeoutMs && config.state === state;
    return isAsWanted ? [] : `${name} has ${config.idleTimeoutMs} ms and is ${config.state}`;
  });
  const left = [...configs.keys()].filter((uid) => !streams.some(({ metadata }) => metadata.uid === uid));
  return [...open, ...left.map((uid) => `the configuration of ${uid} is left`)];
}

const settled = (which: Behind, wanted: ReadonlyMap<string, Wanted>, timeoutMs: number) =>
  waitFor('all to be as it should', async () => (await unfinished(which, wanted)).length === 0, {
    timeoutMs,
    everyMs: 50,
  }).catch(async (error: Error) => {
    const open = (await unfinished(which, wanted)).slice(0, 5).join('; ');
    throw new Error(`${error.message}: ${open}\n${which.operator.log.tail(15)}`);
  });

const patch = (namespace: string, name: string, spec: object) =>
  run.client.merge(LIVE_STREAMS, { namespace, name }, { spec });
const remove = (namespace: string, name: string) => run.client.remove(LIVE_STREAMS, { namespace, name }, undefined);

async function keyOf({ tenant: namespace }: Behind, name: string): Promise<string> {
  const { data } = await run.client.get<Secret>(SECRETS, { namespace, name: publishSecretName(name) });
  return decode(data.rtmpKey);
}

async function isLetIn({ pod, tenant }: Behind, name: string, key: string): Promise<boolean> {
  const publisher = await LivePublisher.start(`${pod.rtmp(`${tenant}/${name}`)}?key=${key}`).catch(() => undefined);
  await publisher?.[Symbol.asyncDispose]();
  return publisher !== undefined;
}

/** Objects made, changed and deleted while something is wrong, and after it: nothing of it may be forgotten. */
async function changeThings(prefix: string, survivors: readonly string[], idleTimeoutMs: number): Promise<void> {
  await Promise.all(Array.from({ length: 8 }, (_, index) => run.createStream(TENANT, `${prefix}-${index}`)));
  await Promise.all(
    survivors.map((name) => patch(TENANT, name, { ingest: { idleTimeout: `${idleTimeoutMs / 1000}s` } })),
  );
  const names = Array.from({ length: 4 }, (_, index) => `${prefix}-${index}`);
  await delay(FAULT_MS / 3);
  await Promise.all([...names.slice(0, 2), `${prefix}-goes`].map((name) => remove(TENANT, name)));
  await run.client.remove(SECRETS, { namespace: TENANT, name: publishSecretName(survivors[0]!) }, undefined);
  await Promise.all([names[2]!, `${prefix}-rests`].map((name) => patch(TENANT, name, { suspend: true })));
}

describe('what the operator and the pods do while the API server is at fault', () => {
  const survivors = ['lives-1', 'lives-2', 'lives-3'];
  const faults = [
    { name: 'watches are closed', act: () => near.proxy.faultWatches('close') },
    { name: 'watches are silent', act: () => near.proxy.faultWatches('silence') },
    { name: 'watches are cut off in a line', act: () => near.proxy.faultWatches('truncate') },
    { name: 'watches are told 410', act: () => near.proxy.faultWatches('gone') },
    { name: 'requests are answered 429', act: () => near.proxy.faultRequests('throttle') },
    { name: 'requests are answered 500', act: () => near.proxy.faultRequests('fail') },
    { name: 'connections are broken', act: () => near.proxy.faultRequests('refuse') },
  ].map((fault, number) => ({
    ...fault,
    prefix: fault.name.replaceAll(' ', '-'),
    // Another one each time, so that there is something to tell.
    idleTimeoutMs: (11 + number) * 1000,
  }));
  /** Key of each stream that was there before the first fault. */
  const keys = new Map<string, string>();
  const wanted = new Map<string, Wanted>();
  let lostAt: number;

  beforeAll(async () => {
    const before = [...survivors, ...faults.flatMap(({ prefix }) => [`${prefix}-goes`, `${prefix}-rests`])];
    await Promise.all(before.map((name) => run.createStream(TENANT, name)));
    for (const name of survivors) await run.createStream(far.tenant, name, { pool: 'far' });
    await settled(near, wanted, 20_000);
    await settled(far, wanted, 20_000);
    for (const name of before) keys.set(name, await keyOf(near, name));

    far.proxy.loseWatches();
    lostAt = performance.now();
    await patch(far.tenant, survivors[0]!, { suspend: true });
    await remove(far.tenant, survivors[1]!);
    await run.createStream(far.tenant, 'comes', { pool: 'far' });
  });

  it.each(faults)('$name', async ({ name, act, prefix, idleTimeoutMs }) => {
    const namesNow = async () => (await run.list(LIVE_STREAMS, TENANT)).map(({ metadata }) => metadata.name).sort();
    const before = await namesNow();
    act();
    const began = performance.now();
    await changeThings(prefix, survivors, idleTimeoutMs);
    await delay(FAULT_MS - (performance.now() - began));
    const healed = performance.now();
    near.proxy.heal();
    for (const each of survivors) wanted.set(each, { ...AS_MADE, idleTimeoutMs });
    for (const each of [`${prefix}-2`, `${prefix}-rests`]) wanted.set(each, { ...AS_MADE, state: 'suspended' });
    await settled(near, wanted, CONVERGED_MS);
    // The pod has what it was told: it lets nobody in whose stream is suspended or gone.
    const goes = `${prefix}-goes`;
    await waitFor('the pod to know who is gone', async () => !(await isLetIn(near, goes, keys.get(goes)!)), {
      timeoutMs: CONVERGED_MS - (performance.now() - healed),
    });
    console.log(`${name}: converged ${((performance.now() - healed) / 1000).toFixed(1)} s after the end`);
    expect(await isLetIn(near, `${prefix}-rests`, keys.get(`${prefix}-rests`)!)).toBe(false);
    expect(await isLetIn(near, `${prefix}-2`, await keyOf(near, `${prefix}-2`))).toBe(false);
    // And in comes who may: also by a Secret that was deleted and made again.
    expect(await keyOf(near, survivors[0]!)).toBe(keys.get(survivors[0]!));
    for (const each of survivors) expect(await isLetIn(near, each, keys.get(each)!)).toBe(true);

    const made = [2, 3, 4, 5, 6, 7].map((index) => `${prefix}-${index}`);
    expect(await namesNow()).toEqual([...before.filter((each) => each !== goes), ...made].sort());
    await Promise.all([...made, `${prefix}-rests`].map((each) => remove(TENANT, each)));
    await settled(near, wanted, CONVERGED_MS);
  });

  it('needed no list of all objects but after 410, and ended with watches that are open', async () => {
    const { proxy, operator, pod } = near;
    const lists = proxy.requests.filter(({ method, url }) => method === 'GET' && /[?&]limit=500/.test(url));
    const gone = await operator.metric('headwater_kube_watch_failures_total', 'ERR_KUBE_GONE');
    expect(gone).toBeGreaterThan(0);
    expect(lists.length).toBeLessThan(200);
    expect(await operator.metric('headwater_kube_cache_misses_total')).toBe(0);
    expect(operator.process.exit).toBeUndefined();
    expect(pod.process.exit).toBeUndefined();
  });

  it('watches that are dead without an end are found out, and others opened', async () => {
    const changed = new Map<string, Wanted>([[survivors[0]!, { ...AS_MADE, state: 'suspended' }]]);
    const key = await keyOf(far, survivors[2]!);
    expect(await isLetIn(far, survivors[2]!, key)).toBe(true);
    await settled(far, changed, FOUND_DEAD_MS + CONVERGED_MS - (performance.now() - lostAt));
    const stalled = await far.operator.metric('headwater_kube_watch_failures_total', 'ERR_KUBE_STALLED');
    console.log(`dead watches: converged after ${((performance.now() - lostAt) / 1000).toFixed(1)} s`);
    expect(stalled).toBeGreaterThan(0);
    expect(await far.operator.metric('headwater_kube_cache_misses_total')).toBe(0);
    expect(await isLetIn(far, 'comes', await keyOf(far, 'comes'))).toBe(true);
  });
});
