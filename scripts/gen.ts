import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { generatedFiles } from './generated.ts';

/** `npm run gen`: writes the generated files. */
for (const [file, content] of generatedFiles()) {
  writeFileSync(path.join(import.meta.dirname, '..', file), content);
  process.stdout.write(`${file}\n`);
}
