import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { API_VERSION, SECRET_TYPES } from '../../crds/names.ts';
import { tool } from '../setup/tools.ts';
import { CHART } from '../support/kube/chart.ts';
import { ControlPlane } from '../support/kube/control-plane.ts';
import { RawRequests } from '../support/kube/raw-request.ts';
import { output } from '../support/process.ts';
import { TempDir } from '../support/temp-dir.ts';
import { waitFor } from '../support/wait-for.ts';

const RELEASE = 'hw';
/** The chart's own namespace, which has a LiveStream too: what the pods must not read lies beside them. */
const OWN = 'video';
const TENANT = 'team-a';
const RUNTIME = 'video-hw-runtime';
const OPERATOR = `system:serviceaccount:${OWN}:hw-headwater-operator`;
const INGEST = `system:serviceaccount:${OWN}:hw-headwater-ingest`;
const NOBODY = `system:serviceaccount:${OWN}:default`;

let dir: TempDir;
let plane: ControlPlane;

const helm = (...args: string[]): Promise<string> => output(tool('helm'), [...args, '--kubeconfig', plane.kubeconfig]);
const get = async (...args: string[]): Promise<string> => (await plane.kubectl('get', ...args)).trim();
const keyOf = (namespace: string, secret: string, key: string): Promise<string> =>
  get('secret', secret, '-n', namespace, '-o', `jsonpath={.data.${key}}`);

beforeAll(async () => {
  dir = new TempDir('chart-install');
  plane = await ControlPlane.start({ dir: dir.path });
  await plane.kubectl('create', 'namespace', TENANT);
  await helm('install', RELEASE, CHART, '-n', OWN, '--create-namespace', '--set', 'minio.enabled=true');
  for (const namespace of [OWN, TENANT]) {
    await plane.apply(
      JSON.stringify({ apiVersion: API_VERSION, kind: 'LiveStream', metadata: { name: 'cam-1', namespace }, spec: {} }),
    );
  }
});
afterAll(async () => {
  await plane[Symbol.asyncDispose]();
  dir[Symbol.dispose]();
});

