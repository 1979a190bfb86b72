import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { KubernetesCommand } from '../../setup/kube/build.ts';
import { tool } from '../../setup/tools.ts';
import { freePort } from '../ports.ts';
import { output, start, type TestProcess } from '../process.ts';
import { waitFor } from '../wait-for.ts';
import { type KeyPair, Pki } from './pki.ts';

/** Users of the cluster beside ServiceAccounts; each has a token. */
const USERS = {
  admin: { user: 'admin', groups: ['system:masters'] },
  'kube-controller-manager': { user: 'system:kube-controller-manager', groups: [] },
  'kube-scheduler': { user: 'system:kube-scheduler', groups: [] },
  'kube-proxy': { user: 'system:kube-proxy', groups: ['system:node-proxier'] },
  kubelet: { user: 'system:node:node1', groups: ['system:nodes'] },
} as const;

export type ClusterUser = keyof typeof USERS;

export interface ControlPlaneOptions {
  /** Where everything it writes goes. */
  readonly dir: string;
  /** Where the API server listens; loopback unless given. */
  readonly address?: string;
  readonly apiPort?: number;
  /** Which of the controllers of the controller-manager run, as its `--controllers`; all unless given. */
  readonly controllers?: string;
  /** Keep a list of what ServiceAccounts asked for: `audit`. */
  readonly audit?: boolean;
}

/** A line of the audit log (`audit.k8s.io/v1`), as far as tests look. */
export interface AuditEvent {
  readonly stage: 'ResponseStarted' | 'ResponseComplete' | 'Panic';
  readonly verb: string;
  readonly requestURI: string;
  readonly user: { readonly username: string };
  readonly objectRef?: {
    readonly resource: string;
    readonly namespace?: string;
    readonly name?: string;
    readonly subresource?: string;
  };
  readonly responseStatus?: { readonly code: number };
  /** RFC 3339. */
  readonly stageTimestamp: string;
}

export const SERVICE_CIDR = '10.96.0.0/16';
/** The first address of it: the API server, for pods. */
const KUBERNETES_SERVICE = '10.96.0.1';

/** A real etcd, API server and controller-manager. Disposal kills them; the folder is the caller's. */
export class ControlPlane implements AsyncDisposable {
  readonly url: string;
  readonly address: string;
  readonly apiPort: number;
  readonly dir: string;
  /** File of the CA's certificate. */
  readonly ca: string;
  /** Of the administrator. */
  readonly kubeconfig: string;
  readonly #options: ControlPlaneOptions;
  readonly #pki: Pki;
  readonly #signingKey: string;
  readonly #tokens: Readonly<Record<ClusterUser, string>>;
  readonly #processes = new Map<string, TestProcess>();
  #etcd = '';

  private constructor(options: ControlPlaneOptions, apiPort: number, pki: Pki) {
    this.#options = options;
    this.dir = options.dir;
    this.address = options.address ?? '127.0.0.1';
    this.apiPort = apiPort;
    this.url = `https://${this.address}:${apiPort}`;
    this.#pki = pki;
    this.ca = pki.ca.cert;
    this.#signingKey = pki.signingKey('service-accounts');
    const names = Object.keys(USERS) as ClusterUser[];
    this.#tokens = Object.fromEntries(names.map((name) => [name, randomBytes(16).toString('hex')])) as Record<
      ClusterUser,
      string
    >;
    this.kubeconfig = this.kubeconfigOf('admin');
  }

