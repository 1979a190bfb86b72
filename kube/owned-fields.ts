import { isObject, isWithin, type Json } from './json.ts';
import type { KubeObject, OwnedFields } from './kube-object.ts';

/** Fields that say which object it is: server-side apply never counts them as owned. */
const IDENTITY: ReadonlySet<string> = new Set(['apiVersion', 'kind']);
const IDENTITY_IN_METADATA: ReadonlySet<string> = new Set(['name', 'namespace']);

/** What the manager owns of `object` through server-side apply, or undefined where it never applied anything. */
export function fieldsOwnedBy(object: KubeObject, manager: string, subresource?: string): OwnedFields | undefined {
  const entries = object.metadata.managedFields ?? [];
  const isOurs = entries.find(
    (entry) => entry.manager === manager && entry.operation === 'Apply' && entry.subresource === subresource,
  );
  return isOurs?.fieldsV1;
}

/**
 * Whether applying `desired` would change nothing: the manager owns just these fields, and they have these values.
 * A field that another manager has taken over, a value that was edited, and a field that is ours but no longer wanted
 * all say no. Values the live object does not carry (a metadata-only copy) count as right as long as their field is still ours.
 */
export function isApplied(desired: KubeObject, live: KubeObject, owned: OwnedFields): boolean {
  const metadataOnly = live.kind === 'PartialObjectMetadata';
  const wanted = omit(desired as unknown as Json, IDENTITY);
  const metadata = omit(desired.metadata as unknown as Json, IDENTITY_IN_METADATA);
  const whole: Json = Object.keys(metadata).length > 0 ? { ...wanted, metadata } : omit(wanted, new Set(['metadata']));
  return matches(whole, metadataOnly ? (step) => step === 'metadata' : undefined, live as unknown as Json, owned);
}

/** Compares the fields of one object. `known` limits, at the top, which of them the live object carries. */
function matches(
  desired: Json,
  known: ((field: string) => boolean) | undefined,
  live: unknown,
  owned: OwnedFields,
): boolean {
  const fields = Object.keys(owned).filter((step) => step !== '.');
  const wanted = Object.entries(desired).filter(([, value]) => value !== undefined);
  if (fields.length !== wanted.length) return false;
  return wanted.every(([name, value]) => {
    const below = owned[`f:${name}`];
    if (below === undefined) return false;
    if (known && !known(name)) return matchesUnseen(value, below);
    return matchesValue(value, isObject(live) ? live[name] : undefined, below);
  });
}

function matchesValue(desired: unknown, live: unknown, owned: OwnedFields): boolean {
  // A server gives an empty list as null.
  if (isLeaf(owned)) return isWithin(desired, live ?? (Array.isArray(desired) ? [] : live));
  if (Array.isArray(desired)) return matchesList(desired, Array.isArray(live) ? live : [], owned);
  return isObject(desired) && isObject(live) && matches(desired, undefined, live, owned);
}

/** A list whose elements have keys (`k:`), or are a set of values (`v:`): others may have added elements of their own. */
function matchesList(desired: readonly unknown[], live: readonly unknown[], owned: OwnedFields): boolean {
  const steps = Object.entries(owned).filter(([step]) => step !== '.');
  if (steps.length !== desired.length) return false;
  return steps.every(([step, below]) => {
    const key: unknown = JSON.parse(step.slice(2));
    const same = (element: unknown): boolean =>
      step.startsWith('v:') ? isWithin(key, element) : isObject(element) && isWithin(key, withDefaults(element));
    const wanted = desired.find(same);
    const found = live.find(same);
    if (wanted === undefined || found === undefined) return false;
    return isLeaf(below) || isObject(wanted) === false
      ? isWithin(wanted, found)
      : matches(wanted, undefined, found, below);
  });
}

/** The live value is not known: the names of the fields below must be the same, as in the `data` of a Secret. */
function matchesUnseen(desired: unknown, owned: OwnedFields): boolean {
  if (!isObject(desired)) return true;
  const wanted = Object.entries(desired).filter(([, value]) => value !== undefined);
  const fields = Object.keys(owned).filter((step) => step !== '.');
  return fields.length === wanted.length && wanted.every(([name]) => owned[`f:${name}`] !== undefined);
}

/** Ports are keyed by number and protocol, and the protocol may have been left to its default. */
function withDefaults(element: Json): Json {
  return 'port' in element && !('protocol' in element) ? { ...element, protocol: 'TCP' } : element;
}

const isLeaf = (owned: OwnedFields): boolean => Object.keys(owned).every((step) => step === '.');

function omit(object: Json, names: ReadonlySet<string>): Json {
  return Object.fromEntries(Object.entries(object).filter(([name]) => !names.has(name)));
}
