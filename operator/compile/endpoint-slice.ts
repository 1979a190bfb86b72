import { isIPv6 } from 'node:net';
import { LABELS, MANAGED_BY } from '../../crds/names.ts';
import { labelsOf, type Manifest, ownedBy, type StoredStream } from './manifest.ts';
import { STREAM_PORTS } from './service.ts';

/** Where a stream is found inside the cluster. */
export interface Endpoint {
  /** A pod IP, from the pod's own heartbeat. */
  readonly address: string;
  /** It serves those who watch, and is about to go. */
  readonly isTerminating: boolean;
}

/** Leads `<name>.<namespace>.svc` to the pod that has the publication. */
export function endpointSlice(stream: StoredStream, { address, isTerminating }: Endpoint): Manifest {
  const conditions = { ready: !isTerminating, serving: true, terminating: isTerminating };
  return sliceOf(stream, isIPv6(address) ? 'IPv6' : 'IPv4', [{ addresses: [address], conditions }]);
}

/** Leads it nowhere: there is no pod. What kind of addresses a slice has cannot be changed. */
export function emptySlice(stream: StoredStream, addressType: string): Manifest {
  return sliceOf(stream, addressType, []);
}

function sliceOf(stream: StoredStream, addressType: string, endpoints: readonly object[]): Manifest {
  const { namespace, name, uid } = stream.metadata;
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name,
      namespace,
      labels: {
        ...labelsOf(stream.spec.pool, uid),
        [LABELS.serviceName]: name,
        'endpointslice.kubernetes.io/managed-by': MANAGED_BY,
      },
      ownerReferences: [ownedBy(stream)],
    },
    addressType,
    ports: [...STREAM_PORTS],
    endpoints,
  };
}
