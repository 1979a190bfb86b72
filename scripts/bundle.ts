import { readFileSync } from 'node:fs';
import path from 'node:path';
import { build, type Plugin } from 'esbuild';
import { ROOT, readSourceFiles } from './source-files.ts';
import { thirdPartyLicences } from './third-party-licences.ts';

/** `new Worker(new URL('./x.ts', import.meta.url))`: a file that no import leads to. */
const WORKER = /new URL\('\.\/([\w-]+)\.ts', import\.meta\.url\)/g;

/** Workers become files of the bundle's own folder, under the name that the bundle looks for. */
const workers: Plugin = {
  name: 'workers',
  setup({ onLoad }) {
    onLoad({ filter: /\.ts$/ }, ({ path: file }) => ({
      contents: readFileSync(file, 'utf8').replace(WORKER, "new URL('./$1.mjs', import.meta.url)"),
      loader: 'ts',
    }));
  },
};

function workerFiles(): string[] {
  return [...readSourceFiles()]
    .filter(([file]) => file.startsWith('ingest/') && !file.endsWith('.test.ts'))
    .flatMap(([file, text]) =>
      [...text.matchAll(WORKER)].map(([, name]) => path.posix.join(path.posix.dirname(file), `${name}.ts`)),
    );
}

/** The program as JavaScript: names relative to one folder, and contents. `cli.mjs` is where it starts; what is loaded lazily stays so. */
export async function bundleProgram(): Promise<ReadonlyMap<string, Buffer>> {
  const entries = ['cli.ts', ...workerFiles()];
  const outdir = path.join(ROOT, 'bundle');
  const { outputFiles, metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: Object.fromEntries(entries.map((file) => [path.basename(file, '.ts'), file])),
    outdir,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    write: false,
    metafile: true,
    splitting: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    minifySyntax: true,
    minifyWhitespace: true,
    // Traces keep names; lines are of no use in a bundle.
    keepNames: true,
    legalComments: 'none',
    logLevel: 'warning',
    plugins: [workers],
    // CommonJS packages ask for Node's modules by `require`, which a module does not have.
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module';const require = __createRequire(import.meta.url);",
    },
  });
  const files = outputFiles.map(({ path: file, contents }): [string, Buffer] => [
    path.relative(outdir, file),
    Buffer.from(contents),
  ]);
  const licences = thirdPartyLicences(Object.keys(metafile.inputs));
  return new Map([
    ...files.sort(([a], [b]) => (a < b ? -1 : 1)),
    ['LICENSE', readFileSync(path.join(ROOT, 'LICENSE'))],
    ['THIRD-PARTY-LICENSES.txt', Buffer.from(licences)],
  ]);
}
