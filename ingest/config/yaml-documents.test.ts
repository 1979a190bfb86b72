import { expect, it } from 'vitest';
import { parseYamlDocuments } from './yaml-documents.ts';

it('reads several documents, and finds the place of what is in them', () => {
  const { documents, problems } = parseYamlDocuments(
    'x.yaml',
    '# nothing\n---\na:\n  b: [1, {c: d}]\n---\n\n---\ne: 2\n',
  );
  expect(problems).toEqual([]);
  expect(documents.map(({ value }) => value)).toEqual([{ a: { b: [1, { c: 'd' }] } }, { e: 2 }]);
  const [first, second] = documents;
  expect(first!.at(['a', 'b', 1, 'c'])).toBe('x.yaml:4:14');
  expect(first!.at(['a', 'missing', 'below'])).toBe('x.yaml:4:3');
  expect(first!.at([])).toBe('x.yaml:3:1');
  expect(second!.at(['e'])).toBe('x.yaml:8:4');
});

it('says where YAML is broken, and reads nothing of that document', () => {
  const { documents, problems } = parseYamlDocuments('x.yaml', 'a: 1\n---\nb: [1\nc: 2\n');
  expect(documents.map(({ value }) => value)).toEqual([{ a: 1 }]);
  expect(problems[0]).toMatch(/^x\.yaml:\d:\d: /);
});

it('takes an empty file for no documents', () => {
  expect(parseYamlDocuments('x.yaml', '')).toEqual({ documents: [], problems: [] });
});
