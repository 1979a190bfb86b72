import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CounterName, Meter } from '../../ingest/runtime/meter.ts';
import { Applier } from '../../kube/apply.ts';
import { findAccess, KubeClient } from '../../kube/client.ts';
import { EventRecorder } from '../../kube/event-recorder.ts';
import type { KubeObject } from '../../kube/kube-object.ts';
import { LeaderElector } from '../../kube/leader-elector.ts';
import { microTime, readLease, writeLease } from '../../kube/lease.ts';
import { Reflector } from '../../kube/reflector.ts';
import { ENDPOINT_SLICES, type Resource, SECRETS, SERVICES } from '../../kube/resource.ts';
import { ControlPlane } from '../support/kube/control-plane.ts';
import { NO_LOG } from '../support/kube/test-log.ts';
import { TempDir } from '../support/temp-dir.ts';
import { waitFor } from '../support/wait-for.ts';

const MANAGER = 'headwater-test';

let dir: TempDir;
let plane: ControlPlane;
let client: KubeClient;
const counts = new Map<string, number>();
const meter: Meter = {
  count: (name: CounterName, label, by = 1) => {
    counts.set(name, (counts.get(name) ?? 0) + by);
    if (label) counts.set(`${name} ${label}`, (counts.get(`${name} ${label}`) ?? 0) + by);
  },
  observe() {},
  gauge() {},
};
const requests = (): number => counts.get('headwater_kube_requests_total') ?? 0;

beforeAll(async () => {
  dir = new TempDir('kube');
  plane = await ControlPlane.start({ dir: dir.path });
  client = new KubeClient({ access: await findAccess(plane.kubeconfig), meter });
});
afterAll(async () => {
  await client[Symbol.asyncDispose]();
  await plane[Symbol.asyncDispose]();
  dir[Symbol.dispose]();
});

/** A reflector of the default namespace that runs for one test. */
async function reflect<T extends KubeObject>(resource: Resource, extra: object = {}) {
  const ended = new AbortController();
  const changes: string[] = [];
  const reflector = new Reflector<T>({
    client,
    resource,
    namespace: 'default',
    manager: MANAGER,
    log: NO_LOG,
    onChange: (key, now) => changes.push(`${now ? 'set' : 'gone'} ${key}`),
    ...extra,
  });
  const running = reflector.run(ended.signal);
  await reflector.synced;
  return {
    reflector,
    changes,
    [Symbol.asyncDispose]: async () => {
      ended.abort();
      await running;
    },
  };
}

const named = (name: string, rest: object) => ({ metadata: { name, namespace: 'default', ...rest } });

const service: KubeObject & { readonly spec: object } = {
  apiVersion: 'v1',
  kind: 'Service',
  ...named('cam-1', { labels: { app: 'cam' } }),
  spec: {
    clusterIP: 'None',
    ports: [
      { name: 'rtmp', port: 1935 },
      { name: 'http', port: 8080, protocol: 'TCP' },
    ],
  },
};
const slice: KubeObject & { readonly endpoints: object } & object = {
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  ...named('cam-1', { labels: { 'kubernetes.io/service-name': 'cam-1' } }),
  ...{ addressType: 'IPv4', ports: [{ name: 'rtmp', port: 1935, protocol: 'TCP' }] },
  endpoints: [{ addresses: ['10.1.2.3'], conditions: { ready: true } }],
};
const secret: KubeObject & { readonly data: object } & object = {
  apiVersion: 'v1',
  kind: 'Secret',
  ...named('cam-1', { annotations: { revision: '1' } }),
  ...{ type: 'Opaque' },
  data: { key: 'YWJj', other: 'ZGVm' },
};

