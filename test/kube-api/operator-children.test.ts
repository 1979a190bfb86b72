import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CONFIG_KEY, FIELD_MANAGER } from '../../crds/names.ts';
import { KubeError } from '../../kube/kube-error.ts';
import type { KubeObject } from '../../kube/kube-object.ts';
import { ENDPOINT_SLICES, type Resource, SECRETS, SERVICES } from '../../kube/resource.ts';
import { LIVE_STREAMS } from '../../operator/watch/resources.ts';
import { AAC_48, AVC_720, drawn, header } from '../support/drawn-media.ts';
import type { IngestPod } from '../support/kube/ingest-pod.ts';
import { hasCondition, KubeApiRun } from '../support/kube/kube-api-run.ts';
import type { OperatorReplica } from '../support/kube/operator-replica.ts';
import type { Release } from '../support/kube/release.ts';
import { RtmpPublisher } from '../support/rtmp-client.ts';
import { waitFor } from '../support/wait-for.ts';

const TENANT = 'team-a';
/** Drift is mended within this. */
const MENDED_MS = 2_000;

type Secret = KubeObject & { readonly type?: string; readonly data: Readonly<Record<string, string>> };
type Slice = KubeObject & {
  /** Null where it leads nowhere. */
  readonly endpoints: readonly { readonly addresses: readonly string[] }[] | null;
};

let run: KubeApiRun;
let release: Release;
let operator: OperatorReplica;
let pod: IngestPod;

beforeAll(async () => {
  run = await KubeApiRun.start('children', { addresses: 1, audit: true });
  await run.plane.kubectl('create', 'namespace', TENANT);
  release = await run.install();
  operator = await (await release.operator()).waitUntilReady();
  pod = await release.ingest(0, run.addresses[0]!);
});
afterAll(async () => {
  await pod?.[Symbol.asyncDispose]();
  await operator?.[Symbol.asyncDispose]();
  await run[Symbol.asyncDispose]();
});

async function find<T extends KubeObject>(resource: Resource, namespace: string, name: string): Promise<T | undefined> {
  try {
    return await run.client.get<T>(resource, { namespace, name });
  } catch (error) {
    if (KubeError.is(error, 'ERR_KUBE_NOT_FOUND')) return undefined;
    throw error;
  }
}

const text = (secret: Secret | undefined, key: string): string =>
  Buffer.from(secret?.data[key] ?? '', 'base64').toString('utf8');

async function ready(name: string, spec: object = {}): Promise<{ readonly uid: string; readonly secret: Secret }> {
  const made = await run.createStream(TENANT, name, spec);
  await waitFor(`${name} to be ready`, async () => hasCondition(await run.stream(TENANT, name), 'Ready'));
  return { uid: made.metadata.uid!, secret: (await find<Secret>(SECRETS, TENANT, `${name}-ingest`))! };
}

/** Publishes until it is closed. */
async function publish(name: string, secret: Secret): Promise<RtmpPublisher> {
  const key = text(secret, 'rtmpKey');
  const publisher = await RtmpPublisher.connect(`${pod.rtmp(`${TENANT}/${name}`)}?key=${key}`);
  await publisher.publish();
  for (const tag of [header(AVC_720), header(AAC_48), ...drawn('KpapKpap')]) {
    await publisher.send(tag.type, tag.timestamp, tag.body);
  }
  return publisher;
}

/** A stream with all four children. */
async function published(name: string) {
  const stream = await ready(name);
  const publisher = await publish(name, stream.secret);
  await waitFor(`the EndpointSlice of ${name}`, () => find(ENDPOINT_SLICES, TENANT, name));
  publisher.destroy();
  return stream;
}

interface Child {
  readonly what: string;
  readonly resource: Resource;
  readonly place: (name: string, uid: string) => readonly [namespace: string, name: string];
  /** What another's hand does to it. */
  readonly edit: object;
}

const base64 = (value: string): string => Buffer.from(value).toString('base64');

const CHILDREN: readonly Child[] = [
  {
    what: 'the Secret of the people who publish',
    resource: SECRETS,
    place: (name) => [TENANT, `${name}-ingest`],
    edit: { data: { rtmpKey: base64('stolen'), previousRtmpKey: base64('x') } },
  },
  {
    what: 'what the pods obey',
    resource: SECRETS,
    place: (_, uid) => [release.runtimeNamespace, `s-${uid}`],
    edit: { data: { [CONFIG_KEY]: base64('{}') } },
  },
  {
    what: 'the Service',
    resource: SERVICES,
    place: (name) => [TENANT, name],
    edit: { metadata: { labels: { 'headwater.dev/pool': null, 'headwater.dev/uid': 'none' } } },
  },
  {
    what: 'the EndpointSlice',
    resource: ENDPOINT_SLICES,
    place: (name) => [TENANT, name],
    edit: { endpoints: [{ addresses: ['10.9.9.9'], conditions: { ready: true } }] },
  },
];

