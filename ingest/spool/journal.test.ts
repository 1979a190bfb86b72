import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MemoryDisk } from '../../test/support/memory-disk.ts';
import { Journal, parseJournal } from './journal.ts';
import type { JournalLine } from './segment-entry.ts';

const gap = (from: number): JournalLine => ({ t: 'gap', gap: { from, to: from + 1, cause: 'loss' } });
const LINES = [gap(1), gap(22), gap(333), gap(4444)];

async function written(lines: readonly JournalLine[]): Promise<{ disk: MemoryDisk; journal: Journal; bytes: Buffer }> {
  const disk = new MemoryDisk();
  const journal = await Journal.create(disk, '/journal', lines);
  return { disk, journal, bytes: await disk.readAll('/journal') };
}

describe('journal', () => {
  it('gives back what was appended, in order', async () => {
    const { disk, journal } = await written(LINES.slice(0, 1));
    await Promise.all([journal.append(LINES.slice(1, 2)), journal.append(LINES.slice(2))]);
    const bytes = await disk.readAll('/journal');
    expect(parseJournal(bytes)).toEqual({ lines: LINES, wholeBytes: bytes.length, damagedLines: 0 });
    expect(journal.bytes).toBe(bytes.length);
  });

  it('cut anywhere, it holds all lines that are whole', async () => {
    const { bytes } = await written(LINES);
    for (let length = 0; length <= bytes.length; length += 1) {
      const { lines, wholeBytes, damagedLines } = parseJournal(bytes.subarray(0, length));
      expect(lines).toEqual(LINES.slice(0, lines.length));
      expect(wholeBytes).toBeLessThanOrEqual(length);
      expect(bytes.subarray(0, wholeBytes).filter((byte) => byte === 10).length).toBe(lines.length);
      expect(damagedLines).toBe(0);
    }
    expect(parseJournal(bytes).lines).toEqual(LINES);
  });

  it('a flipped bit takes one line with it, or two where it hits the end of one', async () => {
    const { bytes } = await written(LINES);
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(7), (at, bit) => {
        const flipped = Buffer.from(bytes);
        flipped[at]! ^= 1 << bit;
        const { lines } = parseJournal(flipped);
        expect(LINES.length - lines.length).toBeGreaterThanOrEqual(1);
        expect(LINES.length - lines.length).toBeLessThanOrEqual(2);
        for (const line of lines) expect(LINES).toContainEqual(line);
      }),
    );
  });

  it('counts damage in the middle, not a torn end', async () => {
    const { bytes } = await written(LINES);
    bytes[12]! ^= 1;
    expect(parseJournal(bytes.subarray(0, bytes.length - 3))).toMatchObject({
      lines: LINES.slice(1, 3),
      damagedLines: 1,
    });
  });

  it('goes on behind a torn line', async () => {
    const { disk, journal, bytes } = await written(LINES.slice(0, 2));
    await journal.close();
    const torn = new MemoryDisk(
      new Map([...disk.image, ['/journal', Buffer.concat([bytes, Buffer.from('00112233 {"t":')])]]),
    );
    const resumed = Journal.resume(torn, '/journal', bytes.length);
    await resumed.append(LINES.slice(2));
    expect(parseJournal(await torn.readAll('/journal'))).toMatchObject({ lines: LINES, damagedLines: 0 });
  });

  it('after a refused write or sync, the next append leaves no trace of the refused line', async () => {
    for (const refused of ['append', 'datasync']) {
      const { disk, journal } = await written(LINES.slice(0, 1));
      disk.onChange = (operation) => {
        if (operation === refused) throw Object.assign(new Error('full'), { code: 'ENOSPC' });
      };
      await expect(journal.append([gap(99)])).rejects.toMatchObject({ code: 'ENOSPC' });
      disk.onChange = () => {};
      await journal.append(LINES.slice(1));
      expect(parseJournal(await disk.readAll('/journal')).lines).toEqual(LINES);
    }
  });
});
