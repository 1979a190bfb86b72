import { chartValuesSchema } from './chart-values.ts';
import { crdFiles } from './crd-definitions.ts';
import { apiDocument } from './docs-api.ts';
import { configDocument, operatorConfigDocument } from './docs-config.ts';
import { errorsDocument } from './docs-errors.ts';
import { metricsDocument } from './docs-metrics.ts';

/** Every generated file: its path in the repository and what it must hold. */
export function generatedFiles(): ReadonlyMap<string, string> {
  return new Map([
    ...[...crdFiles()].flatMap(([name, content]): [string, string][] => [
      [`crds/${name}`, content],
      [`charts/headwater/files/crds/${name}`, content],
    ]),
    ['charts/headwater/values.schema.json', chartValuesSchema()],
    ['docs/api-reference.md', apiDocument()],
    ['docs/config.md', configDocument()],
    ['docs/errors.md', errorsDocument()],
    ['docs/metrics.md', metricsDocument()],
    ['docs/operator-config.md', operatorConfigDocument()],
  ]);
}
