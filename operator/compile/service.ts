import { PORTS } from '../../crds/names.ts';
import { labelsOf, type Manifest, ownedBy, type StoredStream } from './manifest.ts';

/** Ports by which programs in the cluster watch a stream at its owner. */
export const STREAM_PORTS = [
  { name: 'rtmp', port: PORTS.rtmp, protocol: 'TCP' },
  { name: 'http', port: PORTS.http, protocol: 'TCP' },
  { name: 'srt', port: PORTS.srt, protocol: 'UDP' },
] as const;

/** Headless and without selector: a name in DNS that costs kube-proxy nothing; its EndpointSlice follows the owner. */
export function streamService(stream: StoredStream): Manifest {
  const { namespace, name, uid } = stream.metadata;
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace, labels: labelsOf(stream.spec.pool, uid), ownerReferences: [ownedBy(stream)] },
    spec: {
      type: 'ClusterIP',
      clusterIP: 'None',
      ports: STREAM_PORTS.map((port) => ({ ...port, targetPort: port.port })),
    },
  };
}
