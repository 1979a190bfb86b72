import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { PROTOCOL_FAULTS } from '../ingest/protocol/protocol-error.ts';
import { FAULT_TABLE } from '../ingest/runtime/fault-table.ts';
import { generatedFiles } from './generated.ts';
import { lockFileAddresses, longFiles, modulesCruised, pollsSideBySide, unexplainedCodes } from './source-checks.ts';
import { ROOT, readSourceFiles } from './source-files.ts';

/** One part of `npm run check`: gives what is wrong, nothing where all is well. */
interface Step {
  readonly name: string;
  run(): string[] | Promise<string[]>;
}

const BIN = path.join(ROOT, 'node_modules', '.bin');

/** Runs a tool of node_modules and gives its output where it failed. */
async function tool(
  command: string,
  args: readonly string[],
): Promise<{ readonly ok: boolean; readonly output: string }> {
  const child = spawn(path.join(BIN, command), args, {
    cwd: ROOT,
    env: { ...process.env, PATH: `${BIN}${path.delimiter}${process.env.PATH ?? ''}`, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output: Buffer[] = [];
  child.stdout.on('data', (piece: Buffer) => output.push(piece));
  child.stderr.on('data', (piece: Buffer) => output.push(piece));
  const ok = await new Promise<boolean>((resolve) => {
    child.on('error', (error) => {
      output.push(Buffer.from(`${command}: ${error.message}`));
      resolve(false);
    });
    child.on('close', (status) => resolve(status === 0));
  });
  return { ok, output: output.map(String).join('').trim() };
}

const failure = ({ ok, output }: { ok: boolean; output: string }): string[] => (ok ? [] : [output]);

async function boundaries(sources: ReadonlyMap<string, string>): Promise<string[]> {
  const roots = ['cli.ts', 'crds', 'ingest', 'kube', 'operator', 'scripts', 'test'];
  const result = await tool('depcruise', ['--config', '.dependency-cruiser.cjs', '--output-type', 'err', ...roots]);
  const expected = [...sources.keys()].filter((file) => roots.includes(file.split('/')[0]!)).length;
  const seen = modulesCruised(result.output);
  const problems = failure(result);
  // A cruiser that cannot parse TypeScript sees nothing, and nothing breaks no rule.
  if (seen < expected) problems.push(`only ${seen} of ${expected} modules were cruised:\n${result.output}`);
  return problems;
}

function staleFiles(): string[] {
  return [...generatedFiles()]
    .filter(([file, content]) => readFileSync(path.join(ROOT, file), 'utf8') !== content)
    .map(([file]) => `${file} is stale: npm run gen`);
}

const sources = readSourceFiles();
const steps: readonly Step[] = [
  { name: 'types', run: async () => failure(await tool('tsc', ['-p', '.', '--pretty', 'false'])) },
  {
    name: 'format and lint',
    run: async () => failure(await tool('biome', ['ci', '--error-on-warnings', '--colors=off'])),
  },
  { name: 'import boundaries', run: () => boundaries(sources) },
  {
    name: 'dead code',
    run: async () => failure(await tool('knip', ['--no-progress', '--treat-config-hints-as-errors'])),
  },
  { name: 'generated files', run: staleFiles },
  {
    name: 'error codes',
    run: () => unexplainedCodes(sources, [...Object.keys(PROTOCOL_FAULTS), ...Object.keys(FAULT_TABLE)]),
  },
  { name: 'concurrent tests', run: () => pollsSideBySide(sources) },
  { name: 'file lengths', run: () => longFiles(sources) },
  { name: 'lock file', run: () => lockFileAddresses(readFileSync(path.join(ROOT, 'package-lock.json'), 'utf8')) },
];

let failed = 0;
for (const { name, run } of steps) {
  const began = performance.now();
  const problems = await run();
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  process.stdout.write(`${problems.length === 0 ? 'ok  ' : 'FAIL'} ${name} (${seconds} s)\n`);
  for (const problem of problems) process.stdout.write(`${problem}\n`);
  if (problems.length > 0) failed += 1;
}
process.stdout.write(`check: ${steps.length - failed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;
