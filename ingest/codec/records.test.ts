import { describe, expect, it } from 'vitest';
import { codecFixture } from '../../test/support/codec-fixture.ts';
import { aacConfigOf, adtsHeaderOf, readAdtsHeader, writeAdtsHeader } from './adts.ts';
import { parseAvcRecord } from './h264.ts';
import { avcRecordFrom } from './h264-record.ts';
import { parseHevcRecord } from './h265.ts';
import { hevcRecordFrom } from './h265-record.ts';
import { parseVvcRecord } from './h266.ts';
import { vvcRecordFrom } from './h266-record.ts';
import type { NalCodec } from './nal-syntax.ts';
import { ParameterCollection } from './parameter-collection.ts';
import { recordedSets } from './parameter-sets.ts';

const FIXTURES = [
  ['h264', 'h264-baseline'],
  ['h264', 'h264-high-cropped'],
  ['h264', 'h264-high422-interlaced'],
  ['h264', 'h264-refresh'],
  ['h265', 'h265-main-open-gop'],
  ['h265', 'h265-main10'],
  ['h266', 'h266-main10'],
] as const satisfies readonly (readonly [NalCodec, string])[];

describe('records made of parameter sets', () => {
  it.each(FIXTURES)('%s: %s equals what ffmpeg made of the same', (codec, name) => {
    const { record } = codecFixture(name);
    const collection = new ParameterCollection(codec);
    for (const set of recordedSets(codec, record)!.sets) collection.note(set);
    const made = collection.record!;
    switch (codec) {
      case 'h264':
        expect(made.toString('hex')).toBe(record.toString('hex'));
        break;
      case 'h265':
        // ffmpeg also tells segmentation, and marks arrays as it found them.
        expect(parseHevcRecord(made)).toEqual(parseHevcRecord(record));
        expect(made.subarray(16, 21).toString('hex')).toBe(record.subarray(16, 21).toString('hex'));
        break;
      case 'h266':
        expect(parseVvcRecord(made)).toEqual(parseVvcRecord(record));
        // ffmpeg says that the frame rate is constant, which the stream does not.
        expect(made.readUInt32BE() | 0x0400).toBe(record.readUInt32BE() | 0);
        break;
    }
    expect(collection.record).toBe(made);
  });

  it('none without all of them', () => {
    const { sets } = recordedSets('h264', codecFixture('h264-baseline').record)!;
    const collection = new ParameterCollection('h264');
    expect(collection.record).toBeUndefined();
    collection.note(sets[0]!);
    expect(collection.record).toBeUndefined();
    collection.note(sets[1]!);
    expect(parseAvcRecord(collection.record!)?.sps).toEqual([sets[0]]);
    expect(collection.has(sets[1]!)).toBe(true);
  });

  it('a set with a known id takes the place of the one before', () => {
    const collection = new ParameterCollection('h264');
    for (const set of recordedSets('h264', codecFixture('h264-baseline').record)!.sets) collection.note(set);
    const before = collection.record;
    for (const set of recordedSets('h264', codecFixture('h264-high-cropped').record)!.sets) collection.note(set);
    expect(collection.record).not.toBe(before);
    expect(collection.record?.toString('hex')).toBe(codecFixture('h264-high-cropped').record.toString('hex'));
  });

  it('broken sets make none', () => {
    const none = [Buffer.from([0x67, 100])];
    expect(avcRecordFrom(none, [Buffer.from([0x68])])).toBeUndefined();
    expect(hevcRecordFrom([], [Buffer.from([0x42, 1])], none)).toBeUndefined();
    expect(vvcRecordFrom([], [Buffer.from([0, 0x79])], none)).toBeUndefined();
    const collection = new ParameterCollection('h265');
    collection.note(Buffer.from([0x42, 1]));
    collection.note(Buffer.from([0x42, 1, 0xff, 0xff]));
    expect(collection.record).toBeUndefined();
  });
});

describe('ADTS', () => {
  it.each(['aac-lc-48k-stereo', 'aac-lc-44k-5.1'])('%s: header and record tell the same', (name) => {
    const { record } = codecFixture(name);
    const template = adtsHeaderOf(record)!;
    const frame = Buffer.alloc(7 + 1000);
    expect(writeAdtsHeader(frame, 0, template, 1000)).toBe(7);
    const header = readAdtsHeader(frame, 0)!;
    expect(header).toMatchObject({ headerBytes: 7, frameBytes: 1007, samples: 1024 });
    expect(aacConfigOf(header.format, frame.subarray(7))).toEqual(record.subarray(0, 2));
  });

  it('a program config element becomes part of the record', () => {
    const { record } = codecFixture('aac-pce');
    expect(adtsHeaderOf(record)).toBeUndefined();
    // The element as it begins a raw data block: its id, then what the record has behind its first 16 bits, padded to a byte.
    const bits = [...record.subarray(2)].map((byte) => byte.toString(2).padStart(8, '0')).join('');
    const block = `101${bits}`.match(/.{1,8}/g)!.map((byte) => Number.parseInt(byte.padEnd(8, '0'), 2));
    const format = ((record[0]! >> 3) - 1) * 256 + (((record.readUInt16BE(0) >> 7) & 15) << 4);
    const made = aacConfigOf(format, Buffer.from(block))!;
    expect(made.subarray(0, 2)).toEqual(record.subarray(0, 2));
    expect(record.toString('hex').startsWith(made.subarray(0, -1).toString('hex'))).toBe(true);
  });

  it('is not read where there is none', () => {
    expect(readAdtsHeader(Buffer.from('fff94c80000000', 'hex'), 0)).toBeUndefined(); // no length
    expect(readAdtsHeader(Buffer.from('ffe14c80213ffc', 'hex'), 0)).toBeUndefined(); // no sync word
    expect(readAdtsHeader(Buffer.from('fff17c80213ffc', 'hex'), 0)).toBeUndefined(); // no rate
    expect(aacConfigOf((1 << 10) | 0x132, Buffer.alloc(0))).toBeUndefined(); // two blocks
    expect(aacConfigOf(0x130, Buffer.from('00', 'hex'))).toBeUndefined(); // no element
  });

  it('ELD and escaped rates have no header', () => {
    expect(adtsHeaderOf(Buffer.from('f8e85000', 'hex'))).toBeUndefined();
    expect(adtsHeaderOf(Buffer.from('17801f4010', 'hex'))).toBeUndefined();
    expect(adtsHeaderOf(Buffer.from('2b118800', 'hex'))?.toString('hex')).toBe('fff15880001ffc'); // HE-AAC: its core
  });
});
