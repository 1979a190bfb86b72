import { describe, expect, it } from 'vitest';
import { generatedFiles } from './generated.ts';
import { markdownTable } from './markdown.ts';
import { lockFileAddresses, longFiles, modulesCruised, pollsSideBySide, unexplainedCodes } from './source-checks.ts';

describe('source checks', () => {
  it('finds files with more than 500 lines', () => {
    const files = new Map([
      ['a.ts', 'x\n'.repeat(500)],
      ['b.ts', 'x\n'.repeat(501)],
    ]);
    expect(longFiles(files)).toEqual([expect.stringMatching(/^b.ts has 501 lines/)]);
  });

  it('finds codes that no table explains, and explanations of codes that are gone', () => {
    const files = new Map([
      ['ingest/a.ts', "throw new Fault('ERR_ONE', 'x'); if (e.code === 'ERR_STREAM_PREMATURE_CLOSE') return;"],
      ['ingest/b.ts', "const T = {\n  ERR_TWO: 'store',\n};"],
      ['ingest/c.test.ts', "'ERR_IN_A_TEST'"],
      ['test/d.ts', "'ERR_IN_TEST_CODE'"],
      ['ingest/runtime/fault-table.ts', 'ERR_GONE: {}'],
    ]);
    expect(unexplainedCodes(files, ['ERR_TWO', 'ERR_GONE'])).toEqual([
      expect.stringMatching(/^ingest\/a.ts uses ERR_ONE/),
      'ERR_GONE is explained, but nothing uses it',
    ]);
  });

  it('finds polls in tests that run side by side', () => {
    const poll = 'await expect\n  .poll(() => 1).toBe(1);';
    const files = new Map([
      ['test/a.test.ts', `describe.concurrent('', () => { ${poll} });`],
      ['test/b.test.ts', `describe('', () => { ${poll} });`],
      ['test/c.test.ts', "describe.concurrent('', () => { await waitFor('it', ask); });"],
    ]);
    expect(pollsSideBySide(files)).toEqual([expect.stringMatching(/^test\/a\.test\.ts has concurrent tests/)]);
  });

  it('finds download addresses in the lock file', () => {
    expect(lockFileAddresses('{"resolved": "https://example.com/a.tgz"}')).toHaveLength(1);
    expect(lockFileAddresses('{"resolved": "file:a"}')).toEqual([]);
  });

  it('reads how many modules were cruised', () => {
    expect(modulesCruised('✔ no dependency violations found (114 modules, 223 dependencies cruised)')).toBe(114);
    expect(modulesCruised('x 1 dependency violations (1 errors, 0 warnings). 5 modules, 9 dependencies cruised.')).toBe(
      5,
    );
    expect(modulesCruised('')).toBe(0);
  });

  it('keeps a bar within its cell', () => {
    expect(markdownTable(['a'], [['x|y\nz']])).toBe('| a |\n| --- |\n| x\\|y z |\n');
  });

  it('documents every setting, metric and code', () => {
    const files = generatedFiles();
    expect(files.get('docs/config.md')).toContain(
      '| `relay.maxBatch` |  | `HEADWATER_RELAY_MAX_BATCH` | duration | `50ms` |',
    );
    expect(files.get('docs/metrics.md')).toContain('| `headwater_streams` | gauge |');
    expect(files.get('docs/errors.md')).toContain('| `ERR_LISTEN` |');
  });
});
