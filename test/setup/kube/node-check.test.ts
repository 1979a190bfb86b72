import { describe, expect, it } from 'vitest';
import { checkNode, type Machine } from './node-check.ts';

const ALL_CAPABILITIES = '000001ffffffffff';
const CGROUPS = '/sys/fs/cgroup/cgroup.controllers';
const BRIDGES = '/proc/sys/net/bridge/bridge-nf-call-iptables';

interface Described {
  readonly user?: number;
  readonly capabilities?: string;
  readonly filesystems?: string;
  readonly there?: readonly string[];
}

/** A machine that has all it takes, but for what is said. */
function machine({
  user = 0,
  capabilities = ALL_CAPABILITIES,
  filesystems = 'nodev\tproc\n\text4\nnodev\toverlay\n',
  there = [CGROUPS, BRIDGES],
}: Described): Machine {
  const files: Readonly<Record<string, string>> = {
    '/proc/filesystems': filesystems,
    '/proc/self/status': `Name:\tnode\nCapPrm:\t${ALL_CAPABILITIES}\nCapEff:\t${capabilities}\n`,
  };
  return { user, read: (file) => files[file]!, exists: (file) => there.includes(file) };
}

describe('checkNode', () => {
  it.each<{ name: string; of: Described }>([
    { name: 'all there', of: {} },
    { name: 'cgroups of the first version', of: { there: ['/sys/fs/cgroup/pids', BRIDGES] } },
  ])('$name: a node can run', ({ of }) => {
    expect(() => checkNode(machine(of))).not.toThrow();
  });

  it.each<{ name: string; of: Described; missing: string }>([
    { name: 'another user', of: { user: 1000, capabilities: '0' }, missing: 'root' },
    { name: 'a user with the capabilities', of: { user: 1000 }, missing: 'root' },
    {
      name: 'root of a container without CAP_SYS_ADMIN',
      of: { capabilities: '00000000a80435fb' },
      missing: 'CAP_SYS_ADMIN and CAP_NET_ADMIN',
    },
    { name: 'no overlayfs', of: { filesystems: 'nodev\tproc\n\text4\n' }, missing: 'overlayfs (containers)' },
    { name: 'no cgroups', of: { there: [BRIDGES] }, missing: 'cgroups (pods)' },
    { name: 'no bridge netfilter', of: { there: [CGROUPS] }, missing: 'bridge netfilter (pods)' },
    {
      name: 'much at once',
      of: { user: 1000, there: [] },
      missing: 'root, cgroups (pods), bridge netfilter (pods)',
    },
  ])('$name: it says what is missing, and how to do without', ({ of, missing }) => {
    expect(() => checkNode(machine(of))).toThrow(
      `a node of a cluster cannot run here; missing: ${missing}. HEADWATER_TEST_WITHOUT=kube-node leaves that suite out.`,
    );
  });
});
