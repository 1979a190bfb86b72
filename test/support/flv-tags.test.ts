import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { kindOfFlvTag, readFlvTags, spliceFlv, writeFlvTags } from './flv-tags.ts';
import { TempDir } from './temp-dir.ts';

const tag = (type: 8 | 9 | 18, timestamp: number, hex: string) => ({ type, timestamp, body: Buffer.from(hex, 'hex') });

describe('FLV tags', () => {
  it('are read as they were written, times above 24 bits too', () => {
    using dir = new TempDir('flv');
    const tags = [tag(18, 0, '02000a'), tag(9, 0x1234_5678, '1700000000'), tag(8, 0x7fff_ffff, 'af01'), tag(8, 5, '')];
    const file = dir.join('x.flv');
    writeFileSync(file, writeFlvTags(tags));
    expect(readFlvTags(file)).toEqual(tags);
  });

  it.each([
    { hex: '1700000000', type: 9, kind: 'header' },
    { hex: '2701000000', type: 9, kind: 'media' },
    { hex: '1702000000', type: 9, kind: 'end' },
    { hex: '9068766331', type: 9, kind: 'header' },
    { hex: 'a168766331', type: 9, kind: 'media' },
    { hex: '9268766331', type: 9, kind: 'end' },
    { hex: 'd468766331', type: 9, kind: 'metadata' },
    { hex: '960061766331', type: 9, kind: 'header' },
    { hex: '960161766331', type: 9, kind: 'media' },
    { hex: 'af001190', type: 8, kind: 'header' },
    { hex: 'af0121', type: 8, kind: 'media' },
    { hex: '2f0121', type: 8, kind: 'media' },
    { hex: '904f707573', type: 8, kind: 'header' },
    { hex: '914f707573', type: 8, kind: 'media' },
    { hex: '944f707573', type: 8, kind: 'header' },
    { hex: '95006d703461', type: 8, kind: 'header' },
    { hex: '02000a', type: 18, kind: 'metadata' },
  ] as const)('$hex of type $type is $kind', ({ hex, type, kind }) => {
    expect(kindOfFlvTag(tag(type, 0, hex))).toBe(kind);
  });

  it('of several files follow each other in time, without the ends in between', () => {
    using dir = new TempDir('flv');
    const file = dir.join('x.flv');
    writeFileSync(file, writeFlvTags([tag(18, 0, '02'), tag(9, 0, '1700'), tag(9, 100, '1701'), tag(9, 100, '1702')]));
    const all = spliceFlv([file, file]).map(({ timestamp, body }) => `${timestamp} ${body.toString('hex')}`);
    expect(all).toEqual(['0 02', '0 1700', '100 1701', '140 1700', '240 1701']);
  });
});