describe('rights', () => {
  const can = async (who: string, verb: string, what: string, namespace: string | undefined): Promise<'yes' | 'no'> => {
    const [resource = '', subresource] = what.split('/');
    const where = namespace === undefined ? ['--all-namespaces'] : ['-n', namespace];
    const part = subresource === undefined ? [] : ['--subresource', subresource];
    const answer = plane.kubectl('auth', 'can-i', verb, resource, '--as', who, ...where, ...part);
    // It ends with 1 where it says no.
    return answer.then(
      () => 'yes',
      (error: Error) => (error.message.includes('ended with 1') ? 'no' : Promise.reject(error)),
    );
  };

  it.each<[string, string, string, string | undefined, 'yes' | 'no']>([
    // An ingest pod: StreamConfigs and Leases in the runtime namespace, and nothing else anywhere.
    [INGEST, 'list', 'secrets', RUNTIME, 'yes'],
    [INGEST, 'watch', 'secrets', RUNTIME, 'yes'],
    [INGEST, 'create', 'secrets', RUNTIME, 'no'],
    [INGEST, 'patch', 'secrets', RUNTIME, 'no'],
    [INGEST, 'delete', 'secrets', RUNTIME, 'no'],
    [INGEST, 'create', 'leases', RUNTIME, 'yes'],
    [INGEST, 'update', 'leases', RUNTIME, 'yes'],
    [INGEST, 'patch', 'leases', RUNTIME, 'no'],
    [INGEST, 'list', 'secrets', OWN, 'no'],
    [INGEST, 'get', 'secrets', OWN, 'no'],
    [INGEST, 'get', 'secrets', TENANT, 'no'],
    [INGEST, 'list', 'secrets', undefined, 'no'],
    [INGEST, 'create', 'leases', OWN, 'no'],
    [INGEST, 'get', 'livestreams.headwater.dev', TENANT, 'no'],
    [INGEST, 'list', 'pods', OWN, 'no'],
    [INGEST, 'create', 'events', TENANT, 'no'],
    // The operator: LiveStreams, and what it makes of them.
    [OPERATOR, 'watch', 'livestreams.headwater.dev', undefined, 'yes'],
    [OPERATOR, 'watch', 'recordingpolicies.headwater.dev', undefined, 'yes'],
    [OPERATOR, 'patch', 'livestreams.headwater.dev/status', TENANT, 'yes'],
    [OPERATOR, 'create', 'livestreams.headwater.dev', TENANT, 'no'],
    [OPERATOR, 'delete', 'livestreams.headwater.dev', TENANT, 'no'],
    [OPERATOR, 'create', 'secrets', TENANT, 'yes'],
    [OPERATOR, 'create', 'services', TENANT, 'yes'],
    [OPERATOR, 'create', 'endpointslices.discovery.k8s.io', TENANT, 'yes'],
    [OPERATOR, 'delete', 'secrets', TENANT, 'no'],
    [OPERATOR, 'delete', 'services', TENANT, 'no'],
    [OPERATOR, 'delete', 'endpointslices.discovery.k8s.io', TENANT, 'no'],
    [OPERATOR, 'delete', 'secrets', OWN, 'no'],
    [OPERATOR, 'delete', 'secrets', RUNTIME, 'yes'],
    [OPERATOR, 'delete', 'services', OWN, 'yes'],
    [OPERATOR, 'create', 'events', TENANT, 'yes'],
    [OPERATOR, 'create', 'events.events.k8s.io', TENANT, 'no'],
    [OPERATOR, 'update', 'leases', OWN, 'yes'],
    [OPERATOR, 'patch', 'leases', OWN, 'no'],
    [OPERATOR, 'update', 'leases', TENANT, 'no'],
    [OPERATOR, 'update', 'leases', RUNTIME, 'yes'],
    [OPERATOR, 'list', 'leases', undefined, 'yes'],
    [OPERATOR, 'watch', 'leases', undefined, 'no'],
    [OPERATOR, 'create', 'pods', TENANT, 'no'],
    [OPERATOR, 'get', 'pods', OWN, 'no'],
    [OPERATOR, 'patch', 'statefulsets.apps', OWN, 'no'],
    [OPERATOR, 'create', 'roles.rbac.authorization.k8s.io', TENANT, 'no'],
    [OPERATOR, 'create', 'rolebindings.rbac.authorization.k8s.io', OWN, 'no'],
    [OPERATOR, 'create', 'serviceaccounts', TENANT, 'no'],
    [OPERATOR, 'create', 'serviceaccounts/token', TENANT, 'no'],
    [OPERATOR, 'delete', 'namespaces', undefined, 'no'],
    [OPERATOR, 'escalate', 'clusterroles.rbac.authorization.k8s.io', undefined, 'no'],
    [OPERATOR, 'impersonate', 'users', undefined, 'no'],
    // MinIO runs as nobody in particular.
    [NOBODY, 'list', 'secrets', OWN, 'no'],
    [NOBODY, 'list', 'secrets', RUNTIME, 'no'],
  ])('%s may %s %s in %s: %s', async (who, verb, what, namespace, want) => {
    expect(await can(who, verb, what, namespace)).toBe(want);
  });

  it.each([
    { role: 'view', verb: 'get', what: 'livestreams.headwater.dev', want: 'yes' },
    { role: 'view', verb: 'create', what: 'livestreams.headwater.dev', want: 'no' },
    { role: 'view', verb: 'get', what: 'secrets', want: 'no' },
    { role: 'edit', verb: 'create', what: 'livestreams.headwater.dev', want: 'yes' },
    { role: 'edit', verb: 'patch', what: 'livestreams.headwater.dev/status', want: 'no' },
    { role: 'edit', verb: 'delete', what: 'recordingpolicies.headwater.dev', want: 'yes' },
  ])('who may $role a namespace may $verb $what: $want', async ({ role, verb, what, want }) => {
    await plane
      .kubectl(
        'create',
        'rolebinding',
        `person-${role}`,
        '-n',
        TENANT,
        `--clusterrole=${role}`,
        `--user=person-${role}`,
      )
      .catch(() => {});
    await waitFor(
      'the aggregated rules',
      async () => (await can(`person-${role}`, 'get', 'livestreams.headwater.dev', TENANT)) === 'yes',
    );
    expect(await can(`person-${role}`, verb, what, TENANT)).toBe(want);
  });
});

describe('the admission policy', () => {
  let operator: RawRequests;
  /** What the API server asks of the types that it knows. */
  const data = { 'tls.crt': 'YQ==', 'tls.key': 'YQ==', username: 'YQ==' };
  const secret = (type: string, metadata: object = {}) => ({
    data,
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'made', ...metadata },
    type,
  });
  const make = (namespace: string, body: object, dryRun = '') =>
    operator.send({ method: 'POST', path: `/api/v1/namespaces/${namespace}/secrets${dryRun}`, body });

  beforeAll(async () => {
    const token = (await plane.kubectl('create', 'token', 'hw-headwater-operator', '-n', OWN)).trim();
    operator = await RawRequests.open(plane.kubeconfigFor('operator', token, plane.url));
    // A policy is in force a moment after it was made.
    await waitFor('the policy', async () => (await make(TENANT, secret('Opaque'), '?dryRun=All')).status === 403);
  });
  afterAll(() => operator[Symbol.asyncDispose]());

  it('refuses the operator a Secret with the token of another account', async () => {
    const annotations = { 'kubernetes.io/service-account.name': 'clusterrole-aggregation-controller' };
    const { status, body } = await make('kube-system', secret('kubernetes.io/service-account-token', { annotations }));
    expect(status).toBe(403);
    expect(body.message).toContain(
      'the Headwater operator writes Secrets of its own types alone, and this one is of type kubernetes.io/service-account-token',
    );
  });

  const change = (path: string) =>
    operator.send({
      method: 'PATCH',
      path,
      body: { data: { a: 'YQ==' } },
      contentType: 'application/merge-patch+json',
    });

  it.each(['Opaque', 'kubernetes.io/tls', 'kubernetes.io/basic-auth'])(
    'refuses it a Secret of type %s',
    async (type) => {
      expect((await make(TENANT, secret(type))).status).toBe(403);
    },
  );

  it.each(Object.values(SECRET_TYPES))(
    'lets it make and change a Secret of type %s, and remove it in the runtime namespace alone',
    async (type) => {
      const name = type.replace('headwater.dev/', '');
      const path = `/api/v1/namespaces/${TENANT}/secrets/${name}`;
      expect((await make(TENANT, secret(type, { name }))).status).toBe(201);
      expect((await change(path)).status).toBe(200);
      expect((await operator.send({ method: 'DELETE', path })).status).toBe(403);
      expect((await make(RUNTIME, secret(type, { name }))).status).toBe(201);
      const inRuntime = `/api/v1/namespaces/${RUNTIME}/secrets/${name}`;
      expect((await operator.send({ method: 'DELETE', path: inRuntime })).status).toBe(200);
    },
  );

  it.each([TENANT, RUNTIME])('lets it neither change nor remove a Secret of another type in %s', async (namespace) => {
    await plane.kubectl('create', 'secret', 'generic', 'foreign', '-n', namespace, '--from-literal=a=b');
    const path = `/api/v1/namespaces/${namespace}/secrets/foreign`;
    expect((await change(path)).status).toBe(403);
    expect((await operator.send({ method: 'DELETE', path })).status).toBe(403);
    expect(await keyOf(namespace, 'foreign', 'a')).toBe('Yg==');
  });

  it('leaves everybody else alone', async () => {
    await plane.kubectl('create', 'secret', 'generic', 'of-a-person', '-n', TENANT);
  });
});

