import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { RELAY_KEY_SECRET } from '../../../crds/names.ts';
import { freePort } from '../ports.ts';
import { waitFor } from '../wait-for.ts';
import { type Manifest, renderChart } from './chart.ts';
import type { ControlPlane } from './control-plane.ts';
import { type IngestPod, startIngestPod } from './ingest-pod.ts';
import { type OperatorReplica, startOperator } from './operator-replica.ts';

export interface ReleaseOptions {
  readonly plane: ControlPlane;
  /** Where configuration, tokens, spools and stores go. */
  readonly dir: string;
  readonly name?: string;
  readonly namespace?: string;
  /** As `helm --set`. */
  readonly set?: readonly string[];
}

/** Workloads are not applied: their processes run on this machine, with what the pods would get. */
const WORKLOADS = new Set(['Deployment', 'StatefulSet', 'Job', 'DaemonSet', 'PodDisruptionBudget']);

/** Who asks the API server, as the files and variables of a pod. */
export interface PodRights {
  readonly env: Readonly<Record<string, string>>;
}

/**
 * The chart, rendered by Helm and applied, without its workloads: Roles, ServiceAccounts, configuration and CRDs are the real
 * ones. Operator and ingest run as processes of this machine, with the tokens of their ServiceAccounts.
 */
export class Release {
  readonly plane: ControlPlane;
  readonly name: string;
  readonly namespace: string;
  readonly runtimeNamespace: string;
  readonly dir: string;
  readonly #manifests: readonly Manifest[];
  #replicas = 0;

  private constructor(options: ReleaseOptions, manifests: readonly Manifest[], name: string, namespace: string) {
    this.plane = options.plane;
    this.dir = options.dir;
    this.name = name;
    this.namespace = namespace;
    this.#manifests = manifests;
    const relayKey = manifests.find(({ kind, metadata }) => kind === 'Secret' && metadata.name === RELAY_KEY_SECRET);
    this.runtimeNamespace = relayKey!.metadata.namespace!;
  }

  static async install(options: ReleaseOptions): Promise<Release> {
    const { plane, dir, name = 'hw', namespace = 'video', set = [] } = options;
    const manifests = await renderChart({ release: name, namespace, set });
    mkdirSync(dir, { recursive: true });
    const applied = manifests.filter(
      ({ kind, metadata }) => !WORKLOADS.has(kind) && !metadata.annotations?.['helm.sh/hook'],
    );
    // Namespaces and kinds first: what lies in them comes after.
    const isFirst = ({ kind }: Manifest) => kind === 'Namespace' || kind === 'CustomResourceDefinition';
    const namespaces = [{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }];
    await plane.apply(listOf([...namespaces, ...applied.filter(isFirst)]));
    const kinds = applied
      .filter(({ kind }) => kind === 'CustomResourceDefinition')
      .map(({ metadata }) => metadata.name);
    if (kinds.length > 0) {
      await plane.kubectl(
        'wait',
        '--for=condition=Established',
        ...kinds.map((kind) => `crd/${kind}`),
        '--timeout=20s',
      );
    }
    await plane.apply(listOf(applied.filter((manifest) => !isFirst(manifest))));
    return new Release(options, manifests, name, namespace);
  }

  /** Name of a ServiceAccount: `operator` or `ingest`. */
  accountOf(component: 'operator' | 'ingest'): string {
    const isIts = ({ kind, metadata }: Manifest) =>
      kind === 'ServiceAccount' && metadata.name.endsWith(`-${component}`);
    return this.#manifests.find(isIts)!.metadata.name;
  }

  /** A token of a ServiceAccount, as the kubelet would ask for it. */
  async tokenOf(component: 'operator' | 'ingest'): Promise<string> {
    const account = this.accountOf(component);
    return (await this.plane.kubectl('-n', this.namespace, 'create', 'token', account, '--duration=2h')).trim();
  }