/** All of an object that the operator has a say in. */
function essence(object: KubeObject): unknown {
  const { labels, annotations, ownerReferences } = object.metadata;
  const { data, spec, endpoints, ports, addressType } = object as unknown as Record<string, unknown>;
  return { labels, annotations, ownerReferences, data, spec, endpoints, ports, addressType };
}

describe('what a LiveStream becomes', () => {
  it('has keys and URLs for the people who publish, and a configuration for the pods', async () => {
    const { uid, secret } = await ready('cam-1');
    expect(secret.type).toBe('headwater.dev/ingest');
    expect(Object.keys(secret.data).sort()).toEqual([
      ...['previousRtmpKey', 'previousSrtPassphrase', 'rtmpKey', 'rtmpUrl', 'srtPassphrase', 'srtUrl'],
    ]);
    const key = text(secret, 'rtmpKey');
    expect(key).toMatch(/^[\w-]{32}$/);
    expect(text(secret, 'rtmpUrl')).toBe(`rtmp://hw-headwater-rtmp.video.svc:1935/${TENANT}/cam-1?key=${key}`);
    const config = await find<Secret>(SECRETS, release.runtimeNamespace, `s-${uid}`);
    expect(config).toMatchObject({
      type: 'headwater.dev/stream-config',
      metadata: {
        labels: { 'headwater.dev/pool': 'default', 'headwater.dev/uid': uid },
        annotations: { 'headwater.dev/stream': `${TENANT}/cam-1` },
      },
    });
    expect(JSON.parse(text(config, CONFIG_KEY))).toMatchObject({
      path: `${TENANT}/cam-1`,
      credentials: { rtmpKey: key },
    });
  });

  it('is found inside of the cluster at its owner, from the first publication on', async () => {
    const { secret } = await ready('cam-2');
    expect(await find(SERVICES, TENANT, 'cam-2')).toBeUndefined();
    const publisher = await publish('cam-2', secret);
    const slice = await waitFor('its EndpointSlice', () => find<Slice>(ENDPOINT_SLICES, TENANT, 'cam-2'));
    expect(slice).toMatchObject({
      metadata: { labels: { 'kubernetes.io/service-name': 'cam-2' } },
      endpoints: [{ addresses: [pod.address], conditions: { ready: true, serving: true, terminating: false } }],
    });
    expect(await find(SERVICES, TENANT, 'cam-2')).toMatchObject({ spec: { clusterIP: 'None' } });
    await waitFor('its status', async () => {
      const { status } = await run.stream(TENANT, 'cam-2');
      return (
        status?.phase === 'Live' && status.publisher?.pod === pod.name && status.publisher.video?.includes('1280x720')
      );
    });
    publisher.destroy();
    await waitFor('its end', async () => hasCondition(await run.stream(TENANT, 'cam-2'), 'Live', 'False'));
  });

  it.each(CHILDREN)(
    '$what is made again with the same values when it is deleted',
    async ({ resource, place, what }) => {
      const name = `gone-${CHILDREN.findIndex((child) => child.what === what)}`;
      const { uid } = await published(name);
      const [namespace, childName] = place(name, uid);
      const before = (await find(resource, namespace, childName))!;
      const began = performance.now();
      await run.client.remove(resource, { namespace, name: childName }, before.metadata.uid);
      const after = await waitFor(what, async () => {
        const found = await find(resource, namespace, childName);
        return found?.metadata.uid !== before.metadata.uid && found;
      });
      expect(performance.now() - began).toBeLessThan(MENDED_MS);
      expect(essence(after)).toEqual(essence(before));
    },
  );

  it.each(CHILDREN)('$what is put right when another edits it, and what is the other’s stays', async (child) => {
    const name = `edited-${CHILDREN.indexOf(child)}`;
    const { uid } = await published(name);
    const [namespace, childName] = child.place(name, uid);
    const before = (await find(child.resource, namespace, childName))!;
    const foreign = { metadata: { labels: { team: 'a' }, annotations: { 'example.com/note': 'mine' } } };
    await run.client.merge(child.resource, { namespace, name: childName }, foreign);
    const began = performance.now();
    await run.client.merge(child.resource, { namespace, name: childName }, child.edit);
    const want = essence(before) as { labels: object; annotations?: object };
    const expected = {
      ...want,
      labels: { ...want.labels, ...foreign.metadata.labels },
      annotations: { ...want.annotations, ...foreign.metadata.annotations },
    };
    await waitFor(child.what, async () => {
      const now = essence((await find(child.resource, namespace, childName))!);
      return JSON.stringify(sorted(now)) === JSON.stringify(sorted(expected));
    }).catch(async () => {
      expect(essence((await find(child.resource, namespace, childName))!)).toEqual(expected);
    });
    expect(performance.now() - began).toBeLessThan(MENDED_MS);
  });

  it('is gone with it: what lies beside it by the garbage collector, what lies elsewhere by the operator', async () => {
    const { uid } = await published('short-lived');
    await run.plane.kubectl('-n', TENANT, 'delete', 'lstream', 'short-lived', '--timeout=20s');
    for (const { what, resource, place } of CHILDREN) {
      await waitFor(
        `the end of ${what}`,
        async () => (await find(resource, ...place('short-lived', uid))) === undefined,
      );
    }
  });
});

