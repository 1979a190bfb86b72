import { describe, expect, it } from 'vitest';
import { codecFixture } from '../../test/support/codec-fixture.ts';
import { parseAc3Frame, parseEac3Frame } from './ac3.ts';
import { av1RecordFrom, isAv1Key, obus, withoutTemporalDelimiter } from './av1.ts';
import { parseAvcRecord } from './h264.ts';
import { parseMp3Frame } from './mp3.ts';
import { h264RecoveryFrames, NAL_SYNTAX, type NalCodec } from './nal-syntax.ts';
import { nalUnits, rbspOf } from './nal-units.ts';
import { opusPacketSamples } from './opus.ts';
import { inbandParameterSets } from './parameter-sets.ts';
import { normalizeVpRecord, vpRecordFrom } from './vp-record.ts';
import { isVp8Key, parseVp8Key } from './vp8.ts';
import { isVp9Key, parseVp9Key } from './vp9.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
/** Which frames of a fixture the test holds for, by index. */
const which = (name: string, test: (frame: Buffer) => boolean): number[] =>
  codecFixture(name).frames.flatMap((frame, i) => (test(frame) ? [i] : []));

/** Whether any slice of a frame with lengths of four bytes is one to start at. */
const hasKeySlice =
  (codec: NalCodec) =>
  (frame: Buffer): boolean =>
    [...nalUnits(frame, 4)].some((unit) => {
      const { roleOf, typeOf, isKeySlice } = NAL_SYNTAX[codec];
      return ['firstSlice', 'slice'].includes(roleOf(unit, 0)) && isKeySlice(typeOf(unit, 0));
    });
const recoveryFrames = (frame: Buffer): number | undefined =>
  [...nalUnits(frame, 4)].filter((unit) => (unit[0]! & 0x1f) === 6).map(h264RecoveryFrames)[0];

describe('where a decoder can start', () => {
  it.each<[string, string, (frame: Buffer) => boolean, number[]]>([
    ['H.264 IDR', 'h264-baseline', hasKeySlice('h264'), [0]],
    ['H.264 intra refresh has one IDR only', 'h264-refresh', hasKeySlice('h264'), [0]],
    ['but recovery points', 'h264-refresh', (frame) => (recoveryFrames(frame) ?? 0) > 0, [9]],
    ['H.265 IDR and CRA', 'h265-main-open-gop', hasKeySlice('h265'), [0, 6]],
    ['H.266', 'h266-main10', hasKeySlice('h266'), [0]],
    ['AV1 (libaom)', 'av1-aom', isAv1Key, [0]],
    ['AV1 (SVT)', 'av1-svt-10bit', isAv1Key, [0]],
    ['VP9', 'vp9', isVp9Key, [0]],
    ['VP9 profile 3', 'vp9-profile3', isVp9Key, [0]],
    ['VP8', 'vp8', isVp8Key, [0]],
  ])('%s', (_, name, test, want) => {
    expect(which(name, test)).toEqual(want);
  });

  it('nothing can start at nothing', () => {
    const none = Buffer.alloc(0);
    for (const test of [isAv1Key, isVp8Key, isVp9Key]) expect(test(none)).toBe(false);
    expect(h264RecoveryFrames(none)).toBeUndefined();
  });
});

describe('records made of frames equal those that ffmpeg wrote into MP4', () => {
  it.each<[string, (frame: Buffer) => Buffer | undefined]>([
    ['ac3-5.1', (frame) => parseAc3Frame(frame)?.record],
    ['eac3-5.1', (frame) => parseEac3Frame(frame)?.record],
    ['av1-aom', av1RecordFrom],
  ])('%s', (name, make) => {
    const { record, frames } = codecFixture(name);
    expect(make(frames[0]!)?.toString('hex')).toBe(record.toString('hex'));
  });

  it.each(['vp9', 'vp9-profile3'])('%s: profile, level and bit depth', (name) => {
    const { record, frames } = codecFixture(name);
    const made = vpRecordFrom(parseVp9Key(frames[0]!)!);
    // Not the third byte's low half: ffmpeg takes chroma siting and range from its own settings.
    expect([made[0], made[1], made[2]! >> 4]).toEqual([record[0], record[1], record[2]! >> 4]);
  });

  it('a broken frame makes none', () => {
    const junk = hex('0b77 ffff ffff ffff ffff');
    expect([
      parseAc3Frame(junk),
      parseEac3Frame(junk),
      av1RecordFrom(junk),
      parseVp8Key(junk),
      parseVp9Key(junk),
    ]).toEqual(Array(5).fill(undefined));
  });
});

