import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findProgram } from '../../setup/apt-tools.ts';
import { cacheDir } from '../../setup/cache.ts';
import { KUBERNETES, NODE_IMAGES } from '../../setup/kube/build.ts';
import { checkNode } from '../../setup/kube/node-check.ts';
import { type ToolName, tool } from '../../setup/tools.ts';
import { output, start, type TestProcess } from '../process.ts';
import { waitFor } from '../wait-for.ts';
import { ControlPlane, SERVICE_CIDR } from './control-plane.ts';
import { containerdConfig, coreDns, kubeletConfig, kubeProxyConfig, NODE, podNetworkConfig } from './node-config.ts';
import { fileOfSysctl, hasPods, podNamespaces, SYSCTLS, undoNode } from './node-undo.ts';

/** Short, since paths of Unix sockets end at 108 bytes; fixed, so that the next run can clean up after one that was killed. */
const DIR = join(tmpdir(), 'headwater-node');
const PID_FILE = join(DIR, 'run.pid');
/** What the machine was like before. */
const BEFORE_FILE = join(DIR, 'before.json');

/**
 * A whole cluster of one node on this machine: control plane, scheduler, containerd, kubelet, kube-proxy and CoreDNS.
 * Pods reach each other and the node; nothing leaves the machine. Disposal takes everything back.
 */
export class NodeCluster implements AsyncDisposable {
  readonly plane: ControlPlane;
  readonly address = NODE.address;
  readonly kubeconfig: string;
  readonly #processes = new Map<string, TestProcess>();

  private constructor(plane: ControlPlane) {
    this.plane = plane;
    this.kubeconfig = plane.kubeconfig;
  }

  /** @throws Error that says what this machine lacks */
  static async start(): Promise<NodeCluster> {
    checkNode();
    takeMachine();
    let plane: ControlPlane | undefined;
    let cluster: NodeCluster | undefined;
    try {
      await makeNetwork();
      plane = await ControlPlane.start({ dir: join(DIR, 'plane'), address: NODE.address });
      cluster = new NodeCluster(plane);
      await cluster.#up();
      return cluster;
    } catch (error) {
      await cluster?.[Symbol.asyncDispose]();
      if (!cluster) {
        await plane?.[Symbol.asyncDispose]();
        leaveMachine();
      }
      throw error;
    }
  }

  kubectl(...args: string[]): Promise<string> {
    return this.plane.kubectl(...args);
  }

  /** Loads an OCI archive; pods use it with `imagePullPolicy: Never` or `IfNotPresent`. */
  async importImage(archive: string): Promise<void> {
    await this.ctr('images', 'import', archive);
  }

  /** Runs `ctr` on the node's containers. */
  ctr(...args: string[]): Promise<string> {
    return output(tool('ctr'), ['--address', this.#socket, '--namespace', 'k8s.io', ...args]);
  }

  /** Ends the kubelet, and starts it again; containers go on meanwhile. */
  async restartKubelet(): Promise<void> {
    await this.#processes.get('kubelet')!.stop('SIGTERM');
    this.#startKubelet();
  }

  /** Kills the main process of a container (SIGKILL), as the kernel does when memory is short. */
  async killContainer(namespace: string, pod: string, container: string): Promise<void> {
    const path = `{.status.containerStatuses[?(@.name=="${container}")].containerID}`;
    const id = await this.kubectl('-n', namespace, 'get', 'pod', pod, '-o', `jsonpath=${path}`);
    await this.ctr('tasks', 'kill', '--signal', 'SIGKILL', id.replace('containerd://', ''));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { kubelet, containerd, ...others } = Object.fromEntries(this.#processes);
    for (const process of Object.values(others)) await process[Symbol.asyncDispose]();
    // First who would start containers again, then the containers, by `undoNode`.
    await kubelet?.[Symbol.asyncDispose]();
    await containerd?.[Symbol.asyncDispose]();
    await this.plane[Symbol.asyncDispose]();
    leaveMachine();
  }

  get #socket(): string {
    return join(DIR, 'containerd.sock');
  }

  async #up(): Promise<void> {
    const { plane } = this;
    await this.#startContainerd();
    const scheduler = plane.kubeconfigOf('kube-scheduler');
    const who = ['kubeconfig', 'authentication-kubeconfig', 'authorization-kubeconfig'];
    this.#run('kube-scheduler', [
      ...who.map((flag) => `--${flag}=${scheduler}`),
      ...['--bind-address=127.0.0.1', '--secure-port=0', '--leader-elect=false'],
    ]);
    writeFileSync(join(DIR, 'resolv.conf'), '\n');
    writeJson('kubelet.json', kubeletConfig(DIR, plane.ca, this.#socket));
    this.#startKubelet();
    writeJson('proxy.json', kubeProxyConfig(plane.kubeconfigOf('kube-proxy')));
    this.#run('kube-proxy', [`--config=${join(DIR, 'proxy.json')}`]);
    await plane.apply(coreDns());
    await waitFor('the node', () => this.kubectl('get', 'node', NODE.name).catch(() => undefined), {
      timeoutMs: 60_000,
    });
    await this.kubectl('wait', '--for=condition=Ready', `node/${NODE.name}`, '--timeout=90s');
    await this.kubectl('-n', 'kube-system', 'rollout', 'status', 'deployment/coredns', '--timeout=90s');
  }

  async #startContainerd(): Promise<void> {
    mkdirSync(join(DIR, 'cni'), { recursive: true });
    writeFileSync(join(DIR, 'containerd.toml'), containerdConfig(DIR));
    writeJson('cni/10-bridge.conflist', podNetworkConfig(DIR));
    this.#run('containerd', ['--config', join(DIR, 'containerd.toml')]);
    await waitFor('containerd', () => this.ctr('version').catch(() => undefined));
    const images = join(cacheDir(KUBERNETES), 'images');
    for (const name of Object.keys(NODE_IMAGES)) await this.importImage(join(images, `${name}.tar`));
  }

