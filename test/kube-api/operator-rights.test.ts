import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KubeError } from '../../kube/kube-error.ts';
import { ENDPOINT_SLICES, SECRETS } from '../../kube/resource.ts';
import { LIVE_STREAMS } from '../../operator/watch/resources.ts';
import type { IngestPod } from '../support/kube/ingest-pod.ts';
import { hasCondition, KubeApiRun } from '../support/kube/kube-api-run.ts';
import { LivePublisher } from '../support/kube/live-publisher.ts';
import type { OperatorReplica } from '../support/kube/operator-replica.ts';
import { RawRequests } from '../support/kube/raw-request.ts';
import type { Release } from '../support/kube/release.ts';
import { waitFor } from '../support/wait-for.ts';

/** The chart's own namespace, which has a LiveStream too. */
const SHARED = 'video';
const TENANT = 'team-a';
const UNWATCHED = 'team-b';

let run: KubeApiRun;
let release: Release;
let operator: OperatorReplica;
let pod: IngestPod;

beforeAll(async () => {
  run = await KubeApiRun.start('rights', { addresses: 1, audit: true });
  for (const namespace of [TENANT, UNWATCHED]) await run.plane.kubectl('create', 'namespace', namespace);
  // Roles in two namespaces, and no ClusterRole: the least that an operator can have.
  release = await run.install({ namespace: SHARED, set: [`watchNamespaces={${SHARED},${TENANT}}`] });
  operator = await (await release.operator()).waitUntilReady();
  pod = await release.ingest(0, run.addresses[0]!);
});
afterAll(async () => {
  await pod?.[Symbol.asyncDispose]();
  await operator?.[Symbol.asyncDispose]();
  await run[Symbol.asyncDispose]();
});

const ready = async (namespace: string, name: string): Promise<string> => {
  await run.createStream(namespace, name);
  await waitFor(`${name} to be ready`, async () => hasCondition(await run.stream(namespace, name), 'Ready'));
  const { data } = await run.client.get<{ data: Record<string, string> } & never>(SECRETS, {
    namespace,
    name: `${name}-ingest`,
  });
  return Buffer.from((data as Record<string, string>).rtmpKey!, 'base64').toString();
};

const rawAs = async (component: 'operator' | 'ingest') => {
  const token = await release.tokenOf(component);
  return RawRequests.open(run.plane.kubeconfigFor(`raw-${component}`, token, run.plane.url));
};

describe('with rights in two namespaces only', () => {
  it('a LiveStream goes through its whole life, and nobody asks for what it may not have', async () => {
    const key = await ready(TENANT, 'cam-1');
    await ready(SHARED, 'cam-1');
    const live = await LivePublisher.start(`${pod.rtmp(`${TENANT}/cam-1`)}?key=${key}`);
    await waitFor('its EndpointSlice', () =>
      run.client.get(ENDPOINT_SLICES, { namespace: TENANT, name: 'cam-1' }).catch(() => undefined),
    );
    const rotation = { spec: { credentials: { rotation: { generation: 1, overlap: '500ms' } } } };
    await run.client.merge(LIVE_STREAMS, { namespace: TENANT, name: 'cam-1' }, rotation);
    await waitFor('the end of its overlap', async () => {
      const { status } = await run.stream(TENANT, 'cam-1');
      return status?.credentials?.revision === 2 && status.credentials.previousExpiresAt === undefined;
    });
    await run.plane.kubectl('-n', TENANT, 'delete', 'lstream', 'cam-1', '--timeout=20s');
    await waitFor('the publisher to be closed', () => !live.isLive);
    await live[Symbol.asyncDispose]();
    const refused = (await run.plane.audit())
      .filter(({ responseStatus }) => responseStatus?.code === 403)
      .map(({ user, verb, requestURI }) => `${user.username} ${verb} ${requestURI.split('?')[0]}`);
    // Claims of other releases are looked for in the whole cluster; without the right to, there is one line in the log.
    const expected = `system:serviceaccount:${SHARED}:${release.accountOf('operator')} list /apis/coordination.k8s.io/v1/leases`;
    expect([...new Set(refused)]).toEqual([expected]);
  });

  it('a LiveStream in a namespace that is not watched is left alone', async () => {
    await run.createStream(UNWATCHED, 'cam-1');
    await delay(1500);
    expect((await run.stream(UNWATCHED, 'cam-1')).status).toBeUndefined();
  });
});

describe("a pod's token", () => {
  it('lists the Secrets of the runtime namespace, and no other, not even of the namespace that it runs in', async () => {
    await using raw = await rawAs('ingest');
    const list = async (path: string) => (await raw.send({ path })).status;
    expect(await list(`/api/v1/namespaces/${release.runtimeNamespace}/secrets`)).toBe(200);
    for (const namespace of [SHARED, TENANT, UNWATCHED, 'kube-system', 'default']) {
      expect(await list(`/api/v1/namespaces/${namespace}/secrets`)).toBe(403);
      expect(await list(`/api/v1/namespaces/${namespace}/secrets?watch=true`)).toBe(403);
    }
    expect(await list('/api/v1/secrets')).toBe(403);
    expect(await list(`/api/v1/namespaces/${SHARED}/secrets/cam-1-ingest`)).toBe(403);
    const { body } = await raw.send({ path: `/api/v1/namespaces/${release.runtimeNamespace}/secrets` });
    const types = new Set((body.items as { type: string }[]).map(({ type }) => type));
    expect([...types].sort()).toEqual(['Opaque', 'headwater.dev/stream-config']);
  });
});

describe("the operator's token", () => {
  it('is refused a Secret with the token of another account, wherever it may make Secrets', async () => {
    await using raw = await rawAs('operator');
    for (const namespace of [SHARED, TENANT, release.runtimeNamespace]) {
      const { status, body } = await raw.send({
        method: 'POST',
        path: `/api/v1/namespaces/${namespace}/secrets`,
        body: {
          apiVersion: 'v1',
          kind: 'Secret',
          type: 'kubernetes.io/service-account-token',
          metadata: { name: 'stolen', annotations: { 'kubernetes.io/service-account.name': 'default' } },
        },
      });
      expect(status).toBe(403);
      expect(body.message).toContain('the Headwater operator writes Secrets of its own types alone');
    }
  });

  it('reads nothing of a namespace that it does not watch', async () => {
    await using raw = await rawAs('operator');
    for (const path of ['secrets', 'services']) {
      expect((await raw.send({ path: `/api/v1/namespaces/${UNWATCHED}/${path}` })).status).toBe(403);
    }
    await expect(run.client.get(SECRETS, { namespace: UNWATCHED, name: 'cam-1-ingest' })).rejects.toSatisfy((error) =>
      KubeError.is(error, 'ERR_KUBE_NOT_FOUND'),
    );
  });
});
