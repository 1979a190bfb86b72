import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { crdFiles, KINDS, type OpenApiSchema, objectSchema } from './crd-definitions.ts';

/** Every node of a schema below metadata, with its path. */
function* nodes(schema: OpenApiSchema, path = ''): Generator<[string, OpenApiSchema]> {
  yield [path, schema];
  for (const [key, child] of Object.entries(schema.properties ?? {})) {
    if (path !== '' || key === 'spec' || key === 'status') yield* nodes(child, `${path}.${key}`);
  }
  if (schema.items) yield* nodes(schema.items, `${path}[]`);
}

describe.each(KINDS)('the schema of $kind', (kind) => {
  const all = [...nodes(objectSchema(kind))];

  it('is structural: each node has a type, and no object is closed', () => {
    for (const [path, node] of all) {
      expect(node.type, path).toMatch(/^(object|array|string|integer|boolean)$/);
      expect(node, path).not.toHaveProperty('additionalProperties');
      for (const key of ['anyOf', 'oneOf', 'allOf', 'not', 'nullable', '$ref'])
        expect(node, path).not.toHaveProperty(key);
    }
  });

  it('limits every string, list and number', () => {
    for (const [path, node] of all) {
      if (node.type === 'string') expect(node.enum ?? node.maxLength, path).toBeDefined();
      if (node.type === 'array') expect(node.maxItems, path).toBeDefined();
      if (node.type === 'integer') expect(node.enum ?? node.minimum, path).toBeDefined();
    }
  });

  it('describes every field', () => {
    for (const [path, node] of all) if (!path.endsWith('[]')) expect(node.description, path).toMatch(/\.$|…$/);
  });

  it('gives a default to the pool alone, and has no rule on spec', () => {
    expect(all.filter(([, node]) => node.default !== undefined).map(([path]) => path)).toEqual(
      kind.kind === 'LiveStream' ? ['.spec.pool'] : [],
    );
    expect(all.find(([path]) => path === '.spec')![1]).not.toHaveProperty('x-kubernetes-validations');
  });

  it('says of every rule what to write', () => {
    for (const [path, node] of all) {
      for (const { message } of node['x-kubernetes-validations'] ?? [])
        expect(message.length, path).toBeGreaterThan(15);
    }
  });
});

describe('the definitions', () => {
  const definition = parse(crdFiles().get('livestreams.yaml')!);
  const [version] = definition.spec.versions;

  it('have short names, a category, a status subresource and a field to select by', () => {
    expect(definition.spec.names).toMatchObject({ shortNames: ['lstream'], categories: ['headwater'] });
    expect(version.subresources).toEqual({ status: {} });
    expect(version.selectableFields).toEqual([{ jsonPath: '.spec.pool' }]);
  });

  it('show columns that the schema has', () => {
    for (const { kind, columns } of KINDS) {
      const schema = objectSchema(KINDS.find((one) => one.kind === kind)!);
      for (const { jsonPath } of columns) {
        if (jsonPath.startsWith('.metadata') || jsonPath.includes('[?')) continue;
        let node: OpenApiSchema | undefined = schema;
        for (const key of jsonPath.slice(1).split('.')) node = node?.properties?.[key];
        expect(node, jsonPath).toBeDefined();
      }
    }
    expect(
      version.additionalPrinterColumns.filter((column: { priority?: number }) => column.priority === 1).length,
    ).toBeGreaterThan(3);
  });

  it('keep conditions as a map by type', () => {
    const { conditions } = version.schema.openAPIV3Schema.properties.status.properties;
    expect(conditions).toMatchObject({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] });
    expect(conditions.items.required).toContain('observedGeneration');
  });
});