  #startKubelet(): void {
    this.#run('kubelet', [
      ...[`--config=${join(DIR, 'kubelet.json')}`, `--kubeconfig=${this.plane.kubeconfigOf('kubelet')}`],
      ...[`--root-dir=${join(DIR, 'kubelet')}`, `--cert-dir=${join(DIR, 'kubelet-certificates')}`],
      ...[`--hostname-override=${NODE.name}`, `--node-ip=${NODE.address}`],
    ]);
  }

  #run(name: ToolName, args: readonly string[]): void {
    const path = [process.env.PATH, '/usr/sbin', '/sbin'].join(':');
    this.#processes.set(name, start(tool(name), args, { cwd: DIR, env: { PATH: path } }));
  }
}

interface Before {
  readonly sysctls: Readonly<Record<string, string>>;
  readonly namespaces: readonly string[];
}

/** @throws Error where another run, or another kubelet, is at work here */
function takeMachine(): void {
  const pid = readIfThere(PID_FILE);
  if (pid !== undefined && isAlive(Number(pid))) throw new Error(`another run (pid ${pid}) has a cluster in ${DIR}`);
  if (pid !== undefined) leaveMachine();
  if (hasPods()) throw new Error('there are pods on this machine already: a kubelet, or what is left of one');
  if (!findProgram('runc')) throw new Error('runc is not installed: run `node test/setup/setup.ts`');
  mkdirSync(DIR, { recursive: true });
  writeFileSync(PID_FILE, String(process.pid));
  const sysctls = SYSCTLS.map((name) => [name, readFileSync(fileOfSysctl(name), 'utf8').trim()]);
  const before: Before = { sysctls: Object.fromEntries(sysctls), namespaces: podNamespaces() };
  writeFileSync(BEFORE_FILE, JSON.stringify(before));
}

/** The service range is routed to the bridge too: where kube-proxy has no rule yet, nothing for it may leave the machine. */
async function makeNetwork(): Promise<void> {
  for (const name of SYSCTLS.slice(0, 2)) writeFileSync(fileOfSysctl(name), '1');
  const ip = tool('ip');
  await output(ip, ['link', 'add', NODE.bridge, 'type', 'bridge']);
  await output(ip, ['address', 'add', `${NODE.address}/24`, 'dev', NODE.bridge]);
  await output(ip, ['link', 'set', NODE.bridge, 'up']);
  await output(ip, ['route', 'add', SERVICE_CIDR, 'dev', NODE.bridge]);
}

function leaveMachine(): void {
  const before: Partial<Before> = JSON.parse(readIfThere(BEFORE_FILE) ?? '{}');
  undoNode(DIR, before.namespaces ?? []);
  for (const [name, value] of Object.entries(before.sysctls ?? {})) writeFileSync(fileOfSysctl(name), value);
  if (!process.env.HEADWATER_KEEP) rmSync(DIR, { recursive: true, force: true });
  rmSync(PID_FILE, { force: true });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

function writeJson(name: string, content: object): void {
  writeFileSync(join(DIR, name), JSON.stringify(content));
}
