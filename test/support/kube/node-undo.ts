import { spawnSync } from 'node:child_process';
import { existsSync, globSync, readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { tool } from '../../setup/tools.ts';
import { NODE } from './node-config.ts';

/** What kubelet, kube-proxy and the network plugins change; saved before and put back after. */
export const SYSCTLS = [
  'net.ipv4.ip_forward',
  'net.bridge.bridge-nf-call-iptables',
  'vm.overcommit_memory',
  'kernel.panic',
  'kernel.panic_on_oops',
] as const;

export const fileOfSysctl = (name: string): string => join('/proc/sys', name.replaceAll('.', '/'));

/** Every cgroup that a kubelet made for pods. There is one tree for each controller with cgroup v1, one with v2. */
const podCgroups = (): string[] => globSync(['/sys/fs/cgroup/kubepods', '/sys/fs/cgroup/*/kubepods']);

/** Whether there is a kubelet on this machine, or what is left of one. */
export function hasPods(): boolean {
  return podCgroups().length > 0;
}

/**
 * Takes back all that a node in `dir` made outside of it: containers, mounts, network namespaces, bridges, packet rules,
 * cgroups. Its own programs must have ended. Does no harm where nothing is left. `others`: namespaces that were there before.
 */
export function undoNode(dir: string, others: readonly string[]): void {
  const ours = podNamespaces().filter((name) => !others.includes(name));
  killPods();
  killShims(join(dir, 'containerd.sock'));
  unmount(dir, ours);
  for (const name of ours) rmSync(join('/run/netns', name), { force: true });
  // With a bridge its ports do not go: the pods' ends went with their namespaces.
  for (const link of [NODE.podBridge, NODE.bridge]) run(tool('ip'), ['link', 'delete', link]);
  for (const family of ['ip', 'ip6']) run(tool('nft'), ['delete', 'table', family, 'kube-proxy']);
  for (const command of ['iptables', 'ip6tables']) removeChains(command);
  for (const root of podCgroups()) removeCgroup(root);
}

function killPods(): void {
  // A process may start another one meanwhile: until there is none.
  for (let round = 0; round < 50; round++) {
    const processes = podCgroups().flatMap((root) =>
      globSync(join(root, '**/cgroup.procs')).flatMap((file) => readFileSync(file, 'utf8').split('\n').filter(Boolean)),
    );
    if (processes.length === 0) return;
    for (const pid of new Set(processes)) kill(Number(pid));
    spawnSync('sleep', ['0.1']);
  }
}

/** Shims carry the address of their containerd on their command line. */
function killShims(socket: string): void {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const words = commandOf(pid);
    if (words[0]?.includes('containerd-shim') && words.includes(socket)) kill(Number(pid));
  }
}

function commandOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return []; // it has ended
  }
}

function unmount(dir: string, ours: readonly string[]): void {
  const points = readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((point) => point.startsWith(`${dir}/`) || ours.some((name) => point.endsWith(`/run/netns/${name}`)));
  // The inner ones first.
  for (const point of points.sort().reverse()) {
    if (!run('umount', [point])) run('umount', ['--lazy', point]);
  }
}

/** Network namespaces with names as containerd gives those of pods. */
export function podNamespaces(): string[] {
  return existsSync('/run/netns') ? readdirSync('/run/netns').filter((name) => name.startsWith('cni-')) : [];
}

/** Rules and chains whose names begin as those of kubelet and the port mapper do. */
function removeChains(command: string): void {
  for (const table of ['mangle', 'nat', 'filter']) {
    const saved = spawnSync(`${command}-save`, ['-t', table], { encoding: 'utf8' }).stdout ?? '';
    const lines = saved.split('\n');
    const rules = lines.filter((line) => /^-A /.test(line) && /(-j|-A) (KUBE|CNI)-/.test(line));
    for (const rule of rules) run('sh', ['-c', `${command} -t ${table} ${rule.replace(/^-A/, '-D')}`]);
    const chains = lines.flatMap((line) => /^:((?:KUBE|CNI)-\S+)/.exec(line)?.[1] ?? []);
    for (const chain of chains) run(command, ['-t', table, '-X', chain]);
  }
}

function removeCgroup(path: string): void {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (entry.isDirectory()) removeCgroup(join(path, entry.name));
  }
  try {
    rmdirSync(path);
  } catch {
    // Still in use: what looks whether everything is gone will say so.
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended already.
  }
}

/** Gives whether it succeeded; what is not there cannot be removed, which is fine. */
function run(command: string, args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}
