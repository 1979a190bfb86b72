import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { DESCRIPTION } from '../../../test/support/encoded-clip.ts';
import { expectDecodes } from '../../../test/support/ffmpeg.ts';
import { scanFlv } from '../flv/file-scan.ts';
import { scanMp4 } from './scan.ts';

const fixture = (name: string): string => `test/fixtures/mp4/${name}`;

describe('segments of format version 1', () => {
  it.each([
    {
      name: 'segment-v1.mp4',
      scan: scanMp4,
      fragments: ['1-46800-0-45600-key', '2-91680-46800-90000', '3-97440-91680-97440-key'],
    },
    { name: 'segment-v1.flv', scan: scanFlv, fragments: ['1-45000-0-45000-key', '2-90000-46800-90000'] },
  ])('$name is read as it was written', async ({ name, scan, fragments }) => {
    const bytes = readFileSync(fixture(name));
    const found = await scan((offset, length) => bytes.subarray(offset, offset + length), bytes.length);
    const tracks = [
      { id: 1, codec: 'h264' },
      { id: 2, codec: 'aac' },
    ];
    expect(found).toMatchObject({ validBytes: bytes.length, damage: [], description: { ...DESCRIPTION, tracks } });
    const told = found.fragments.map(({ sequence, end, allFrom, allThrough, key }) =>
      [sequence, end, allFrom, allThrough, ...(key ? ['key'] : [])].join('-'),
    );
    expect(told).toEqual(fragments);
    await expectDecodes(fixture(name));
  });
});
