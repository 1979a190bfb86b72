import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { PORTS, SECRET_TYPES } from '../../crds/names.ts';
import { POOL_DEFAULTS } from '../../crds/pool-defaults.ts';
import { loadConfig } from '../../ingest/config/load.ts';
import { loadOperatorConfig } from '../../operator/config/load.ts';
import { CHART_VALUES } from '../../scripts/chart-values.ts';
import { metricsDocument } from '../../scripts/docs-metrics.ts';
import { tool } from '../setup/tools.ts';
import { CHART, type Manifest, manifestOf, renderChart } from '../support/kube/chart.ts';
import { output } from '../support/process.ts';
import { TempDir } from '../support/temp-dir.ts';

/** Every API that the chart uses, and the Kubernetes minor that has it, for ever since. What is not here fails the test. */
const APIS: Readonly<Record<string, number>> = {
  'v1 ConfigMap': 0,
  'v1 Namespace': 0,
  'v1 PersistentVolumeClaim': 0,
  'v1 Secret': 0,
  'v1 Service': 0,
  'v1 ServiceAccount': 0,
  'admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy': 30,
  'admissionregistration.k8s.io/v1 ValidatingAdmissionPolicyBinding': 30,
  'apiextensions.k8s.io/v1 CustomResourceDefinition': 16,
  'apps/v1 Deployment': 9,
  'apps/v1 StatefulSet': 9,
  'batch/v1 Job': 21,
  'networking.k8s.io/v1 NetworkPolicy': 7,
  'policy/v1 PodDisruptionBudget': 21,
  'rbac.authorization.k8s.io/v1 ClusterRole': 8,
  'rbac.authorization.k8s.io/v1 ClusterRoleBinding': 8,
  'rbac.authorization.k8s.io/v1 Role': 8,
  'rbac.authorization.k8s.io/v1 RoleBinding': 8,
  // Of the Prometheus operator, on request only.
  'monitoring.coreos.com/v1 PodMonitor': 0,
  'monitoring.coreos.com/v1 PrometheusRule': 0,
};

const EVERYTHING = [
  'minio.enabled=true',
  'podMonitor.enabled=true',
  'prometheusRule.enabled=true',
  'grafanaDashboard.enabled=true',
  'tls.secretName=tls',
  'ingest.apiTokenSecret=api',
  'srt.dedicatedPorts.enabled=true',
  'watchNamespaces={team-a,team-b}',
  'ingest.publicHost=video.example.com',
  'ingest.publicPorts.rtmp=31935',
  'ingest.service.tcp.type=LoadBalancer',
  'ingest.service.udp.type=NodePort',
];

const podsOf = (manifests: readonly Manifest[]): Manifest[] =>
  manifests.filter(({ spec }) => spec?.template?.spec !== undefined);

describe.each(['1.33.0', '1.34.2', '1.35.4', '1.36.0', '1.37.1'])('on Kubernetes %s', (kubeVersion) => {
  it.each([{ set: [] }, { set: EVERYTHING }])('renders what it knows: $set', async ({ set }) => {
    const minor = Number(kubeVersion.split('.')[1]);
    for (const { apiVersion, kind } of await renderChart({ kubeVersion, set })) {
      expect(APIS[`${apiVersion} ${kind}`], `${apiVersion} ${kind}`).toBeLessThanOrEqual(minor);
    }
  });

  it('is clean by helm lint', async () => {
    const said = await output(tool('helm'), ['lint', '--strict', CHART, '--kube-version', kubeVersion]);
    expect(said).toContain('1 chart(s) linted, 0 chart(s) failed');
    expect(said).not.toMatch(/WARNING|ERROR/);
  });
});

