import { FIELD_MANAGER, LABELS } from '../../crds/names.ts';
import type { RecordingPolicy } from '../../crds/recording-policy.ts';
import type { Log } from '../../ingest/runtime/log.ts';
import type { Meter } from '../../ingest/runtime/meter.ts';
import type { KubeClient } from '../../kube/client.ts';
import type { KubeObject } from '../../kube/kube-object.ts';
import type { Lease } from '../../kube/lease.ts';
import type { ChangeHandler } from '../../kube/object-cache.ts';
import { ENDPOINT_SLICES, LEASES, type Resource, SECRETS, SERVICES } from '../../kube/resource.ts';
import type { StoredStream } from '../compile/manifest.ts';
import type { ServiceView } from '../compile/publish-address.ts';
import type { OperatorConfig } from '../config/settings.ts';
import { LIVE_STREAMS, ofPool, RECORDING_POLICIES } from './resources.ts';
import { WatchedObjects } from './watched-objects.ts';

/** A Secret with what is in it, base64. */
export interface Secret extends KubeObject {
  readonly type?: string;
  readonly data?: Readonly<Record<string, string>>;
}

export interface EndpointSlice extends KubeObject {
  readonly endpoints?: readonly { readonly addresses: readonly string[] }[];
}

export type Service = KubeObject & ServiceView;
export type Policy = RecordingPolicy & KubeObject;

/** Who is told of changes: each only takes note of a key. */
export interface WorldHandlers {
  readonly stream: ChangeHandler<StoredStream>;
  readonly policy: ChangeHandler<Policy>;
  readonly secret: ChangeHandler<KubeObject>;
  readonly service: ChangeHandler<Service>;
  readonly slice: ChangeHandler<EndpointSlice>;
  readonly runtimeSecret: ChangeHandler<Secret>;
  readonly lease: ChangeHandler<Lease>;
  readonly poolService: ChangeHandler<Service>;
}

/** All that the operator sees of the API server, kept by eight kinds of watch. Replicas that don't lead keep it too, to be ready. */
export class World {
  readonly streams: WatchedObjects<StoredStream>;
  readonly policies: WatchedObjects<Policy>;
  /** Metadata only: what is in a tenant's Secret is read when a stream names it, one by one. */
  readonly secrets: WatchedObjects<KubeObject>;
  readonly services: WatchedObjects<Service>;
  readonly slices: WatchedObjects<EndpointSlice>;
  /** All of the runtime namespace, which holds nothing but what the operator and the pods put there. */
  readonly runtimeSecrets: WatchedObjects<Secret>;
  readonly leases: WatchedObjects<Lease>;
  /** Of the release's namespace. */
  readonly poolServices: WatchedObjects<Service>;

  constructor(config: OperatorConfig, client: KubeClient, on: WorldHandlers, log: Log, meter: Meter) {
    const watched = <T extends KubeObject>(
      namespaces: readonly string[],
      resource: Resource,
      onChange: ChangeHandler<T>,
      more: { readonly labelSelector?: string; readonly fieldSelector?: string; readonly metadataOnly?: boolean } = {},
    ): WatchedObjects<T> =>
      new WatchedObjects<T>(namespaces, { client, resource, manager: FIELD_MANAGER, onChange, log, meter, ...more });
    const { watchNamespaces: tenants, runtimeNamespace, namespace } = config;
    const pool = config.pool.name;
    const labelSelector = `${LABELS.pool}=${pool}`;
    this.streams = watched(tenants, LIVE_STREAMS, on.stream, { fieldSelector: ofPool(pool) });
    this.policies = watched(tenants, RECORDING_POLICIES, on.policy);
    this.secrets = watched(tenants, SECRETS, on.secret, { metadataOnly: true });
    this.services = watched(tenants, SERVICES, on.service, { labelSelector });
    this.slices = watched(tenants, ENDPOINT_SLICES, on.slice, { labelSelector });
    this.runtimeSecrets = watched([runtimeNamespace], SECRETS, on.runtimeSecret);
    this.leases = watched([runtimeNamespace], LEASES, on.lease);
    this.poolServices = watched([namespace], SERVICES, on.poolService);
  }

  get #all(): readonly WatchedObjects<KubeObject>[] {
    const { streams, policies, secrets, services, slices, runtimeSecrets, leases, poolServices } = this;
    return [streams, policies, secrets, services, slices, runtimeSecrets, leases, poolServices] as never;
  }

  get hasSynced(): boolean {
    return this.#all.every(({ hasSynced }) => hasSynced);
  }

  async synced(): Promise<void> {
    await Promise.all(this.#all.map((objects) => objects.synced()));
  }

  /** Seconds since the API server was last heard of, by watch. */
  get ages(): ReadonlyMap<string, number> {
    const names = ['livestreams', 'recordingpolicies', 'secrets', 'services', 'endpointslices'];
    const all = [...names, 'runtime secrets', 'leases', 'pool services'];
    return new Map(this.#all.map(({ ageSeconds }, i) => [all[i]!, ageSeconds]));
  }

  /** Until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#all.map((objects) => objects.run(signal)));
  }
}
