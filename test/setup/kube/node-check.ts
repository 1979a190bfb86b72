import { existsSync, readFileSync } from 'node:fs';

/** What is looked at of a machine and of who runs on it. */
export interface Machine {
  /** Undefined where users have no numbers. */
  readonly user: number | undefined;
  readonly read: (file: string) => string;
  readonly exists: (file: string) => boolean;
}

const THIS_MACHINE: Machine = {
  user: process.getuid?.(),
  read: (file) => readFileSync(file, 'utf8'),
  exists: existsSync,
};

/** What a node of a cluster needs of the kernel: a way to see that it is there, and what it is for. */
const KERNEL: readonly { readonly what: string; readonly isThere: (machine: Machine) => boolean }[] = [
  {
    what: 'overlayfs (containers)',
    isThere: ({ read }) => /^\s*(nodev)?\s+overlay$/m.test(read('/proc/filesystems')),
  },
  {
    what: 'cgroups (pods)',
    isThere: ({ exists }) => exists('/sys/fs/cgroup/cgroup.controllers') || exists('/sys/fs/cgroup/pids'),
  },
  { what: 'bridge netfilter (pods)', isThere: ({ exists }) => exists('/proc/sys/net/bridge/bridge-nf-call-iptables') },
];

/** CAP_SYS_ADMIN and CAP_NET_ADMIN, by their bits. */
const CAPABILITIES = (1n << 21n) | (1n << 12n);

/** @throws Error that says why no node can run here, and how to leave out the suite that needs one */
export function checkNode(machine = THIS_MACHINE): void {
  const missing = KERNEL.filter(({ isThere }) => !isThere(machine)).map(({ what }) => what);
  const effective = BigInt(`0x${/^CapEff:\s*(\w+)/m.exec(machine.read('/proc/self/status'))![1]}`);
  if (machine.user !== 0) missing.unshift('root');
  else if ((effective & CAPABILITIES) !== CAPABILITIES) missing.unshift('CAP_SYS_ADMIN and CAP_NET_ADMIN');
  if (missing.length === 0) return;
  throw new Error(
    `a node of a cluster cannot run here; missing: ${missing.join(', ')}. ` +
      'HEADWATER_TEST_WITHOUT=kube-node leaves that suite out.',
  );
}
