import type { KubeClient } from './client.ts';
import { KubeError } from './kube-error.ts';
import type { KubeObject, ObjectMeta } from './kube-object.ts';
import { apiVersionOf, LEASES, pathOf } from './resource.ts';

/** A `coordination.k8s.io/v1` Lease. Times are RFC 3339 with six digits of a second. */
export interface Lease extends KubeObject {
  readonly spec: {
    readonly holderIdentity?: string;
    readonly leaseDurationSeconds?: number;
    readonly acquireTime?: string;
    readonly renewTime?: string;
    readonly leaseTransitions?: number;
  };
}

/** What a Lease is to say. Annotations and labels given here are the only ones it has. */
export interface LeaseContent {
  readonly namespace: string;
  readonly name: string;
  readonly spec: Lease['spec'];
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** How a Lease is written, beside what it says. */
export interface LeaseWrite {
  /** The version it must still have: ERR_KUBE_CONFLICT else. Without it the Lease is created (ERR_KUBE_CONFLICT when it is there). */
  readonly over?: string | undefined;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

/** `MicroTime`: the API server refuses a time with fewer than six digits. `at` in milliseconds since 1970. */
export function microTime(at: number): string {
  return new Date(at).toISOString().replace('Z', '000Z');
}

/** The Lease, or undefined where there is none. @throws KubeError */
export async function readLease(
  client: KubeClient,
  namespace: string,
  name: string,
  options: Omit<LeaseWrite, 'over'> = {},
): Promise<Lease | undefined> {
  try {
    return await client.request<Lease>({ path: pathOf(LEASES, { namespace, name }), vital: true, ...options });
  } catch (error) {
    if (KubeError.is(error, 'ERR_KUBE_NOT_FOUND')) return undefined;
    throw error;
  }
}

/** Creates the Lease, or replaces the version that was read: a compare-and-set. @throws KubeError */
export function writeLease(client: KubeClient, content: LeaseContent, write: LeaseWrite = {}): Promise<Lease> {
  const { namespace, name, spec, labels, annotations } = content;
  const { over, timeoutMs, signal } = write;
  const metadata: ObjectMeta = {
    namespace,
    name,
    ...(over !== undefined && { resourceVersion: over }),
    ...(labels && { labels }),
    ...(annotations && { annotations }),
  };
  return client.request<Lease>({
    method: over === undefined ? 'POST' : 'PUT',
    path: pathOf(LEASES, over === undefined ? { namespace } : { namespace, name }),
    body: { apiVersion: apiVersionOf(LEASES), kind: LEASES.kind, metadata, spec },
    vital: true,
    signal,
    ...(timeoutMs !== undefined && { timeoutMs }),
  });
}