describe('while no operator is there', () => {
  it('keys that are lost or edited come back the same when there is one again', async () => {
    const names = ['away-config', 'away-publish', 'away-edited'];
    const streams = new Map<string, Awaited<ReturnType<typeof ready>>>();
    for (const name of names) streams.set(name, await ready(name));
    await operator.stop();
    const remove = (namespace: string, name: string) => run.client.remove(SECRETS, { namespace, name }, undefined);
    const configOf = (name: string) => `s-${streams.get(name)!.uid}`;
    await remove(release.runtimeNamespace, configOf('away-config'));
    await remove(TENANT, 'away-publish-ingest');
    const edited = JSON.parse(text(await find(SECRETS, release.runtimeNamespace, configOf('away-edited')), CONFIG_KEY));
    edited.credentials.rtmpKey = 'another-key';
    await run.client.merge(
      SECRETS,
      { namespace: release.runtimeNamespace, name: configOf('away-edited') },
      { data: { [CONFIG_KEY]: base64(JSON.stringify(edited)) } },
    );
    operator = await (await release.operator()).waitUntilReady();
    for (const name of names) {
      const key = text(streams.get(name)!.secret, 'rtmpKey');
      await waitFor(`the keys of ${name}`, async () => {
        const config = text(await find(SECRETS, release.runtimeNamespace, configOf(name)), CONFIG_KEY);
        const shown = text(await find(SECRETS, TENANT, `${name}-ingest`), 'rtmpKey');
        return config !== '' && JSON.parse(config).credentials.rtmpKey === key && shown === key;
      });
    }
  });

  it('a second run over unchanged objects writes nothing', async () => {
    const isWrite = (verb: string) => ['create', 'update', 'patch', 'delete'].includes(verb);
    const user = `system:serviceaccount:${release.namespace}:${release.accountOf('operator')}`;
    const writes = async () =>
      (await run.plane.audit()).filter(
        ({ verb, user: who, objectRef }) => who.username === user && isWrite(verb) && objectRef?.resource !== 'leases',
      );
    await waitFor('all that is due to be written', async () => {
      const count = (await writes()).length;
      await delay(2_000);
      return (await writes()).length === count;
    });
    await operator.stop();
    const before = (await writes()).length;
    operator = await (await release.operator()).waitUntilReady();
    await waitFor('it to lead', async () => (await operator.metric('headwater_operator_leading')) === 1);
    await delay(5_000);
    expect((await writes()).slice(before).map(({ verb, requestURI }) => `${verb} ${requestURI}`)).toEqual([]);
  });
});