  static async start(options: ControlPlaneOptions): Promise<ControlPlane> {
    mkdirSync(options.dir, { recursive: true });
    const pki = await Pki.make(options.dir);
    const plane = new ControlPlane(options, options.apiPort ?? (await freePort()), pki);
    try {
      await plane.#up();
      return plane;
    } catch (error) {
      await plane[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Runs kubectl as the administrator. @throws Error with what it said */
  kubectl(...args: string[]): Promise<string> {
    return output(tool('kubectl'), ['--kubeconfig', this.kubeconfig, ...args]);
  }

  /** `kubectl apply` of YAML or JSON text, by the server. */
  async apply(text: string): Promise<void> {
    const file = join(this.dir, `apply-${randomBytes(4).toString('hex')}.yaml`);
    writeFileSync(file, text);
    await this.kubectl('apply', '--server-side', '--force-conflicts', '-f', file);
  }

  /** The CA's certificate, PEM. */
  caText(): Promise<string> {
    return readFile(this.ca, 'utf8');
  }

  /** A kubeconfig file of a user, made if it isn't there. */
  kubeconfigOf(name: ClusterUser): string {
    return this.kubeconfigFor(name, this.#tokens[name], this.url);
  }

  /** A kubeconfig file with that token, for the API server behind `url`. */
  kubeconfigFor(name: string, token: string, url: string): string {
    const file = join(this.dir, `${name}.kubeconfig`);
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'test',
      clusters: [{ name: 'test', cluster: { server: url, 'certificate-authority': this.ca } }],
      users: [{ name, user: { token } }],
      contexts: [{ name: 'test', context: { cluster: 'test', user: name } }],
    };
    writeFileSync(file, JSON.stringify(config), { mode: 0o600 });
    return file;
  }

  /** A certificate of the cluster's CA. */
  issue(name: string, subject: string, names: readonly string[] = []): Promise<KeyPair> {
    return this.#pki.issue(name, subject, names);
  }

  /** The log of one of its programs so far. */
  logOf(name: KubernetesCommand): string {
    return this.#processes.get(name)?.stderr ?? '';
  }

  /** What the API server did for ServiceAccounts so far, by its own audit log. */
  async audit(): Promise<readonly AuditEvent[]> {
    const text = await readFile(this.#auditLog, 'utf8');
    // The last line may be on its way.
    const lines = text.slice(0, text.lastIndexOf('\n')).split('\n').filter(Boolean);
    return lines.map((line) => JSON.parse(line));
  }

  get #auditLog(): string {
    return join(this.dir, 'audit.log');
  }

  /** Kills the API server: from now on its port refuses connections. */
  async killApiServer(): Promise<void> {
    await this.#processes.get('kube-apiserver')?.stop('SIGKILL');
  }

  /** Starts the API server, and waits until it is ready. */
  async startApiServer(): Promise<void> {
    const serving = await this.#servingCertificate();
    const kubelet = await this.#pki.issue('apiserver-kubelet-client', '/O=system:masters/CN=apiserver');
    this.#run('kube-apiserver', [
      ...[`--etcd-servers=${this.#etcd}`, `--bind-address=${this.address}`, `--secure-port=${this.apiPort}`],
      ...[`--tls-cert-file=${serving.cert}`, `--tls-private-key-file=${serving.key}`],
      ...[`--client-ca-file=${this.ca}`, `--token-auth-file=${this.#tokenFile()}`],
      ...[`--kubelet-client-certificate=${kubelet.cert}`, `--kubelet-client-key=${kubelet.key}`],
      // Else logs and exec look for the node's name in the DNS.
      '--kubelet-preferred-address-types=InternalIP',
      `--service-account-key-file=${this.#signingKey}`,
      `--service-account-signing-key-file=${this.#signingKey}`,
      '--service-account-issuer=https://kubernetes.default.svc.cluster.local',
      `--service-cluster-ip-range=${SERVICE_CIDR}`,
      '--authorization-mode=Node,RBAC',
      '--allow-privileged=true',
      ...(this.#options.audit
        ? [`--audit-policy-file=${this.#auditPolicy()}`, `--audit-log-path=${this.#auditLog}`]
        : []),
    ]);
    await waitFor('the API server to be ready', () => this.#isReady(), { timeoutMs: 90_000, everyMs: 100 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const processes = [...this.#processes.values()].reverse();
    for (const process of processes) await process[Symbol.asyncDispose]();
  }

  async #up(): Promise<void> {
    const [client, peer] = [await freePort(), await freePort()];
    this.#etcd = `http://127.0.0.1:${client}`;
    const peers = `http://127.0.0.1:${peer}`;
    this.#run('etcd', [
      ...['--name', 'test', '--data-dir', join(this.dir, 'etcd'), '--unsafe-no-fsync', '--log-level', 'warn'],
      ...['--listen-client-urls', this.#etcd, '--advertise-client-urls', this.#etcd],
      ...['--listen-peer-urls', peers, '--initial-advertise-peer-urls', peers, '--initial-cluster', `test=${peers}`],
    ]);
    await this.startApiServer();
    this.startControllerManager();
    await waitFor('the default namespace', () => this.kubectl('get', 'namespace', 'default').catch(() => undefined));
  }

  startControllerManager(): void {
    const kubeconfig = this.kubeconfigOf('kube-controller-manager');
    this.#run('kube-controller-manager', [
      ...[`--kubeconfig=${kubeconfig}`, '--bind-address=127.0.0.1', '--secure-port=0', '--leader-elect=false'],
      ...['--use-service-account-credentials=true', `--service-account-private-key-file=${this.#signingKey}`],
      ...[`--root-ca-file=${this.ca}`, `--service-cluster-ip-range=${SERVICE_CIDR}`],
      ...(this.#options.controllers ? [`--controllers=${this.#options.controllers}`] : []),
    ]);
  }

  /** Starts one of the programs; it is killed at disposal, the last one first. */
  #run(name: KubernetesCommand, args: readonly string[]): void {
    this.#processes.set(name, start(tool(name), args, { cwd: this.dir }));
  }

  async #isReady(): Promise<boolean> {
    const process = this.#processes.get('kube-apiserver')!;
    if (process.exit) throw new Error(`the API server ended:\n${process.stderr.slice(-2000)}`);
    return this.kubectl('get', '--raw=/readyz').then(
      () => true,
      () => false,
    );
  }

  #servingCertificate(): Promise<KeyPair> {
    const hosts = [
      'localhost',
      ...['', '.default', '.default.svc', '.default.svc.cluster.local'].map((x) => `kubernetes${x}`),
    ];
    const addresses = new Set(['127.0.0.1', this.address, KUBERNETES_SERVICE]);
    const names = [...hosts.map((host) => `DNS:${host}`), ...[...addresses].map((address) => `IP:${address}`)];
    return this.#pki.issue('apiserver', '/CN=kube-apiserver', names);
  }

  /** Requests of ServiceAccounts that are answered; watches when they are opened. */
  #auditPolicy(): string {
    const file = join(this.dir, 'audit-policy.json');
    const rules = [
      { level: 'None', users: Object.values(USERS).map(({ user }) => user) },
      { level: 'Metadata', userGroups: ['system:serviceaccounts'] },
      { level: 'None' },
    ];
    const omitStages = ['RequestReceived'];
    writeFileSync(file, JSON.stringify({ apiVersion: 'audit.k8s.io/v1', kind: 'Policy', omitStages, rules }));
    return file;
  }

  #tokenFile(): string {
    const file = join(this.dir, 'tokens.csv');
    const lines = (Object.keys(USERS) as ClusterUser[]).map((name) => {
      const { user, groups } = USERS[name];
      return `${this.#tokens[name]},${user},${name},"${groups.join(',')}"`;
    });
    writeFileSync(file, `${lines.join('\n')}\n`, { mode: 0o600 });
    return file;
  }
}
