import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { modulesCruised } from './source-checks.ts';
import { ROOT } from './source-files.ts';

/** A small tree in which each file breaks one rule; the name of the rule is what dependency-cruiser must say. */
const PLANTED: readonly { readonly file: string; readonly text: string; readonly rule: string | null }[] = [
  { file: 'ingest/relay/a.ts', text: "import '../media/ok.ts';", rule: null },
  { file: 'ingest/media/ok.ts', text: 'export const ok = 1;', rule: null },
  { file: 'ingest/protocol/fmp4/ok.ts', text: "import '../../bytes/ok.ts';", rule: null },
  { file: 'ingest/bytes/ok.ts', text: "import 'node:buffer';", rule: null },
  { file: 'ingest/record/ok.ts', text: "import '../protocol/fmp4/ok.ts';", rule: null },
  { file: 'ingest/bytes/a.ts', text: "import '../media/ok.ts';", rule: 'boundary-of-ingest-bytes' },
  { file: 'ingest/media/a.ts', text: "import '../bytes/ok.ts';", rule: 'boundary-of-ingest-media' },
  { file: 'ingest/protocol/rtmp/a.ts', text: "import '../../media/ok.ts';", rule: 'boundary-of-ingest-protocol' },
  { file: 'ingest/record/a.ts', text: "import '../protocol/rtmp/a.ts';", rule: 'boundary-of-ingest-record' },
  { file: 'ingest/serve/a.ts', text: "import '../record/ok.ts';", rule: 'boundary-of-ingest-serve' },
  { file: 'ingest/codec/a.ts', text: "import type { x } from '../relay/a.ts';", rule: 'boundary-of-ingest-codec' },
  { file: 'ingest/relay/b.ts', text: "import 'node:net';", rule: 'only-few-use-sockets' },
  { file: 'ingest/serve/ok.ts', text: "import 'node:net';", rule: null },
  { file: 'ingest/relay/c.ts', text: "import 'node:fs/promises';", rule: 'only-few-use-files' },
  { file: 'ingest/media/b.ts', text: "import './c.ts';", rule: 'no-cycles' },
  // A cycle is reported once.
  { file: 'ingest/media/c.ts', text: "import './b.ts';", rule: null },
  { file: 'ingest/media/d.ts', text: "import '../../test/support/x.ts';", rule: 'no-test-code-in-source' },
  { file: 'test/support/x.ts', text: 'export const x = 1;', rule: null },
  { file: 'ingest/newfolder/a.ts', text: 'export const y = 1;', rule: null },
  { file: 'ingest/media/e.ts', text: "import '../newfolder/a.ts';", rule: 'folder-has-a-rule' },
  { file: 'ingest/media/f.ts', text: "import './gone.ts';", rule: 'no-unresolvable' },
  { file: 'ingest/runtime/ok.ts', text: 'export const z = 1;', rule: null },
  { file: 'crds/ok.ts', text: 'export const c = 1;', rule: null },
  { file: 'crds/a.ts', text: "import '../ingest/runtime/ok.ts';", rule: 'boundary-of-crds' },
  { file: 'kube/ok.ts', text: "import '../ingest/runtime/ok.ts';", rule: null },
  { file: 'kube/a.ts', text: "import '../crds/ok.ts';", rule: 'boundary-of-kube' },
  { file: 'operator/ok.ts', text: "import '../kube/ok.ts';\nimport '../crds/ok.ts';", rule: null },
  { file: 'operator/a.ts', text: "import '../ingest/relay/a.ts';", rule: 'boundary-of-operator' },
  { file: 'operator/compile/ok.ts', text: "import '../../crds/ok.ts';", rule: null },
  { file: 'operator/compile/a.ts', text: "import '../../kube/ok.ts';", rule: 'boundary-of-operator-compile' },
  { file: 'ingest/cluster/kubernetes.ts', text: "import '../../kube/ok.ts';", rule: null },
  { file: 'ingest/cluster/a.ts', text: "import '../../kube/ok.ts';", rule: 'kube-only-in-a-cluster' },
  { file: 'ingest/cluster/ok.ts', text: "void import('./kubernetes.ts');", rule: null },
  { file: 'ingest/cluster/b.ts', text: "import './kubernetes.ts';", rule: 'kubernetes-is-loaded-lazily' },
  { file: 'ingest/relay/d.ts', text: "import '../../operator/ok.ts';", rule: 'boundary-of-ingest-relay' },
];

const ROOTS = ['crds', 'ingest', 'kube', 'operator', 'test'];

let dir: string;
let output: string;
beforeAll(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'headwater-boundaries-'));
  for (const { file, text } of PLANTED) {
    mkdirSync(path.join(dir, path.dirname(file)), { recursive: true });
    writeFileSync(path.join(dir, file), `${text}\nexport {};\n`);
  }
  writeFileSync(path.join(dir, 'tsconfig.json'), '{"compilerOptions": {"module": "nodenext"}}');
  const bin = path.join(ROOT, 'node_modules/dependency-cruiser/bin/dependency-cruiser.mjs');
  const config = path.join(ROOT, '.dependency-cruiser.cjs');
  output = String(spawnSync(process.execPath, [bin, '--config', config, ...ROOTS], { cwd: dir }).stdout);
});
afterAll(() => rmSync(dir, { recursive: true }));

/** The lines of the report that are about a file. */
const about = (file: string): string[] => output.split('\n').filter((line) => line.includes(`: ${file} →`));

describe('.dependency-cruiser.cjs', () => {
  it('sees every file', () => {
    expect(modulesCruised(output)).toBeGreaterThanOrEqual(PLANTED.length);
  });

  it.each(PLANTED)('$file: $rule', ({ file, rule }) => {
    const reports = about(file);
    if (rule === null) expect(reports).toEqual([]);
    else expect(reports.join('\n')).toContain(`error ${rule}: ${file}`);
  });
});
