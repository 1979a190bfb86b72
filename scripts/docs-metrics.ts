import { METRICS } from '../ingest/runtime/meter.ts';
import { code, generatedNotice, markdownTable } from './markdown.ts';

/** docs/metrics.md. */
export function metricsDocument(): string {
  return `${generatedNotice('ingest/runtime/meter.ts')}
# Metrics

Served at \`/metrics\` on \`--metrics-addr\` (default \`127.0.0.1:9090\`), in the Prometheus text format, beside Node's own (\`nodejs_*\`) and the
process's (\`process_*\`). Labels have few values each: never a stream's name.

${markdownTable(
  ['name', 'type', 'label', 'meaning'],
  Object.entries(METRICS).map(([name, { type, help, label }]) => [code(name), type, code(label ?? ''), `${help}.`]),
)}`;
}
