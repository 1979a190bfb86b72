import type { LiveStream } from '../../crds/live-stream.ts';
import { ANNOTATIONS, API_VERSION, LABELS, MANAGED_BY } from '../../crds/names.ts';

/** What the operator wants an object to be. Only what is in it is the operator's; other managers may have fields beside it. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly ownerReferences?: readonly OwnerReference[];
  };
  readonly [field: string]: unknown;
}

/** As `metav1.OwnerReference`: the garbage collector removes an object with its owner. */
export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller: true;
  readonly blockOwnerDeletion: true;
}

/** A LiveStream as the API server gives it. */
export type StoredStream = LiveStream & { readonly metadata: { readonly uid: string } };

/** For what lies beside its LiveStream and goes with it. */
export function ownedBy(stream: StoredStream): OwnerReference {
  const { name, uid } = stream.metadata;
  // API server, `OwnerReferencesPermissionEnforcement`: blocking needs the right to update the owner's finalizers, which the operator has.
  return { apiVersion: API_VERSION, kind: 'LiveStream', name, uid, controller: true, blockOwnerDeletion: true };
}

/** Labels of everything that is made for one stream. */
export function labelsOf(pool: string, uid: string): Readonly<Record<string, string>> {
  return { [LABELS.managedBy]: MANAGED_BY, [LABELS.pool]: pool, [LABELS.uid]: uid };
}

/** Says which LiveStream an object of the runtime namespace is for. */
export function streamAnnotation(path: string): Readonly<Record<string, string>> {
  return { [ANNOTATIONS.stream]: path };
}

/** `data` of a Secret, from text. */
export function encodeData(values: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => [key, Buffer.from(value, 'utf8').toString('base64')]),
  );
}

/** Text of a Secret's `data`. */
export function decodeData(data: Readonly<Record<string, string>> | undefined): Record<string, string> {
  return Object.fromEntries(
    Object.entries(data ?? {}).map(([key, value]) => [key, Buffer.from(value, 'base64').toString('utf8')]),
  );
}
