import { defineConfig } from 'vitest/config';

/** How long `expect.poll` asks: machines are slow while they build something, and where the answer comes soon it costs nothing. */
const expect = { poll: { timeout: 10_000 } };

/** A suite of tests with real programs: slow on purpose, in real time for the most part, so files run side by side. */
function real(name: string, folder: string, maxWorkers: number) {
  return {
    test: {
      name,
      include: [`${folder}/**/*.test.ts`],
      expect,
      testTimeout: 120_000,
      hookTimeout: 120_000,
      pool: 'forks' as const,
      maxWorkers,
      sequence: { concurrent: false },
    },
  };
}

/** The suites that vitest runs; `npm test` runs them one by one with a time budget each (test/run.ts). */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: [
            '{crds,ingest,kube,operator,scripts}/**/*.test.ts',
            'test/{setup,support}/**/*.test.ts',
            'test/*.test.ts',
            '*.test.ts',
          ],
          expect,
          testTimeout: 20_000,
          pool: 'forks',
          maxWorkers: 2,
        },
      },
      real('interop', 'test/interop', 3),
      real('chaos', 'test/chaos', 2),
      // A thousand idle streams in one worker leave the cores to the other.
      real('kube-api', 'test/kube-api', 2),
      real('kube-node', 'test/kube-node', 1),
      real('churn', 'test/churn', 1),
      real('lossy', 'test/lossy', 1),
      real('readme', 'test/readme', 1),
    ],
  },
});