describe('a release', () => {
  it('makes what its kinds say, each taken by the API server', async () => {
    expect(await get('statefulset', 'hw-headwater-ingest', '-n', OWN, '-o', 'jsonpath={.spec.replicas}')).toBe('1');
    expect(await get('deployment', 'hw-headwater-operator', '-n', OWN, '-o', 'jsonpath={.spec.replicas}')).toBe('2');
    await waitFor('the pods', async () => (await get('pods', '-n', OWN, '-o', 'name')).split('\n').length === 4);
  });

  it('is upgraded without a change of keys, and rolled back', async () => {
    const keys = () =>
      Promise.all([keyOf(RUNTIME, 'relay-key', 'key'), keyOf(OWN, 'hw-headwater-minio', 'secretAccessKey')]);
    const before = await keys();
    expect(before.every((key) => key.length > 30)).toBe(true);
    await helm('upgrade', RELEASE, CHART, '-n', OWN, '--set', 'minio.enabled=true', '--set', 'streams.idleTimeout=20s');
    expect(await get('configmap', 'hw-headwater-operator', '-n', OWN, '-o', 'yaml')).toContain('idleTimeout: 20s');
    expect(await keys()).toEqual(before);
    await helm('rollback', RELEASE, '1', '-n', OWN);
    expect(await get('configmap', 'hw-headwater-operator', '-n', OWN, '-o', 'yaml')).toContain('idleTimeout: 10s');
    expect(await keys()).toEqual(before);
  });

  it('stands beside a second one, which leaves the CRDs to the first', async () => {
    await expect(helm('install', 'second', CHART, '-n', 'other', '--create-namespace')).rejects.toThrow(
      /CustomResourceDefinition.*cannot be imported into the current release/s,
    );
    await helm('uninstall', 'second', '-n', 'other', '--no-hooks').catch(() => {});
    await helm(
      'install',
      'second',
      CHART,
      '-n',
      'other',
      '--create-namespace',
      '--set',
      'crds.enabled=false',
      '--set',
      'pool.name=second',
    );
    await helm('uninstall', 'second', '-n', 'other', '--no-hooks');
    expect(await get('crd', 'livestreams.headwater.dev', '-o', 'name')).not.toBe('');
  });

  it('leaves CRDs, LiveStreams, its runtime namespace and the volume of its MinIO when it goes, and takes them up again', async () => {
    const [relayKey, minioKey] = [
      await keyOf(RUNTIME, 'relay-key', 'key'),
      await keyOf(OWN, 'hw-headwater-minio', 'secretAccessKey'),
    ];
    // There is no node here that could run the hook.
    await helm('uninstall', RELEASE, '-n', OWN, '--no-hooks');
    expect(await get('lstream', '-A', '-o', 'name')).toBe(
      'livestream.headwater.dev/cam-1\nlivestream.headwater.dev/cam-1',
    );
    expect(await get('pvc', '-n', OWN, '-o', 'name')).toContain('persistentvolumeclaim/hw-headwater-minio');
    await expect(get('statefulset', 'hw-headwater-ingest', '-n', OWN)).rejects.toThrow(/not found/);
    await helm('install', RELEASE, CHART, '-n', OWN, '--set', 'minio.enabled=true');
    expect(await keyOf(RUNTIME, 'relay-key', 'key')).toBe(relayKey);
    expect(await keyOf(OWN, 'hw-headwater-minio', 'secretAccessKey')).toBe(minioKey);
  });
});