describe('E-AC-3 with a dependent substream', () => {
  // 5.1 core with two back channels: frames of 8 and of 10 bytes.
  const independent = hex('0b77 0003 3f86 0000');
  const dependent = hex('0b77 4004 3480 1020 0000');

  it('counts its channels and names it in dec3', () => {
    const start = parseEac3Frame(Buffer.concat([independent, dependent]));
    expect(start).toMatchObject({ sampleRate: 48000, channels: 8, frameSamples: 1536 });
    expect(start?.record.toString('hex')).toBe('0028200f0202');
    expect(parseEac3Frame(independent)).toMatchObject({ channels: 6 });
  });
});

describe('MPEG audio headers', () => {
  it.each([
    ['fffb90c4', { version: 1, layer: 3, sampleRate: 44100, channels: 1, frameSamples: 1152, frameBytes: 417 }],
    ['fff384c0', { version: 2, layer: 3, sampleRate: 24000, channels: 1, frameSamples: 576, frameBytes: 192 }],
    ['ffe348c4', { version: 2.5, layer: 3, sampleRate: 8000, channels: 1, frameSamples: 576, frameBytes: 288 }],
    ['fffd8400', { version: 1, layer: 2, sampleRate: 48000, channels: 2, frameSamples: 1152, frameBytes: 384 }],
    ['ffff1000', { version: 1, layer: 1, sampleRate: 44100, channels: 2, frameSamples: 384, frameBytes: 32 }],
    ['ffeb9000', undefined],
    ['fff99000', undefined],
    ['fffb9c00', undefined],
    ['fefb9000', undefined],
    ['fffb90', undefined],
  ])('%s', (header, want) => {
    expect(parseMp3Frame(hex(header))).toEqual(want);
  });
});

describe('Opus packets', () => {
  it.each([
    ['00', 480],
    ['18', 2880],
    ['60', 480],
    ['68', 960],
    ['80', 120],
    ['f8', 960],
    ['f9', 1920],
    ['fb 83', 2880],
    ['fb', 0],
    ['', 0],
  ])('%s has %d samples', (packet, samples) => {
    expect(opusPacketSamples(hex(packet))).toBe(samples);
  });
});

describe('NAL units', () => {
  it.each([1, 2, 4] as const)('are found behind lengths of %d bytes', (size) => {
    const prefix = (length: number): Buffer => {
      const out = Buffer.alloc(size);
      out.writeUIntBE(length, 0, size);
      return out;
    };
    const data = Buffer.concat([prefix(2), hex('0601'), prefix(0), prefix(1), hex('65'), prefix(9), hex('41')]);
    expect([...nalUnits(data, size)].map((unit) => unit.toString('hex'))).toEqual(['0601', '65']);
  });

  it('lose their emulation prevention bytes', () => {
    expect(rbspOf(hex('67 000003 000003 01 0003 000003'), 1).toString('hex')).toBe(
      '0000000001000300 00'.replaceAll(' ', ''),
    );
  });

  it('of a record go in-band with the stream’s own length size', () => {
    const { record } = codecFixture('h264-baseline');
    const { sps, pps } = parseAvcRecord(record)!;
    expect(inbandParameterSets('h264', record)).toEqual(
      Buffer.concat([
        hex('000000'),
        Buffer.from([sps[0]!.length]),
        sps[0]!,
        hex('000000'),
        Buffer.from([pps[0]!.length]),
        pps[0]!,
      ]),
    );
    const short = Buffer.from(record);
    short[4] = 0xfd;
    expect(inbandParameterSets('h264', short)?.readUInt16BE(0)).toBe(sps[0]!.length);
    const hevc = [...nalUnits(inbandParameterSets('h265', codecFixture('h265-main10').record)!, 4)];
    expect(hevc.map((unit) => (unit[0]! >> 1) & 63)).toEqual([32, 33, 34]);
    expect(inbandParameterSets('vp9', record)).toBeUndefined();
    expect(inbandParameterSets('h264', hex('01'))).toBeUndefined();
  });
});

describe('AV1 temporal units', () => {
  it('lose the delimiter in front, without a copy', () => {
    const data = hex('1200 3203 aabbcc');
    expect(withoutTemporalDelimiter(data)).toEqual(hex('3203aabbcc'));
    expect(withoutTemporalDelimiter(data).buffer).toBe(data.buffer);
    const bare = hex('3203aabbcc');
    expect(withoutTemporalDelimiter(bare)).toBe(bare);
  });

  it('end at an OBU that does not fit; the last may lack its size', () => {
    const types = (text: string): number[] => [...obus(hex(text))].map(({ type }) => type);
    expect(types('1200 0a01aa 3205bb')).toEqual([2, 1]);
    expect(types('1200 30bbcc')).toEqual([2, 6]);
    expect(types('36 40 01 aa')).toEqual([6]);
  });
});

describe('vpcC', () => {
  it.each([
    ['alone', '000a820202020000', '000a820202020000'],
    ['behind a FullBox header', '01000000 000a820202020000', '000a820202020000'],
    ['cut short', '000a8202', undefined],
  ])('%s', (_, record, want) => {
    expect(normalizeVpRecord(hex(record))?.toString('hex')).toBe(want);
  });
});
