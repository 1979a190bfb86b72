import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { type Setup, setUp } from './setup/setup.ts';

const ROOT = join(import.meta.dirname, '..');

/** A part of `npm test`. */
interface Suite {
  readonly name: string;
  readonly about: string;
  /** Seconds it may take on two cores, tools installed. Taking longer fails the run. */
  readonly budget: number;
  readonly needs: readonly (keyof Setup)[];
  /** Its tests measure time: it starts when nothing is being built any more. */
  readonly realTime?: true;
  /** Words for node, or the vitest project of the suite's name. */
  readonly command: readonly string[] | 'vitest';
}

const SUITES: readonly Suite[] = [
  {
    name: 'check',
    about: 'types, lint, import boundaries, dead code, generated files',
    budget: 120,
    needs: [],
    command: ['scripts/check.ts'],
  },
  {
    name: 'unit',
    about: 'tests beside their sources',
    budget: 180,
    needs: ['clients'],
    realTime: true,
    command: 'vitest',
  },
  {
    name: 'fuzz',
    about: 'parsers against mutated input, 30 seconds',
    budget: 60,
    needs: [],
    command: ['test/fuzz/fuzz.ts', '--seconds', '30'],
  },
  {
    name: 'interop',
    about: 'real clients publish and play',
    budget: 330,
    needs: ['clients'],
    realTime: true,
    command: 'vitest',
  },
  {
    name: 'churn',
    about: 'thousands of publishers and viewers, flat',
    budget: 120,
    needs: ['clients'],
    realTime: true,
    command: 'vitest',
  },
  {
    name: 'chaos',
    about: 'kill, power loss, store down, full disk',
    budget: 420,
    needs: ['clients', 'minio'],
    realTime: true,
    command: 'vitest',
  },
  {
    name: 'kube-api',
    about: 'operator and ingest against a real API server',
    budget: 600,
    needs: ['clients', 'minio', 'kubernetes', 'helm'],
    realTime: true,
    command: 'vitest',
  },
  {
    name: 'kube-node',
    about: 'the chart on a real cluster of one node',
    budget: 480,
    needs: ['clients', 'minio', 'kubernetes', 'helm', 'node'],
    realTime: true,
    command: 'vitest',
  },
  {
    name: 'lossy',
    about: 'SRT over networks that lose, delay and reorder',
    budget: 330,
    needs: ['clients'],
    realTime: true,
    command: 'vitest',
  },
  {
    name: 'bench-small',
    about: 'the benchmark in small, with wide limits',
    budget: 200,
    needs: ['clients', 'minio'],
    realTime: true,
    command: ['test/bench/run.ts', '--small'],
  },
  { name: 'readme', about: 'every command of README.md', budget: 120, needs: ['clients'], command: 'vitest' },
];

/** How one suite ended. Suites that vitest does not run count as one test. */
interface Outcome {
  readonly suite: Suite;
  readonly seconds: number;
  readonly passed: number;
  readonly failed: number;
  /** Why it counts as failed, beside failed tests. */
  readonly fault: string | undefined;
  /** What failed and how, a text for each test: a run of half an hour has long scrolled away what was said of it. */
  readonly complaints: readonly string[];
}

async function runSuite(suite: Suite, setup: Setup): Promise<Outcome> {
  try {
    for (const need of suite.needs) await setup[need];
    // A cold build takes both cores for minutes. Whoever needs what failed says so; here it only has to be over.
    if (suite.realTime) await Promise.allSettled(Object.values(setup));
  } catch (error) {
    const fault = error instanceof Error ? error.message : String(error);
    return { suite, seconds: 0, passed: 0, failed: 1, fault, complaints: [] };
  }
  console.log(`\n=== ${suite.name}: ${suite.about} (budget ${suite.budget} s)`);
  const began = performance.now();
  const counted = suite.command === 'vitest' ? await runVitest(suite) : await runScript(suite, suite.command);
  const seconds = (performance.now() - began) / 1000;
  const late = seconds > suite.budget ? `took longer than its budget of ${suite.budget} s` : undefined;
  const fault = [counted.fault, late].filter(Boolean).join('; ') || undefined;
  console.log(`=== ${suite.name}: ${seconds.toFixed(1)} s of ${suite.budget} s${fault ? `; FAILED: ${fault}` : ''}`);
  return { suite, seconds, ...counted, fault };
}

type Counted = Pick<Outcome, 'passed' | 'failed' | 'fault' | 'complaints'>;

async function runScript(suite: Suite, command: readonly string[]): Promise<Counted> {
  const code = await runNode(command, suite.budget);
  return {
    passed: code === 0 ? 1 : 0,
    failed: code === 0 ? 0 : 1,
    fault: code === 0 ? undefined : `exited with ${code}`,
    complaints: [],
  };
}

