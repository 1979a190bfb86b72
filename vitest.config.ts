import { defineConfig } from 'vitest/config';

/** The unit suite: tests that stand beside their source. Suites with real programs are listed in test/run.ts. */
export default defineConfig({
  test: {
    include: ['ingest/**/*.test.ts', 'scripts/**/*.test.ts', 'test/support/**/*.test.ts', 'cli.test.ts'],
    testTimeout: 20_000,
    pool: 'forks',
    maxWorkers: 2,
  },
});
