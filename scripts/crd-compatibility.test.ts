import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { incompatibilities } from './crd-compatibility.ts';
import { KINDS, type OpenApiSchema, objectSchema } from './crd-definitions.ts';
import { ROOT } from './source-files.ts';

const released = (plural: string): OpenApiSchema =>
  parse(readFileSync(path.join(ROOT, 'crds', 'released', `${plural}.yaml`), 'utf8')).spec.versions[0].schema
    .openAPIV3Schema;

const rule = (text: string) => ({ 'x-kubernetes-validations': [{ rule: text, message: 'no' }] });

describe('incompatibilities', () => {
  it.each(KINDS)('the schema of $kind takes what the released one took', (kind) => {
    expect(incompatibilities(released(kind.plural), objectSchema(kind))).toEqual([]);
  });

  it.each<{ name: string; before: OpenApiSchema; after: OpenApiSchema; want: string[] }>([
    {
      name: 'a field that is gone',
      before: { type: 'object', properties: { a: { type: 'string' } } },
      after: { type: 'object', properties: {} },
      want: ['object.a: is gone'],
    },
    {
      name: 'a field that is new and optional',
      before: { type: 'object', properties: {} },
      after: { type: 'object', properties: { a: { type: 'string' } } },
      want: [],
    },
    {
      name: 'a field that is required now',
      before: { type: 'object' },
      after: { type: 'object', required: ['a'] },
      want: ['object: requires a now'],
    },
    {
      name: 'another type',
      before: { type: 'string' },
      after: { type: 'integer' },
      want: ['object: was string, is integer'],
    },
    {
      name: 'a narrower bound',
      before: { type: 'string', maxLength: 9 },
      after: { type: 'string', maxLength: 8 },
      want: ['object: maxLength was 9, is 8'],
    },
    {
      name: 'a bound that is new',
      before: { type: 'integer' },
      after: { type: 'integer', minimum: 1 },
      want: ['object: minimum was open, is 1'],
    },
    {
      name: 'a wider bound',
      before: { type: 'integer', minimum: 1 },
      after: { type: 'integer', minimum: 0 },
      want: [],
    },
    {
      name: 'a value that is gone',
      before: { type: 'string', enum: ['A', 'B'] },
      after: { type: 'string', enum: ['A'] },
      want: ['object: no longer takes B'],
    },
    {
      name: 'another default',
      before: { type: 'string', default: 'a' },
      after: { type: 'string' },
      want: ['object: its default was "a", is undefined'],
    },
    {
      name: 'a new rule on the root',
      before: { type: 'object' },
      after: { type: 'object', ...rule('self.x') },
      want: ['object: a rule was added to an object; put it on a leaf: self.x'],
    },
    {
      name: 'a new rule on a leaf',
      before: { type: 'string' },
      after: { type: 'string', ...rule('self.x') },
      want: [],
    },
    { name: 'a rule that is gone', before: { type: 'object', ...rule('self.x') }, after: { type: 'object' }, want: [] },
    {
      name: 'what is within a list',
      before: { type: 'array', items: { type: 'string', enum: ['A'] } },
      after: { type: 'array', items: { type: 'string', enum: ['B'] } },
      want: ['object[]: no longer takes A'],
    },
  ])('$name', ({ before, after, want }) => {
    expect(incompatibilities(before, after)).toEqual(want);
  });
});