  /** What a pod of the component has: the token in a file, and where the API server is (`url`: behind a proxy). */
  async rightsOf(component: 'operator' | 'ingest', url = this.plane.url): Promise<PodRights> {
    const dir = join(this.dir, `${component}-${this.#replicas++}-account`);
    mkdirSync(dir, { recursive: true });
    writeFileSync(join(dir, 'token'), await this.tokenOf(component), { mode: 0o600 });
    writeFileSync(join(dir, 'namespace'), this.namespace);
    writeFileSync(join(dir, 'ca.crt'), await this.plane.caText());
    const { hostname, port } = new URL(url);
    return {
      env: { KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port, KUBERNETES_SERVICE_ACCOUNT_DIR: dir },
    };
  }

  /** Starts a replica of the operator, and waits until it answers. `url`: of the API server. `more`: settings beside the chart's. */
  async operator(options: { readonly url?: string; readonly more?: object } = {}): Promise<OperatorReplica> {
    const { env } = await this.rightsOf('operator', options.url);
    const identity = `operator-${this.#replicas}`;
    const metrics = await freePort();
    const config = this.#config('operator', { metrics: { listen: `127.0.0.1:${metrics}` }, ...options.more });
    return startOperator({ config, identity, metrics, env, dir: this.dir });
  }

  /** Starts a pod of the pool on its own address, and waits until it is ready. */
  async ingest(
    index: number,
    address: string,
    options: { readonly url?: string; readonly more?: object; readonly env?: Readonly<Record<string, string>> } = {},
  ): Promise<IngestPod> {
    const { env } = await this.rightsOf('ingest', options.url);
    const name = `${this.accountOf('ingest')}-${index}`;
    const dir = join(this.dir, name);
    mkdirSync(dir, { recursive: true });
    const own = {
      rtmp: { listen: `${address}:1935` },
      srt: { listen: `${address}:10080` },
      http: { listen: `${address}:8080` },
      metrics: { listen: `${address}:9090` },
      spool: { dir: join(dir, 'spool') },
      log: { level: 'debug', format: 'json' },
    };
    const config = this.#config('ingest', { ...own, ...options.more }, name);
    return startIngestPod({ name, address, config, dir, env: { ...env, ...options.env } });
  }

  /** Waits until a LiveStream has the condition. Gives its status. */
  async waitForCondition(namespace: string, name: string, type: string, status = 'True', timeoutMs = 20_000) {
    return waitFor(
      `${type}=${status} of ${namespace}/${name}`,
      async () => {
        const text = await this.plane.kubectl('-n', namespace, 'get', 'livestream', name, '-o', 'json');
        const found = JSON.parse(text).status;
        const conditions: readonly { readonly type: string; readonly status: string }[] = found?.conditions ?? [];
        return conditions.some((each) => each.type === type && each.status === status) && found;
      },
      { timeoutMs, everyMs: 100 },
    );
  }

  /** The configuration that the chart has for a component, with `more` over it, as a file. */
  #config(component: 'operator' | 'ingest', more: object, name = `${component}-${this.#replicas}`): string {
    const { data } = this.#manifests.find(
      ({ kind, metadata }) => kind === 'ConfigMap' && metadata.name.endsWith(`-${component}`),
    )!;
    const chart = parse(data[`${component}.yaml`]);
    const file = join(this.dir, `${name}.yaml`);
    writeFileSync(file, stringify(merge(chart, more)));
    return file;
  }
}

/** A list of manifests for kubectl. */
function listOf(items: readonly object[]): string {
  return JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
}

/** `more` over `base`, section by section. */
function merge(base: Record<string, unknown>, more: object): Record<string, unknown> {
  const merged = { ...base };
  for (const [key, value] of Object.entries(more)) {
    const before = merged[key];
    merged[key] = isSection(before) && isSection(value) ? merge(before, value) : value;
  }
  return merged;
}

function isSection(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
