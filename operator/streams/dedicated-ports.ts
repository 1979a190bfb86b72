import { isPermitted } from '../../crds/compile.ts';
import { LABELS, MANAGED_BY } from '../../crds/names.ts';
import type { Log } from '../../ingest/runtime/log.ts';
import type { Applier } from '../../kube/apply.ts';
import type { KubeClient } from '../../kube/client.ts';
import type { KubeObject } from '../../kube/kube-object.ts';
import { SERVICES } from '../../kube/resource.ts';
import {
  assignPorts,
  dedicatedService,
  dedicatedServiceName,
  type PortClaim,
  type PortRange,
  portName,
} from '../compile/dedicated-ports.ts';
import type { StoredStream } from '../compile/manifest.ts';
import { addressOf, type PublishAddress } from '../compile/publish-address.ts';
import type { OperatorConfig } from '../config/settings.ts';
import type { WatchedObjects } from '../watch/watched-objects.ts';
import type { Service } from '../watch/world.ts';
import type { StreamIndex } from './stream-index.ts';
import type { StreamRecords } from './stream-records.ts';

export interface DedicatedPortsOptions {
  readonly client: KubeClient;
  readonly applier: Applier;
  readonly config: OperatorConfig;
  readonly streams: WatchedObjects<StoredStream>;
  readonly records: StreamRecords;
  readonly index: StreamIndex;
  readonly services: WatchedObjects<Service>;
  readonly log: Log;
}

/** The UDP ports of streams whose encoders cannot send a stream id, and the Service that leads to them. */
export class DedicatedPorts {
  readonly #options: DedicatedPortsOptions;
  #ports: ReadonlyMap<string, number> | undefined;

  constructor(options: DedicatedPortsOptions) {
    this.#options = options;
  }

  /** A stream that has such a port, or wants one, or stands before one that does, has changed. */
  invalidate(): void {
    this.#ports = undefined;
  }

  /** The port of the stream with this uid; null: it has none. */
  portOf(uid: string): number | null {
    return this.#assigned().get(uid) ?? null;
  }

  /** Where publishers reach a port from outside. */
  addressOf(port: number): PublishAddress | undefined {
    const { services, config } = this.#options;
    const service = services.get(`${config.namespace}/${dedicatedServiceName(config.release)}`);
    const { publicHost } = config.ingest;
    // A node's port, where that is what leads in, is another number.
    return service && addressOf(service, portName(port), publicHost, null);
  }

  /** Makes the Service so. @throws KubeError */
  async reconcile(signal: AbortSignal): Promise<void> {
    const { client, applier, config, services } = this.#options;
    const { namespace, release, ingest } = config;
    const names = { namespace, release, pool: config.pool.name };
    const manifest = dedicatedService(names, ingest.dedicatedServiceType, ingest.podLabels, this.#assigned());
    const cache = services.in(namespace);
    const name = dedicatedServiceName(release);
    const present: KubeObject | undefined = services.get(`${namespace}/${name}`);
    if (present !== undefined && !isOurs(present)) {
      this.#options.log.error({ service: name, namespace }, 'dedicated ports: the name of their Service is taken');
      return;
    }
    if (manifest !== undefined) {
      await applier.apply<Service>(SERVICES, manifest as unknown as Service, cache, { signal });
      return;
    }
    if (present !== undefined) await client.remove(SERVICES, { namespace, name }, present.metadata.uid, signal);
  }

  #assigned(): ReadonlyMap<string, number> {
    if (this.#ports !== undefined) return this.#ports;
    const { streams, config } = this.#options;
    const range: PortRange | null = config.pool.srt.dedicatedPorts;
    const claims = [...streams.values()].map((stream) => this.#claimOf(stream)).filter((claim) => claim !== undefined);
    this.#ports = assignPorts(claims, range);
    return this.#ports;
  }

  /** Who is refused takes no port from others; one that it has already is its own as long as it is in force. */
  #claimOf(stream: StoredStream): PortClaim | undefined {
    if (stream.spec.ingest?.dedicatedPort !== true) return undefined;
    const { records, index, config } = this.#options;
    const { pool } = config;
    const { uid, namespace, creationTimestamp = '' } = stream.metadata;
    const port = records.of(uid)?.config.srt.dedicatedPort ?? undefined;
    const older = pool.maxStreamsPerNamespace > 0 ? index.olderThan(stream) : 0;
    if (port === undefined && !isPermitted(namespace, older, pool)) return undefined;
    return { uid, createdAt: creationTimestamp, port };
  }
}

/** Either label will do: the one that another hand removed is then put back. */
function isOurs({ metadata: { labels } }: KubeObject): boolean {
  return labels?.[LABELS.managedBy] === MANAGED_BY || labels?.[LABELS.pool] !== undefined;
}
