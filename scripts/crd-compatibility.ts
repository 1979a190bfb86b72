import type { OpenApiSchema } from './crd-definitions.ts';

const validationsOf = (node: OpenApiSchema): readonly { readonly rule: string }[] =>
  node['x-kubernetes-validations'] ?? [];

/** Bounds of which a released schema must not be narrowed: `+1` may only grow, `-1` may only shrink. */
const BOUNDS = { maxLength: 1, maxItems: 1, maximum: 1, minLength: -1, minItems: -1, minimum: -1 } as const;

/**
 * What in a schema would break objects that are stored under a released one, or programs that read them. A rule that is added
 * is ratcheted only on a leaf: on an object it refuses every patch of an old object, even of its labels or finalizers
 * (on the root), or of a neighbour field.
 */
export function incompatibilities(released: OpenApiSchema, now: OpenApiSchema, path = 'object'): string[] {
  const problems: string[] = [];
  const say = (what: string): number => problems.push(`${path}: ${what}`);
  if (released.type !== now.type) return [`${path}: was ${released.type}, is ${now.type}`];
  for (const [bound, direction] of Object.entries(BOUNDS) as [keyof typeof BOUNDS, 1 | -1][]) {
    const [before, after] = [released[bound], now[bound]];
    if (after !== undefined && (before === undefined || (after - before) * direction < 0))
      say(`${bound} was ${before ?? 'open'}, is ${after}`);
  }
  const lost = (released.enum ?? []).filter((value) => now.enum !== undefined && !now.enum.includes(value));
  if (lost.length > 0) say(`no longer takes ${lost.join(', ')}`);
  if (released.enum === undefined && now.enum !== undefined) say('took any value, is an enum now');
  if (JSON.stringify(released.default) !== JSON.stringify(now.default))
    say(`its default was ${JSON.stringify(released.default)}, is ${JSON.stringify(now.default)}`);
  if (released['x-kubernetes-list-type'] !== now['x-kubernetes-list-type']) say('its list type has changed');
  for (const key of now.required ?? []) if (!released.required?.includes(key)) say(`requires ${key} now`);

  const isLeaf = now.type !== 'object' && now.type !== 'array';
  const former = new Set(validationsOf(released).map(({ rule }) => rule));
  for (const { rule } of validationsOf(now)) {
    if (!former.has(rule) && !isLeaf) say(`a rule was added to an ${now.type}; put it on a leaf: ${rule}`);
  }
  for (const [key, before] of Object.entries(released.properties ?? {})) {
    const after = now.properties?.[key];
    if (after === undefined) problems.push(`${path}.${key}: is gone`);
    else problems.push(...incompatibilities(before, after, `${path}.${key}`));
  }
  if (released.items) problems.push(...incompatibilities(released.items, now.items ?? {}, `${path}[]`));
  return problems;
}