describe('the chart', () => {
  it('refuses a Kubernetes that is too old', async () => {
    await expect(renderChart({ kubeVersion: '1.32.9' })).rejects.toThrow(/kubeVersion: >=1\.33/);
  });

  it('refuses names that are too long together, of which a part would be another release’s as well', async () => {
    const [release, namespace] = ['r'.repeat(30), 'n'.repeat(24)];
    await expect(renderChart({ release, namespace })).resolves.toBeDefined();
    await expect(renderChart({ release, namespace: `${namespace}n` })).rejects.toThrow(
      'which has 64 characters and not 63 at most: take a shorter name for the release, or for its namespace',
    );
  });

  it.each([
    ['an unknown value', 'ingest.replica=1', /additional properties 'replica' not allowed/],
    [
      'two replicas, which would need ownership across pods',
      'ingest.replicas=2',
      /'\/ingest\/replicas': maximum: got 2, want 1/,
    ],
    ['a duration without a unit', 'streams.idleTimeout=10', /'\/streams\/idleTimeout': got number, want string/],
    ['a store without a scheme', 'store.url=bucket', /'\/store\/url': 'bucket' does not match pattern/],
    ['credentials in an endpoint', 'store.endpoint=https://a:b@minio:9000', /'\/store\/endpoint'/],
    ['a protocol that does not exist', 'streams.protocols={HLS}', /'\/streams\/protocols\/0'/],
    ['a dedicated port below 1024', 'srt.dedicatedPorts.from=80', /minimum: got 80, want 1,?024/],
  ])('refuses %s', async (_, set, message) => {
    await expect(renderChart({ set: [set] })).rejects.toThrow(message);
  });

  it('takes null for nothing', async () => {
    const set = [
      'store.endpoint=null',
      'ingest.publicHost=null',
      'ingest.publicPorts.rtmp=null',
      'spool.maxBytes=null',
    ];
    expect((await renderChart({ set })).length).toBe((await renderChart()).length);
  });

  it('has a value for every key of its schema, and a comment in front of every group', () => {
    const text = readFileSync(path.join(CHART, 'values.yaml'), 'utf8');
    const values = CHART_VALUES.parse(parse(text));
    const { global: _, ...shape } = CHART_VALUES.shape;
    expect(Object.keys(values).sort()).toEqual(Object.keys(shape).sort());
  });

  it('runs nothing that the restricted Pod Security Standard forbids', async () => {
    const pods = podsOf(await renderChart({ set: EVERYTHING }));
    expect(pods.map(({ kind }) => kind).sort()).toEqual(['Deployment', 'Deployment', 'Job', 'StatefulSet']);
    for (const { metadata, spec } of pods) {
      const pod = spec.template.spec;
      expect(pod.securityContext, metadata.name).toMatchObject({
        runAsNonRoot: true,
        seccompProfile: { type: 'RuntimeDefault' },
      });
      for (const key of ['hostNetwork', 'hostPID', 'hostIPC', 'hostUsers'])
        expect(pod, metadata.name).not.toHaveProperty(key);
      for (const container of [...pod.containers, ...(pod.initContainers ?? [])]) {
        expect(container.securityContext, container.name).toEqual({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        });
        for (const { containerPort } of container.ports ?? []) expect(containerPort).toBeGreaterThanOrEqual(1024);
      }
    }
  });

  it('keeps what people would miss at helm uninstall', async () => {
    const kept = (await renderChart({ set: ['minio.enabled=true'] }))
      .filter(({ metadata }) => metadata.annotations?.['helm.sh/resource-policy'] === 'keep')
      .map(({ kind, metadata }) => `${kind}/${metadata.name}`);
    expect(kept.sort()).toEqual([
      'CustomResourceDefinition/livestreams.headwater.dev',
      'CustomResourceDefinition/recordingpolicies.headwater.dev',
      'Namespace/video-hw-runtime',
      'PersistentVolumeClaim/hw-headwater-minio',
      'Secret/hw-headwater-minio',
      'Secret/relay-key',
    ]);
    const without = await renderChart({ set: ['crds.keep=false'] });
    expect(
      without
        .filter(({ kind }) => kind === 'CustomResourceDefinition')
        .every(({ metadata }) => metadata.annotations === undefined),
    ).toBe(true);
    expect(
      (await renderChart({ set: ['crds.enabled=false'] })).some(({ kind }) => kind === 'CustomResourceDefinition'),
    ).toBe(false);
  });

  it('gives two releases no cluster-wide name in common, but for the CRDs', async () => {
    const wide = (manifests: readonly Manifest[]): string[] =>
      manifests
        .filter(({ kind, metadata }) => metadata.namespace === undefined && kind !== 'CustomResourceDefinition')
        .map(({ kind, metadata }) => `${kind}/${metadata.name}`);
    const [one, two, three] = await Promise.all([
      renderChart(),
      renderChart({ release: 'other' }),
      renderChart({ namespace: 'elsewhere' }),
    ]);
    const names = [one, two, three].flatMap(wide);
    expect(new Set(names).size).toBe(names.length);
    expect(names.length).toBeGreaterThan(15);
  });

  it('asks for no right in all namespaces where it watches a few', async () => {
    const few = await renderChart({ set: ['watchNamespaces={team-a,team-b}', 'rbac.aggregate=false'] });
    expect(few.filter(({ kind }) => kind.startsWith('ClusterRole'))).toEqual([]);
    for (const namespace of ['team-a', 'team-b'])
      manifestOf(few, 'RoleBinding', 'video-hw-headwater-operator', namespace);
  });

  it('lets the operator write the Secret types of the contract alone', async () => {
    const policy = manifestOf(await renderChart(), 'ValidatingAdmissionPolicy', 'video-hw-headwater-secret-types');
    const named = [...policy.spec.validations[0].expression.matchAll(/"([^"]+)"/g)].map(([, type]) => type);
    expect(named.sort()).toEqual(Object.values(SECRET_TYPES).sort());
  });

  it('opens the ports of the contract', async () => {
    const manifests = await renderChart({ set: EVERYTHING });
    const portsOf = (kind: string, name: string) =>
      Object.fromEntries(
        manifestOf(manifests, kind, name).spec.template.spec.containers[0].ports.map(
          (port: { name: string; containerPort: number }) => [port.name, port.containerPort],
        ),
      );
    const { operator, ...ingest } = PORTS;
    expect(portsOf('StatefulSet', 'hw-headwater-ingest')).toEqual(ingest);
    expect(portsOf('Deployment', 'hw-headwater-operator')).toEqual({ health: operator });
  });

  it('leads SRT to the pods over UDP where streams may have it', async () => {
    const service = manifestOf(await renderChart(), 'Service', 'hw-headwater-srt');
    expect(service.spec).toMatchObject({
      selector: manifestOf(await renderChart(), 'StatefulSet', 'hw-headwater-ingest').spec.selector.matchLabels,
      ports: [{ name: 'srt', port: PORTS.srt, targetPort: 'srt', protocol: 'UDP' }],
    });
    const dedicated = [
      'srt.dedicatedPorts.enabled=true',
      'srt.dedicatedPorts.from=21000',
      'srt.dedicatedPorts.to=21009',
    ];
    const open = manifestOf(await renderChart({ set: dedicated }), 'NetworkPolicy', 'hw-headwater-ingest').spec.ingress;
    expect(open[0].ports).toEqual(expect.arrayContaining([{ port: 21_000, endPort: 21_009, protocol: 'UDP' }]));
    const without = await renderChart({ set: ['streams.protocols={RTMP}'] });
    expect(without.some(({ kind, metadata }) => kind === 'Service' && metadata.name.endsWith('-srt'))).toBe(false);
  });

  it('shows and warns by metrics that there are', async () => {
    const rules = JSON.stringify(
      await renderChart({ set: ['prometheusRule.enabled=true', 'grafanaDashboard.enabled=true'] }),
    );
    const used = new Set([...rules.matchAll(/\b(headwater_[a-z_]+?)(?:_bucket)?[{[)\s"]/g)].map(([, name]) => name!));
    const known = metricsDocument();
    expect(used.size).toBeGreaterThan(12);
    for (const metric of used) expect(known, metric).toContain(`\`${metric}\``);
  });
});

describe('what the chart configures', () => {
  /** The document of a ConfigMap, read by the very program that it is for. */
  async function configured(set: readonly string[]) {
    using dir = new TempDir('chart');
    const manifests = await renderChart({ set });
    const text = (name: string, key: string): string => manifestOf(manifests, 'ConfigMap', name).data[key];
    const write = async (name: string, key: string): Promise<string> => {
      const file = path.join(dir.path, key);
      const { writeFile } = await import('node:fs/promises');
      await writeFile(file, text(name, key));
      return file;
    };
    const container = manifestOf(manifests, 'StatefulSet', 'hw-headwater-ingest').spec.template.spec.containers[0];
    const env = Object.fromEntries(
      container.env.map(({ name }: { name: string }) => [name, name.endsWith('_IP') ? '10.0.0.1' : 'given']),
    );
    const sources = { cwd: '/', isTerminal: false };
    const ingest = await loadConfig({
      ...sources,
      argv: ['--config', await write('hw-headwater-ingest', 'ingest.yaml')],
      env,
    });
    const operator = await loadOperatorConfig(
      { ...sources, argv: ['--config', await write('hw-headwater-operator', 'operator.yaml')], env: {} },
      async () => undefined,
    );
    return { ingest, operator };
  }

  it('listens for the protocols of the pool alone', async () => {
    const { ingest } = await configured([]);
    expect([ingest.rtmp.listen?.port, ingest.srt.listen?.port]).toEqual([PORTS.rtmp, PORTS.srt]);
    expect((await configured(['streams.protocols={RTMP}'])).ingest.srt.listen).toBeNull();
    expect((await configured(['streams.protocols={SRT}'])).ingest.rtmp.listen).toBeNull();
  });

  it('is what both programs take, with the defaults of a pool', async () => {
    const { ingest, operator } = await configured(['store.url=s3://video/live']);
    expect(operator.pool).toEqual(
      POOL_DEFAULTS.parse({ store: { url: 's3://video/live', region: 'us-east-1', forcePathStyle: true } }),
    );
    expect(operator).toMatchObject({
      release: 'hw',
      namespace: 'video',
      runtimeNamespace: 'video-hw-runtime',
      watchNamespaces: [],
      ingest: {
        publicHost: null,
        publicPorts: { rtmp: null, rtmps: null, srt: null },
        services: { tcp: 'hw-headwater-rtmp', udp: 'hw-headwater-srt' },
      },
      deletion: { timeout: 900_000 },
    });
    expect(ingest).toMatchObject({
      cluster: {
        mode: 'kubernetes',
        namespace: 'video-hw-runtime',
        podName: 'given',
        podIp: '10.0.0.1',
        pool: 'default',
        spoolPersistent: true,
      },
      store: { url: 's3://video/live' },
      spool: { dir: '/data/spool' },
      shutdown: { flush: 30_000 },
    });
  });

  it('follows the values', async () => {
    const { ingest, operator } = await configured([
      ...EVERYTHING,
      'spool.persistence.enabled=false',
      'ingest.config.relay.maxBatch=100ms',
      'streams.srt.latency=1s',
      'pool.name=studio',
    ]);
    expect(operator.pool).toMatchObject({
      name: 'studio',
      protocols: ['RTMP', 'SRT', 'RTMPS'],
      srt: { latency: 1000, dedicatedPorts: { from: 20_000, to: 20_049 } },
      store: { url: 's3://recordings', endpoint: 'http://hw-headwater-minio.video.svc:9000' },
    });
    expect(operator.watchNamespaces).toEqual(['team-a', 'team-b']);
    expect(operator.ingest).toMatchObject({
      publicHost: 'video.example.com',
      publicPorts: { rtmp: 31_935, rtmps: null, srt: null },
    });
    expect(ingest).toMatchObject({
      cluster: { pool: 'studio', spoolPersistent: false },
      relay: { maxBatch: 100 },
      rtmps: { cert: '/tls/tls.crt', key: '/tls/tls.key' },
      store: { s3: { endpoint: 'http://hw-headwater-minio.video.svc:9000', accessKeyId: 'given' } },
    });
  });
});
