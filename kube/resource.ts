/** A kind of object and where the API server keeps it. */
export interface Resource {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
}

const core = (kind: string, plural: string, namespaced = true): Resource => ({
  group: '',
  version: 'v1',
  kind,
  plural,
  namespaced,
});

export const SECRETS = core('Secret', 'secrets');
export const SERVICES = core('Service', 'services');
export const EVENTS = core('Event', 'events');
export const ENDPOINT_SLICES: Resource = {
  group: 'discovery.k8s.io',
  version: 'v1',
  kind: 'EndpointSlice',
  plural: 'endpointslices',
  namespaced: true,
};
export const LEASES: Resource = {
  group: 'coordination.k8s.io',
  version: 'v1',
  kind: 'Lease',
  plural: 'leases',
  namespaced: true,
};

/** `v1`, `coordination.k8s.io/v1`. */
export function apiVersionOf({ group, version }: Resource): string {
  return group === '' ? version : `${group}/${version}`;
}

/** Which object or collection is meant. A namespaced collection without namespace is that of all namespaces. */
export interface Place {
  readonly namespace?: string | undefined;
  readonly name?: string;
  readonly subresource?: 'status' | 'finalizers' | 'token';
}

/** The path of an object or a collection, without query. */
export function pathOf(resource: Resource, { namespace, name, subresource }: Place): string {
  const root = resource.group === '' ? '/api/' : '/apis/';
  const within = resource.namespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : '';
  const object = name === undefined ? '' : `/${encodeURIComponent(name)}`;
  const part = subresource === undefined ? '' : `/${subresource}`;
  return `${root}${apiVersionOf(resource)}${within}/${resource.plural}${object}${part}`;
}
