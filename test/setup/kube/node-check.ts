import { existsSync, readFileSync } from 'node:fs';

/** What a node of a cluster needs of the kernel: a way to see that it is there, and what it is for. */
const KERNEL: readonly { readonly what: string; readonly isThere: () => boolean }[] = [
  {
    what: 'overlayfs (containers)',
    isThere: () => /^\s*(nodev)?\s+overlay$/m.test(readFileSync('/proc/filesystems', 'utf8')),
  },
  {
    what: 'cgroups (pods)',
    isThere: () => existsSync('/sys/fs/cgroup/cgroup.controllers') || existsSync('/sys/fs/cgroup/pids'),
  },
  { what: 'bridge netfilter (pods)', isThere: () => existsSync('/proc/sys/net/bridge/bridge-nf-call-iptables') },
];

/** CAP_SYS_ADMIN and CAP_NET_ADMIN, by their bits. */
const CAPABILITIES = (1n << 21n) | (1n << 12n);

/** @throws Error that says why no node can run here, and how to leave out the suite that needs one */
export function checkNode(): void {
  const missing = KERNEL.filter(({ isThere }) => !isThere()).map(({ what }) => what);
  const effective = BigInt(`0x${/^CapEff:\s*(\w+)/m.exec(readFileSync('/proc/self/status', 'utf8'))![1]}`);
  if (process.getuid?.() !== 0) missing.unshift('root');
  else if ((effective & CAPABILITIES) !== CAPABILITIES) missing.unshift('CAP_SYS_ADMIN and CAP_NET_ADMIN');
  if (missing.length === 0) return;
  throw new Error(
    `a node of a cluster cannot run here; missing: ${missing.join(', ')}. ` +
      'HEADWATER_TEST_WITHOUT=kube-node leaves that suite out.',
  );
}
