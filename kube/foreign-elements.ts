import { isObject, isWithin } from './json.ts';
import type { KubeObject } from './kube-object.ts';

/** An operation of a JSON patch (RFC 6902). */
export interface PatchOperation {
  readonly op: 'test' | 'replace';
  /** A JSON pointer (RFC 6901). */
  readonly path: string;
  readonly value: unknown;
}

/**
 * Takes out of the lists of `live` that `desired` has too every element that is none of the desired ones. Server-side
 * apply cannot: elements that another manager made stay, even where the object is invalid with both (a Service whose
 * port number was edited has two ports of one name). Empty where there is nothing of that kind.
 */
export function removeForeignElements(desired: KubeObject, live: KubeObject): PatchOperation[] {
  const found = [...foreignLists(desired, live, '')];
  if (found.length === 0) return [];
  return [{ op: 'test', path: '/metadata/resourceVersion', value: live.metadata.resourceVersion }, ...found];
}

function* foreignLists(desired: unknown, live: unknown, path: string): Generator<PatchOperation> {
  if (Array.isArray(desired)) {
    if (!Array.isArray(live)) return;
    const kept = live.filter((element) => desired.some((wanted) => isWithin(wanted, element)));
    if (kept.length < live.length) yield { op: 'replace', path, value: kept };
    return;
  }
  if (!isObject(desired) || !isObject(live)) return;
  for (const [name, value] of Object.entries(desired)) {
    yield* foreignLists(value, live[name], `${path}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`);
  }
}
