import { CONDITIONS } from '../crds/conditions.ts';
import { API_VERSION } from '../crds/names.ts';
import { KINDS, type OpenApiSchema, objectSchema } from './crd-definitions.ts';
import { code, generatedNotice, markdownTable } from './markdown.ts';

/** `docs/api-reference.md`: every field of every kind, its rules, and the conditions. */
export function apiDocument(): string {
  return `${generatedNotice('crds/*.ts')}
# API reference: ${API_VERSION}

Namespaced kinds of the category \`headwater\` (\`kubectl get headwater -A\`). Fields that are left out take the value of the pool,
which comes from the chart's values; \`status.effective\` shows what is in force. Durations are whole numbers with a unit: \`10s\`,
\`500ms\`, \`1h30m\`. What a rule refuses, \`kubectl apply\` refuses, with the sentence that stands here.
${KINDS.map(kindSection).join('')}${conditionsSection()}`;
}

function kindSection(kind: (typeof KINDS)[number]): string {
  const schema = objectSchema(kind);
  const { spec, status } = schema.properties!;
  return `
## ${kind.kind}

${prose(schema.description)} Short name \`${kind.shortName}\`.
${rulesOf(schema)}
### ${kind.kind}: spec

${fieldsTable(spec!, 'spec')}${
  status
    ? `
### ${kind.kind}: status

${fieldsTable(status, 'status')}`
    : ''
}`;
}

function rulesOf({ 'x-kubernetes-validations': rules = [] }: OpenApiSchema): string {
  return rules.length === 0 ? '' : `\n${rules.map(({ message }) => `- ${message}\n`).join('')}`;
}

function fieldsTable(schema: OpenApiSchema, path: string): string {
  return markdownTable(['Field', 'Type', 'Meaning', 'Refused with'], [...rows(schema, path)]);
}

function* rows(schema: OpenApiSchema, path: string): Generator<string[]> {
  for (const [key, child] of Object.entries(schema.properties ?? {})) {
    const here = `${path}.${key}`;
    const required = schema.required?.includes(key) === true ? ' Required.' : '';
    const fallback = child.default === undefined ? '' : ` Default ${code(String(child.default))}.`;
    const rules = (child['x-kubernetes-validations'] ?? []).map(({ message }) => message).join('; ');
    yield [code(here), typeOf(child), prose(`${child.description ?? ''}${required}${fallback}`), rules];
    yield* rows(child, here);
    if (child.items) yield* rows(child.items, `${here}[]`);
  }
}

/** Markdown takes `<name>` for a tag. */
const prose = (text = ''): string => text.replace(/<[^\s]*>[^\s,.;:]*/g, code);

function typeOf({
  type = '',
  enum: values,
  items,
  maxLength,
  minimum,
  maximum,
  format,
  maxItems,
}: OpenApiSchema): string {
  if (values) return values.map((value) => code(String(value))).join(' ');
  if (items) return `list of ${typeOf(items)}${maxItems === undefined ? '' : `, at most ${maxItems}`}`;
  if (type === 'integer' && maximum !== undefined) return `integer, ${minimum} to ${maximum}`;
  if (format === 'date-time') return 'time';
  return maxLength === undefined ? type : `${type}, at most ${maxLength}`;
}

function conditionsSection(): string {
  const sections = Object.entries(CONDITIONS).map(
    ([type, { meaning, reasons }]) => `
### ${type}

${meaning}

${markdownTable(
  ['Reason', 'Meaning'],
  Object.entries(reasons).map(([reason, says]) => [code(reason), says]),
)}`,
  );
  return `
## Conditions of a LiveStream

Each has \`observedGeneration\`. \`Ready\` does not need \`Live\`: a camera that is off is not broken.
${sections.join('')}`;
}
