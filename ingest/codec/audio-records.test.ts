import { describe, expect, it } from 'vitest';
import { codecFixture } from '../../test/support/codec-fixture.ts';
import { aacProfileName, parseAacConfig } from './aac.ts';
import { normalizeFlacRecord } from './flac.ts';
import { DEFAULT_OPUS_HEAD, parseOpusHead } from './opus.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

describe('parseAacConfig', () => {
  it.each([
    ['LC, 44.1 kHz stereo', '1210', { objectType: 2, sampleRate: 44100, channels: 2, frameSamples: 1024 }],
    ['LC with trailing zeros', '1190 00000000', { objectType: 2, sampleRate: 48000, channels: 2, frameSamples: 1024 }],
    ['LC of 960 samples', '1194', { objectType: 2, sampleRate: 48000, channels: 2, frameSamples: 960 }],
    ['7.1', '11b8', { objectType: 2, sampleRate: 48000, channels: 8, frameSamples: 1024 }],
    ['HE-AAC, explicit', '2b118800', { objectType: 5, sampleRate: 48000, channels: 2, frameSamples: 2048 }],
    ['HE-AAC, behind the core', '131056e598', { objectType: 5, sampleRate: 48000, channels: 2, frameSamples: 2048 }],
    [
      'HE-AAC v2: mono core, stereo out',
      'eb098800',
      { objectType: 29, sampleRate: 48000, channels: 2, frameSamples: 2048 },
    ],
    [
      'sync extension that says no SBR',
      '119056e500',
      { objectType: 2, sampleRate: 48000, channels: 2, frameSamples: 1024 },
    ],
    [
      'a rate of its own: 12345 Hz',
      '17 8018 1c90',
      { objectType: 2, sampleRate: 12345, channels: 2, frameSamples: 1024 },
    ],
    ['ELD of 512 samples', 'f8e64000', { objectType: 39, sampleRate: 48000, channels: 2, frameSamples: 512 }],
    ['ELD of 480 samples', 'f8e65000', { objectType: 39, sampleRate: 48000, channels: 2, frameSamples: 480 }],
    ['reserved rate', '1690', undefined],
    ['one byte', '12', undefined],
  ])('%s', (_, record, want) => {
    expect(parseAacConfig(hex(record))).toEqual(want);
  });

  it('names profiles', () => {
    const name = (objectType: number): string =>
      aacProfileName({ objectType, sampleRate: 1, channels: 1, frameSamples: 1 });
    expect([2, 5, 29, 99].map(name)).toEqual(['LC', 'HE-AAC', 'HE-AAC v2', 'object type 99']);
  });
});

describe('normalizeFlacRecord', () => {
  const { record } = codecFixture('flac-stereo');
  it.each([
    ['34 bytes', record],
    ['38 bytes', Buffer.concat([hex('80000022'), record])],
    ['42 bytes', Buffer.concat([hex('664c6143 80000022'), record])],
    ['42 bytes and another block', Buffer.concat([hex('664c6143 00000022'), record, hex('81000001 00')])],
    ['the magic without a block header', Buffer.concat([hex('664c6143'), record])],
  ])('%s', (_, form) => {
    expect(normalizeFlacRecord(form)).toEqual(record);
  });

  it('refuses what is too short', () => {
    expect(normalizeFlacRecord(record.subarray(1))).toBeUndefined();
  });
});

describe('parseOpusHead', () => {
  it('reads little-endian fields and the mapping', () => {
    expect(parseOpusHead(codecFixture('opus-5.1').record)).toEqual({
      channels: 6,
      preSkip: 312,
      inputSampleRate: 48000,
      outputGain: 0,
      mappingFamily: 1,
      mapping: hex('0402 000401020305'),
    });
    const quiet = hex('4f70757348656164 01 01 3801 80bb0000 00ff 00');
    expect(parseOpusHead(quiet)).toMatchObject({ outputGain: -256, mapping: Buffer.alloc(0) });
  });

  it('has a default that it reads itself', () => {
    expect(parseOpusHead(DEFAULT_OPUS_HEAD)).toMatchObject({ channels: 2, preSkip: 3840, inputSampleRate: 48000 });
  });

  it.each([
    '',
    '4f707573',
    '4f70757348656164 11 02 3801 80bb0000 0000 00',
    '4f70757348656164 01 00 3801 80bb0000 0000 00',
  ])('refuses "%s"', (record) => {
    expect(parseOpusHead(hex(record))).toBeUndefined();
  });
});
