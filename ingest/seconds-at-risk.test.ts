import { describe, expect, it } from 'vitest';
import { MemoryDisk } from '../test/support/memory-disk.ts';
import { RecordingBench } from '../test/support/recorded-run.ts';
import { headerOf, spoolSegment } from '../test/support/spooled-segments.ts';
import { secondsAtRisk } from './seconds-at-risk.ts';

describe('seconds at risk', () => {
  it('are what waits and what is open, however much was given up before', async () => {
    await using bench = await RecordingBench.open('/spool', { disk: new MemoryDisk() });
    const publication = await bench.spool.openPublication(headerOf());
    for (const seq of [1, 2, 3, 4, 5]) await spoolSegment(publication, seq);
    for (const seq of [1, 2, 3]) await publication.markStored(seq, `${seq}.mp4`);
    await publication.drop(4);
    const live = { pub: publication.header.pub, receivedSeconds: 32.5, closedSeconds: 30 };
    expect(secondsAtRisk(publication, live)).toBe(8.5);
    expect(secondsAtRisk(publication, { ...live, pub: 'another' })).toBe(6);
    expect(secondsAtRisk(publication, undefined)).toBe(6);
    await publication.end('unpublish', new Date());
    expect(secondsAtRisk(publication, live)).toBe(6);
  });
});
