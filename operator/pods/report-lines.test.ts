import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type PodReport, REPORT_LINE_BYTES } from '../../crds/pod-status.ts';
import { PUBLISHER, streamReport } from '../../test/support/operator-fixtures.ts';
import { ReportLines } from './report-lines.ts';

const report = (change: Partial<PodReport> = {}): PodReport => ({
  ...{ kind: 'changes', pod: 'ingest-0', at: '2026-11-01T10:00:00Z', draining: false, spoolPersistent: true },
  ...{ streams: [], gone: [], finishedTombstones: [] },
  ...change,
});
const REPORTS = [
  report({ kind: 'all', streams: [streamReport({ publisher: PUBLISHER })] }),
  report({ gone: ['uid-ä'] }),
  report(),
];
const BYTES = Buffer.from(REPORTS.map((each) => `${JSON.stringify(each)}\n`).join('\n'));

describe('ReportLines', () => {
  it('gives the same reports however the bytes are split', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(BYTES.length), { maxLength: 12 }), (places) => {
        const cuts = [0, ...places.sort((a, b) => a - b), BYTES.length];
        const lines = new ReportLines();
        const got = cuts.slice(1).flatMap((end, i) => [...lines.push(BYTES.subarray(cuts[i], end))]);
        expect(got).toEqual(REPORTS);
      }),
    );
  });

  it.each([
    ['no JSON', 'x\n'],
    ['no report', '{}\n'],
    ['a field of another kind', `${JSON.stringify({ ...report(), streams: 1 })}\n`],
  ])('refuses a line that is %s', (_, line) => {
    expect(() => [...new ReportLines().push(Buffer.from(line))]).toThrow('ERR_POD_REPORT');
  });

  it('refuses a line that does not end', () => {
    const lines = new ReportLines();
    const piece = Buffer.alloc(REPORT_LINE_BYTES / 2, 'x');
    expect([...lines.push(piece), ...lines.push(piece)]).toEqual([]);
    expect(() => [...lines.push(Buffer.from('x'))]).toThrow(`over ${REPORT_LINE_BYTES} bytes`);
  });
});