async function runVitest(suite: Suite): Promise<Counted> {
  const dir = mkdtempSync(join(tmpdir(), 'headwater-run-'));
  try {
    const report = join(dir, 'report.json');
    const vitest = join(ROOT, 'node_modules/vitest/vitest.mjs');
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
    const code = await runNode([vitest, 'run', '--project', suite.name, ...reporters], suite.budget);
    return judge(code, JSON.parse(readFileSync(report, 'utf8')));
  } catch (error) {
    const fault = `no report: ${error instanceof Error ? error.message : error}`;
    return { passed: 0, failed: 1, fault, complaints: [] };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** What matters of vitest's JSON report. */
interface VitestReport {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: readonly {
    /** The file's path. */
    readonly name: string;
    /** Why the file as a whole failed: it could not be loaded, or a hook threw. */
    readonly message: string;
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: string;
      readonly failureMessages: readonly string[];
    }[];
  }[];
}

/** A test that was skipped shows nothing: it fails the run as much as a failed one. */
function judge(code: number, report: VitestReport): Counted {
  const skipped = report.numPendingTests + report.numTodoTests;
  const faults = [
    ...(code === 0 ? [] : [`exited with ${code}`]),
    ...(skipped === 0 ? [] : [`${skipped} tests were skipped`]),
    ...(report.numPassedTests + report.numFailedTests > 0 ? [] : ['no test ran']),
  ];
  const failed = report.numFailedTests + skipped;
  return {
    passed: report.numPassedTests,
    failed: faults.length > 0 ? Math.max(1, failed) : failed,
    fault: faults.join('; ') || undefined,
    complaints: complaintsOf(report),
  };
}

const COMPLAINT_LINES = 30;

function complaintsOf(report: VitestReport): string[] {
  return report.testResults.flatMap((file) => {
    const where = relative(ROOT, file.name);
    const whole = file.message === '' ? [] : [`${where}\n${indented(file.message)}`];
    const tests = file.assertionResults
      .filter((test) => test.status === 'failed')
      .map((test) => `${where} > ${test.fullName}\n${indented(test.failureMessages.join('\n'))}`);
    return [...whole, ...tests];
  });
}

function indented(text: string): string {
  const lines = text.split('\n').filter((line) => line !== '' && !line.includes('/node_modules/'));
  const shown = lines.length > COMPLAINT_LINES ? [...lines.slice(0, COMPLAINT_LINES), '…'] : lines;
  return shown.map((line) => `    ${line}`).join('\n');
}

/** Runs node with our output; past twice its budget it hangs, and is killed. */
function runNode(args: readonly string[], budget: number): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  const child = spawn(process.execPath, [...args], { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] });
  const hung = setTimeout(() => child.kill('SIGKILL'), 2 * budget * 1000);
  child.on('error', () => resolve(127));
  child.on('close', (code) => {
    clearTimeout(hung);
    resolve(code ?? 137);
  });
  return promise;
}

function printComplaints(outcomes: readonly Outcome[]): void {
  for (const { suite, complaints } of outcomes) {
    for (const complaint of complaints) console.log(`\nFAILED ${suite.name}: ${complaint}`);
  }
}

function printTable(outcomes: readonly Outcome[], seconds: number): void {
  const failed = outcomes.reduce((sum, each) => sum + each.failed + (each.failed === 0 && each.fault ? 1 : 0), 0);
  const passed = outcomes.reduce((sum, each) => sum + each.passed, 0);
  console.log(
    `\n${'suite'.padEnd(12)}${'tests'.padStart(7)}${'failed'.padStart(8)}${'seconds'.padStart(9)}${'budget'.padStart(8)}`,
  );
  for (const { suite, passed: ok, failed: bad, seconds: took, fault } of outcomes) {
    const counts = `${String(ok + bad).padStart(7)}${String(bad).padStart(8)}`;
    const times = `${took.toFixed(1).padStart(9)}${String(suite.budget).padStart(8)}`;
    console.log(`${suite.name.padEnd(12)}${counts}${times}${fault ? `  ${fault}` : ''}`);
  }
  console.log(`\nall of it: ${(seconds / 60).toFixed(1)} min`);
  console.log(`${passed} passed, ${failed} failed`);
  if (failed > 0) process.exitCode = 1;
}

const HELP = `npm test [-- SUITE…]   runs the suites, all by default, in this order

${SUITES.map((suite) => `  ${suite.name.padEnd(12)} ${suite.about}`).join('\n')}

  --list   names of the suites, one a line
  --help   this

  HEADWATER_TEST_WITHOUT=kube-node,kube-api   suites to leave out of all, where root or the kernel lacks something`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { list: { type: 'boolean' }, help: { type: 'boolean' } },
});
const leftOut = (process.env.HEADWATER_TEST_WITHOUT ?? '').split(',').filter((name) => name !== '');
const unknown = [...positionals, ...leftOut].filter((name) => !SUITES.some((suite) => suite.name === name));
if (unknown.length > 0) {
  console.error(`no suite is called ${unknown.join(', ')}; there are ${SUITES.map((suite) => suite.name).join(', ')}`);
  process.exitCode = 2;
} else if (values.help) {
  console.log(HELP);
} else if (values.list) {
  console.log(SUITES.map((suite) => suite.name).join('\n'));
} else {
  const wanted = positionals.length === 0 ? SUITES : SUITES.filter((suite) => positionals.includes(suite.name));
  const chosen = wanted.filter((suite) => !leftOut.includes(suite.name));
  if (leftOut.length > 0) console.log(`left out by HEADWATER_TEST_WITHOUT: ${leftOut.join(', ')}`);
  const began = performance.now();
  const setup = setUp(new Set(chosen.flatMap((suite) => suite.needs)));
  const outcomes: Outcome[] = [];
  for (const suite of chosen) outcomes.push(await runSuite(suite, setup));
  printComplaints(outcomes);
  printTable(outcomes, (performance.now() - began) / 1000);
}
