import { LABELS, MANAGED_BY } from '../../crds/names.ts';
import type { Manifest } from './manifest.ts';

/** A range of UDP ports, both ends included. */
export interface PortRange {
  readonly from: number;
  readonly to: number;
}

/** A stream that wants a UDP port of its own. */
export interface PortClaim {
  readonly uid: string;
  /** RFC 3339; older ones go first. */
  readonly createdAt: string;
  /** The port that it has; undefined: none yet. */
  readonly port: number | undefined;
}

/** Who gets which port: those who have one keep it, the rest take the lowest free ones, oldest first, as far as they go. */
export function assignPorts(claims: readonly PortClaim[], range: PortRange | null): ReadonlyMap<string, number> {
  const ports = new Map<string, number>();
  if (range === null) return ports;
  const taken = new Set<number>();
  const inOrder = [...claims].sort((a, b) =>
    a.createdAt === b.createdAt ? compare(a.uid, b.uid) : compare(a.createdAt, b.createdAt),
  );
  const waiting: PortClaim[] = [];
  for (const claim of inOrder) {
    const { port } = claim;
    if (port !== undefined && port >= range.from && port <= range.to && !taken.has(port)) {
      ports.set(claim.uid, port);
      taken.add(port);
    } else waiting.push(claim);
  }
  let next = range.from;
  for (const { uid } of waiting) {
    while (taken.has(next)) next += 1;
    if (next > range.to) break;
    ports.set(uid, next);
    taken.add(next);
  }
  return ports;
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** What the Service with the dedicated ports needs to know of its release. */
export interface ReleaseNames {
  readonly namespace: string;
  readonly release: string;
  readonly pool: string;
}

/** `<release>-srt-dedicated`. */
export const dedicatedServiceName = (release: string): string => `${release}-srt-dedicated`;

/** One UDP port for each stream that has one of its own, all to the pool's pods; undefined: there is none. */
export function dedicatedService(
  { namespace, release, pool }: ReleaseNames,
  type: 'ClusterIP' | 'NodePort' | 'LoadBalancer',
  selector: Readonly<Record<string, string>>,
  ports: ReadonlyMap<string, number>,
): Manifest | undefined {
  if (ports.size === 0) return undefined;
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name: dedicatedServiceName(release),
      namespace,
      labels: { [LABELS.managedBy]: MANAGED_BY, [LABELS.pool]: pool },
    },
    spec: {
      type,
      selector,
      ports: [...ports.values()]
        .sort((a, b) => a - b)
        .map((port) => ({ name: portName(port), port, targetPort: port, protocol: 'UDP' })),
    },
  };
}

/** Name of a stream's port on that Service. */
export const portName = (port: number): string => `srt-${port}`;