describe('names that are another’s', () => {
  const foreignSecret = (name: string) => ({
    apiVersion: 'v1',
    kind: 'Secret',
    type: 'Opaque',
    metadata: { namespace: TENANT, name: `${name}-ingest` },
    data: { rtmpKey: base64('theirs') },
  });

  it('a Secret: nothing is adopted, the LiveStream says so, and goes on when the name is free', async () => {
    await run.client.create(SECRETS, foreignSecret('taken-1'));
    const before = await find<Secret>(SECRETS, TENANT, 'taken-1-ingest');
    const { metadata } = await run.createStream(TENANT, 'taken-1');
    const { status } = await waitFor('the refusal', async () => {
      const stream = await run.stream(TENANT, 'taken-1');
      return hasCondition(stream, 'Accepted', 'False') && stream;
    });
    expect(status?.conditions).toContainEqual(
      expect.objectContaining({
        type: 'Accepted',
        reason: 'NameTaken',
        message: expect.stringContaining('Secret taken-1-ingest already exists'),
      }),
    );
    expect(await find(SECRETS, TENANT, 'taken-1-ingest')).toEqual(before);
    expect(await find(SECRETS, release.runtimeNamespace, `s-${metadata.uid}`)).toBeUndefined();
    await run.client.remove(SECRETS, { namespace: TENANT, name: 'taken-1-ingest' }, undefined);
    await waitFor('it to be ready', async () => hasCondition(await run.stream(TENANT, 'taken-1'), 'Ready'));
  });

  it.each([
    {
      resource: SERVICES,
      name: 'taken-2',
      object: { apiVersion: 'v1', kind: 'Service', spec: { clusterIP: 'None', ports: [{ name: 'web', port: 80 }] } },
    },
    {
      resource: ENDPOINT_SLICES,
      name: 'taken-3',
      object: { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', addressType: 'IPv4', endpoints: [] },
    },
    {
      // With the pool's label the operator sees it; that makes it no more its own.
      resource: SERVICES,
      name: 'taken-4',
      labels: { 'headwater.dev/pool': 'default', 'app.kubernetes.io/managed-by': 'headwater-operator' },
      object: { apiVersion: 'v1', kind: 'Service', spec: { clusterIP: 'None', ports: [{ name: 'web', port: 80 }] } },
    },
  ])(
    'a $resource.kind: $name stays as it is, and who publishes stays live',
    async ({ resource, name, object, labels }) => {
      const metadata = { namespace: TENANT, name, ...(labels && { labels }) };
      await run.client.create(resource, { ...object, metadata } as KubeObject);
      const before = await find(resource, TENANT, name);
      const { secret } = await ready(name);
      const publisher = await publish(name, secret);
      const stream = await waitFor('the refusal', async () => {
        const found = await run.stream(TENANT, name);
        return hasCondition(found, 'Accepted', 'False') && found;
      });
      expect(stream.status?.conditions).toContainEqual(
        expect.objectContaining({ type: 'Accepted', reason: 'NameTaken' }),
      );
      const after = await find(resource, TENANT, name);
      expect(after).toEqual(before);
      expect(after?.metadata.managedFields?.some(({ manager }) => manager === FIELD_MANAGER)).toBe(false);
      expect(hasCondition(stream, 'Live')).toBe(true);
      publisher.destroy();
    },
  );

  it('that are free again are taken, though nobody publishes any more', async () => {
    const taken = [
      { resource: SERVICES, name: 'taken-2' },
      { resource: ENDPOINT_SLICES, name: 'taken-3' },
      { resource: SERVICES, name: 'taken-4' },
    ];
    for (const { resource, name } of taken) await run.client.remove(resource, { namespace: TENANT, name }, undefined);
    for (const { name } of taken) {
      // Others' objects are looked at each half minute.
      const isReady = async () => hasCondition(await run.stream(TENANT, name), 'Ready');
      await waitFor(`${name} to be ready`, isReady, { timeoutMs: 40_000 });
      expect(await find<Slice>(ENDPOINT_SLICES, TENANT, name)).toMatchObject({
        endpoints: [{ addresses: [pod.address] }],
      });
    }
  });

  it('a LiveStream made again under the same name gets keys of its own', async () => {
    const { secret, uid } = await ready('again');
    await run.client.remove(LIVE_STREAMS, { namespace: TENANT, name: 'again' }, uid);
    const second = await ready('again');
    expect(second.uid).not.toBe(uid);
    expect(text(second.secret, 'rtmpKey')).not.toBe(text(secret, 'rtmpKey'));
  });
});

describe('when the pod is gone', () => {
  it('the EndpointSlice leads nowhere, is written once, and leads to the next pod', async () => {
    await published('left');
    const left = () => find<Slice>(ENDPOINT_SLICES, TENANT, 'left');
    const writes = async () =>
      (await run.plane.audit()).filter(
        ({ verb, objectRef }) =>
          verb === 'patch' && objectRef?.resource === 'endpointslices' && objectRef.name === 'left',
      );
    await pod.stop();
    await delay(5_000);
    expect((await left())?.endpoints).toHaveLength(1);
    const isEmpty = async () => (await left())?.endpoints?.length !== 1;
    await waitFor('it to be empty', isEmpty, { timeoutMs: 40_000 });
    const before = (await writes()).length;
    await run.client.merge(LIVE_STREAMS, { namespace: TENANT, name: 'left' }, { spec: { suspend: true } });
    await waitFor('another look at it', async () => (await run.stream(TENANT, 'left')).status?.phase === 'Suspended');
    expect((await writes()).length).toBe(before);
    pod = await release.ingest(0, run.addresses[0]!);
    const leads = async () => (await left())?.endpoints?.[0]?.addresses[0] === pod.address;
    await waitFor('it to lead to the pod', leads);
  });
});

/** With keys in order, all the way down. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, each]) => each !== undefined);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, each]) => [key, sorted(each)]));
}
