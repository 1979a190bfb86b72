import { API_VERSION } from '../../crds/names.ts';

/** What `kubectl apply` sends, for a namespace that the test adds. */
export interface WrittenObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: unknown;
}

export interface BadObject {
  readonly name: string;
  readonly object: WrittenObject;
  /** `field: message` of each cause, or the whole message where the API server names no cause. */
  readonly refused: readonly string[];
}

export const stream = (spec: unknown, name = 'cam-1'): WrittenObject => ({
  apiVersion: API_VERSION,
  kind: 'LiveStream',
  metadata: { name },
  spec,
});

export const policy = (spec: unknown, name = 'archive'): WrittenObject => ({
  apiVersion: API_VERSION,
  kind: 'RecordingPolicy',
  metadata: { name },
  spec,
});
