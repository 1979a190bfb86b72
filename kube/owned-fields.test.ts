import { describe, expect, it } from 'vitest';
import type { KubeObject, OwnedFields } from './kube-object.ts';
import { fieldsOwnedBy, isApplied } from './owned-fields.ts';

const owned: OwnedFields = {
  'f:metadata': {
    'f:labels': { 'f:app': {} },
    'f:ownerReferences': { 'k:{"uid":"u1"}': {} },
    'f:finalizers': { 'v:"x/y"': {} },
  },
  'f:spec': {
    'f:type': {},
    'f:ports': { 'k:{"port":1935,"protocol":"TCP"}': { '.': {}, 'f:name': {}, 'f:port': {} } },
  },
};
const base = { apiVersion: 'v1', kind: 'Service' };
const ownerReferences = [{ apiVersion: 'v1', kind: 'Owner', name: 'o', uid: 'u1' }];
const desired = {
  ...base,
  metadata: { namespace: 'a', name: 'b', labels: { app: 'cam' }, ownerReferences, finalizers: ['x/y'] },
  spec: { type: 'ClusterIP', ports: [{ name: 'rtmp', port: 1935 }] },
};
const live = {
  ...base,
  metadata: {
    namespace: 'a',
    name: 'b',
    uid: 'u',
    resourceVersion: '7',
    labels: { app: 'cam', theirs: 'yes' },
    ownerReferences: [...ownerReferences, { apiVersion: 'v1', kind: 'Other', name: 'p', uid: 'u2' }],
    finalizers: ['other/z', 'x/y'],
  },
  spec: {
    type: 'ClusterIP',
    sessionAffinity: 'None',
    ports: [
      { name: 'theirs', port: 80, protocol: 'TCP', targetPort: 80 },
      { name: 'rtmp', port: 1935, protocol: 'TCP', targetPort: 1935 },
    ],
  },
};

/** The object with one field in it changed. */
function having<T extends object>(object: T, path: string, value: unknown): T {
  const copy = structuredClone(object);
  const steps = path.split('.');
  let at = copy as Record<string, unknown>;
  for (const step of steps.slice(0, -1)) at = at[step] as Record<string, unknown>;
  at[steps.at(-1)!] = value;
  return copy;
}

const applied = (want: KubeObject, have: KubeObject, fields = owned): boolean => isApplied(want, have, fields);

describe('isApplied', () => {
  it('is true for an empty list that the server gives as null, and for no other', () => {
    const slice = (endpoints: unknown) => ({ ...base, metadata: { namespace: 'a', name: 'b' }, endpoints });
    const fields: OwnedFields = { 'f:endpoints': {} };
    expect(applied(slice([]), slice(null), fields)).toBe(true);
    expect(applied(slice([]), slice([{}]), fields)).toBe(false);
    expect(applied(slice([{}]), slice(null), fields)).toBe(false);
  });

  it('is true for what the server added and what others added', () => {
    expect(applied(desired, live)).toBe(true);
  });

  it.each([
    { name: 'a value that was edited', live: having(live, 'spec.type', 'NodePort') },
    { name: 'an element that was edited', live: having(live, 'spec.ports.1.name', 'x') },
    { name: 'an element that is gone', live: having(live, 'spec.ports', []) },
    { name: 'a label that was edited', live: having(live, 'metadata.labels.app', 'x') },
    { name: 'an owner that is gone', live: having(live, 'metadata.ownerReferences', []) },
    { name: 'a finalizer that is gone', live: having(live, 'metadata.finalizers', ['other/z']) },
  ])('sees $name', ({ live: edited }) => {
    expect(applied(desired, edited)).toBe(false);
  });

  it.each([
    { name: 'a new field', desired: having(desired, 'spec.extra', 1) },
    { name: 'a field that is no longer wanted', desired: having(desired, 'spec.type', undefined) },
    { name: 'a new element', desired: having(desired, 'spec.ports.1', { name: 'http', port: 8080 }) },
    { name: 'an element that is no longer wanted', desired: having(desired, 'spec.ports', []) },
    { name: 'a new label', desired: having(desired, 'metadata.labels.more', 'x') },
    { name: 'a new value', desired: having(desired, 'spec.ports.0.port', 1936) },
  ])('sees $name', ({ desired: other }) => {
    expect(applied(other, live)).toBe(false);
  });

  it('sees that another manager took a field over, whatever its value', () => {
    const { 'f:type': _, ...rest } = owned['f:spec']!;
    expect(applied(desired, live, { ...owned, 'f:spec': rest })).toBe(false);
  });

  it('of a copy with metadata only it compares metadata, and who owns the rest', () => {
    const data = { 'f:metadata': { 'f:annotations': { 'f:rev': {} } }, 'f:data': { 'f:key': {} } };
    const secret = {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 's', annotations: { rev: '1' } },
      data: { key: 'YQ==' },
    };
    const partial = { apiVersion: 'meta.k8s.io/v1', kind: 'PartialObjectMetadata', metadata: { ...secret.metadata } };
    expect(applied(secret, partial, data)).toBe(true);
    expect(applied(having(secret, 'metadata.annotations.rev', '2'), partial, data)).toBe(false);
    expect(applied(having(secret, 'data.more', 'YQ=='), partial, data)).toBe(false);
    expect(applied(secret, partial, { ...data, 'f:data': {} })).toBe(false);
  });
});

describe('fieldsOwnedBy', () => {
  const entries = [
    { manager: 'us', operation: 'Update' as const, fieldsV1: { a: {} } },
    { manager: 'us', operation: 'Apply' as const, subresource: 'status', fieldsV1: { b: {} } },
    { manager: 'us', operation: 'Apply' as const, fieldsV1: { c: {} } },
  ];
  const object = { ...base, metadata: { name: 'x', managedFields: entries } };
  it('finds what was applied, by subresource', () => {
    expect(fieldsOwnedBy(object, 'us')).toEqual({ c: {} });
    expect(fieldsOwnedBy(object, 'us', 'status')).toEqual({ b: {} });
    expect(fieldsOwnedBy(object, 'them')).toBeUndefined();
  });
});