describe('server-side apply', () => {
  it.each([
    { resource: SERVICES, object: service, edit: '{"spec":{"ports":[{"name":"rtmp","port":1936}]}}' },
    { resource: ENDPOINT_SLICES, object: slice, edit: '{"endpoints":[{"addresses":["10.9.9.9"]}]}' },
    { resource: SECRETS, object: secret, edit: '{"data":{"key":"eHh4"}}' },
  ])('$resource.kind: writes once, then only after an edit', async ({ resource, object, edit }) => {
    const applier = new Applier(client, MANAGER);
    await using watched = await reflect(resource);
    const { reflector } = watched;
    expect((await applier.apply(resource, object, reflector)).wrote).toBe(true);
    // The answer is in the cache before the watch tells of it.
    const before = requests();
    expect((await applier.apply(resource, object, reflector)).wrote).toBe(false);
    await waitFor('the watch', () => watched.changes.length > 0);
    expect((await applier.apply(resource, object, reflector)).wrote).toBe(false);
    expect(requests()).toBe(before);

    // Others may add what is theirs.
    const version = () => reflector.objects.get('default/cam-1')!.metadata.resourceVersion;
    const seen = version();
    await plane.kubectl('label', resource.plural, 'cam-1', 'theirs=yes');
    await waitFor('the label', () => version() !== seen);
    expect(applier.isNeeded(object, reflector.objects.get('default/cam-1'))).toBe(false);

    const labelled = version();
    await plane.kubectl('patch', resource.plural, 'cam-1', '--type=merge', '-p', edit);
    await waitFor('the edit', () => version() !== labelled);
    expect((await applier.apply(resource, object, reflector)).wrote).toBe(true);
    const after = reflector.objects.get('default/cam-1')!;
    expect(after).toMatchObject({ metadata: { labels: { theirs: 'yes' } } });
    expect(applier.isNeeded(object, after)).toBe(false);
  });

  it('takes away what is no longer asked for', async () => {
    const applier = new Applier(client, MANAGER);
    await using watched = await reflect<typeof secret>(SECRETS);
    const { data: _, ...rest } = secret;
    const less = { ...rest, data: { key: 'YWJj' } };
    expect((await applier.apply(SECRETS, less, watched.reflector)).wrote).toBe(true);
    expect(await plane.kubectl('get', 'secret', 'cam-1', '-o', 'jsonpath={.data}')).toBe('{"key":"YWJj"}');
    expect((await applier.apply(SECRETS, less, watched.reflector)).wrote).toBe(false);
  });

  it('sees an edit of data in a copy that has metadata only', async () => {
    const applier = new Applier(client, MANAGER);
    await using watched = await reflect<typeof secret>(SECRETS, { metadataOnly: true });
    const { reflector } = watched;
    await applier.apply(SECRETS, secret, reflector);
    const copy = () => reflector.objects.get('default/cam-1')!;
    expect(copy()).toMatchObject({ kind: 'PartialObjectMetadata' });
    expect(copy()).not.toHaveProperty('data');
    expect(applier.isNeeded(secret, copy())).toBe(false);
    const seen = copy().metadata.resourceVersion;
    await plane.kubectl('patch', 'secret', 'cam-1', '--type=merge', '-p', '{"data":{"key":"eHh4"}}');
    await waitFor('the edit', () => copy().metadata.resourceVersion !== seen);
    expect(copy()).not.toHaveProperty('data');
    expect((await applier.apply(SECRETS, secret, reflector)).wrote).toBe(true);
    expect((await applier.apply(SECRETS, secret, reflector)).wrote).toBe(false);
  });

  it('writes only over the very object that was meant', async () => {
    const applier = new Applier(client, MANAGER);
    const nothing = { objects: new Map(), assume() {} };
    const other = { ...secret, ...named('made-anew', {}) };
    const uid = '00000000-0000-4000-8000-000000000000';
    await expect(applier.apply(SECRETS, other, nothing, { uid })).rejects.toMatchObject({ code: 'ERR_KUBE_CONFLICT' });
    await expect(applier.apply(SECRETS, secret, nothing, { uid })).rejects.toMatchObject({ code: 'ERR_KUBE_CONFLICT' });
  });
});

