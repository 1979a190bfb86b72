import { join } from 'node:path';
import { expect, it } from 'vitest';
import { type Exit, start } from './support/process.ts';

async function run(
  without: string,
  ...args: string[]
): Promise<{ readonly code: Exit['code']; readonly stdout: string; readonly stderr: string }> {
  await using child = start(process.execPath, [join(import.meta.dirname, 'run.ts'), ...args], {
    env: { HEADWATER_TEST_WITHOUT: without },
  });
  const { code } = await child.wait(10_000);
  return { code, stdout: child.stdout, stderr: child.stderr };
}

it('suites that HEADWATER_TEST_WITHOUT names are not run, and the run says so', async () => {
  const { code, stdout } = await run('kube-node,kube-api', 'kube-api', 'kube-node');
  expect(stdout).toMatch(/^left out by HEADWATER_TEST_WITHOUT: kube-node, kube-api$/m);
  expect(stdout).not.toContain('===');
  expect(stdout).toMatch(/^0 passed, 0 failed$/m);
  expect(code).toBe(0);
});

it.each([
  { name: 'HEADWATER_TEST_WITHOUT', without: 'kube-nodes', args: ['--list'] },
  { name: 'an argument', without: '', args: ['--list', 'kube-nodes'] },
])('a suite that is not there, in $name, is a mistake', async ({ without, args }) => {
  const { code, stderr } = await run(without, ...args);
  expect(stderr).toContain('no suite is called kube-nodes; there are check, unit,');
  expect(code).toBe(2);
});