describe('reflector', () => {
  it('lists in pages, follows, and has the same after the API server was killed', async () => {
    const made = Array.from({ length: 1203 }, (_, index) => `many-${index}`);
    await Promise.all(
      made.map((name) => client.create(SECRETS, { apiVersion: 'v1', kind: 'Secret', ...named(name, {}) })),
    );
    await using watched = await reflect(SECRETS, { metadataOnly: true });
    const { reflector } = watched;
    const isMine = (key: string) => key.startsWith('default/many-');
    expect([...reflector.objects.keys()].filter(isMine)).toHaveLength(made.length);
    await plane.killApiServer();
    await plane.startApiServer();
    await client.remove(SECRETS, { namespace: 'default', name: 'many-7' }, undefined);
    await waitFor('the deletion', () => !reflector.objects.has('default/many-7'), { timeoutMs: 5000 });
  });

  it('uses few connections', () => {
    expect(requests()).toBeGreaterThan(1200);
    // Half of them are of the API server's second life.
    expect(counts.get('headwater_kube_connections_total')).toBeLessThanOrEqual(48);
  });
});

describe('Lease', () => {
  it('is written as the API server wants it, and only over the version that was read', async () => {
    const content = {
      namespace: 'default',
      name: 'pod-x',
      spec: { holderIdentity: 'x', renewTime: microTime(Date.now()) },
    };
    const first = await writeLease(client, content);
    await expect(writeLease(client, content)).rejects.toMatchObject({ code: 'ERR_KUBE_CONFLICT' });
    const over = first.metadata.resourceVersion;
    const second = await writeLease(client, { ...content, annotations: { a: 'b' } }, { over });
    expect(second.metadata.annotations).toEqual({ a: 'b' });
    await expect(writeLease(client, content, { over })).rejects.toMatchObject({ code: 'ERR_KUBE_CONFLICT' });
    expect((await readLease(client, 'default', 'pod-x'))?.spec.holderIdentity).toBe('x');
    expect(await readLease(client, 'default', 'none')).toBeUndefined();
  });

  it('elects one leader, and the next one at once when it stops', async () => {
    const elector = (identity: string) =>
      new LeaderElector({ client, namespace: 'default', name: 'leader', identity, log: NO_LOG });
    const [first, second] = [elector('a'), elector('b')];
    const stopFirst = new AbortController();
    const stopSecond = new AbortController();
    const until = (signal: AbortSignal) => new Promise<void>((end) => signal.addEventListener('abort', () => end()));
    const one = first.run(stopFirst.signal, until);
    await waitFor('the first to lead', () => first.isLeading);
    const two = second.run(stopSecond.signal, until);
    await waitFor('the second to know', () => second.leader === 'a');
    const began = performance.now();
    stopFirst.abort();
    await waitFor('the second to lead', () => second.isLeading);
    expect(performance.now() - began).toBeLessThan(3000);
    stopSecond.abort();
    await Promise.all([one, two]);
    expect((await readLease(client, 'default', 'leader'))?.spec.holderIdentity).toBe('');
  });
});

describe('EventRecorder', () => {
  it('makes one Event of what comes again', async () => {
    const about = await client.get<KubeObject>(SECRETS, { namespace: 'default', name: 'cam-1' });
    const recorder = new EventRecorder(client, 'headwater-operator', 'test', NO_LOG);
    const note = (message: string) =>
      recorder.record({ ...about, kind: 'Secret' }, { type: 'Warning', reason: 'Tried', message });
    note('first');
    const events = async () =>
      JSON.parse(await plane.kubectl('get', 'events', '-o', 'json', '--field-selector', 'reason=Tried')).items;
    await waitFor('the Event', async () => (await events()).length === 1);
    note('second');
    await waitFor('the count', async () => (await events())[0].count === 2);
    expect(await events()).toMatchObject([{ message: 'second', involvedObject: { name: 'cam-1' }, count: 2 }]);
  });
});
