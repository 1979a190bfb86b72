import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { codecFixture } from '../../test/support/codec-fixture.ts';
import { parseAc3Frame, parseEac3Frame } from './ac3.ts';
import { type CodecDescription, type DescribedCodec, describeCodec } from './describe.ts';
import { mp3RecordFrom } from './mp3.ts';
import { vpRecordFrom } from './vp-record.ts';
import { parseVp8Key } from './vp8.ts';

interface Case {
  readonly name: string;
  readonly codec: DescribedCodec;
  /** Makes the record, for codecs whose encoder writes none. */
  readonly recordOf?: (frame: Buffer) => Buffer;
  readonly want: CodecDescription;
}

const video = (
  codecString: string,
  profile: string,
  width: number,
  height: number,
  fps?: number,
): CodecDescription => ({
  codecString,
  profile,
  width,
  height,
  ...(fps !== undefined && { fps }),
});
const audio = (
  codecString: string,
  profile: string,
  sampleRate: number,
  channels: number,
  frameSamples: number,
): CodecDescription => ({ codecString, profile, sampleRate, channels, frameSamples });

const CASES: readonly Case[] = [
  { name: 'h264-baseline', codec: 'h264', want: video('avc1.42c00c', 'Constrained Baseline 1.2', 320, 180, 25) },
  { name: 'h264-high-cropped', codec: 'h264', want: video('avc1.64000d', 'High 1.3', 322, 178, 30000 / 1001) },
  { name: 'h264-high422-interlaced', codec: 'h264', want: video('avc1.7a0015', 'High 4:2:2 2.1', 320, 180, 50) },
  { name: 'h265-main10', codec: 'h265', want: video('hvc1.2.4.L60.90', 'Main 10 2', 320, 180, 25) },
  { name: 'h265-main-open-gop', codec: 'h265', want: video('hvc1.1.6.L60.90', 'Main 2', 322, 178, 30000 / 1001) },
  { name: 'h266-main10', codec: 'h266', want: video('vvc1.1.L32.CQA', 'Main 10 2.0', 322, 178) },
  { name: 'av1-svt-10bit', codec: 'av1', want: video('av01.0.00M.10', 'Main 2.0', 320, 180) },
  { name: 'av1-aom', codec: 'av1', want: video('av01.0.00M.08', 'Main 2.0', 320, 180) },
  { name: 'vp9', codec: 'vp9', want: video('vp09.00.11.08', 'profile 0', 320, 180) },
  { name: 'vp9-profile3', codec: 'vp9', want: video('vp09.03.11.12', 'profile 3', 320, 180) },
  {
    name: 'vp8',
    codec: 'vp8',
    recordOf: (frame) => vpRecordFrom(parseVp8Key(frame)!),
    want: video('vp08.00.11.08', 'profile 0', 320, 180),
  },
  { name: 'aac-lc-48k-stereo', codec: 'aac', want: audio('mp4a.40.2', 'LC', 48000, 2, 1024) },
  { name: 'aac-lc-44k-5.1', codec: 'aac', want: audio('mp4a.40.2', 'LC', 44100, 6, 1024) },
  { name: 'aac-pce', codec: 'aac', want: audio('mp4a.40.2', 'LC', 48000, 6, 1024) },
  { name: 'opus-stereo', codec: 'opus', want: audio('opus', '', 48000, 2, 960) },
  { name: 'opus-5.1', codec: 'opus', want: audio('opus', '', 48000, 6, 960) },
  { name: 'flac-stereo', codec: 'flac', want: audio('fLaC', '16 bit', 48000, 2, 4608) },
  {
    name: 'ac3-5.1',
    codec: 'ac3',
    recordOf: (frame) => parseAc3Frame(frame)!.record,
    want: audio('ac-3', '', 48000, 6, 1536),
  },
  {
    name: 'eac3-5.1',
    codec: 'eac3',
    recordOf: (frame) => parseEac3Frame(frame)!.record,
    want: audio('ec-3', '', 48000, 6, 1536),
  },
  { name: 'mp3-48k', codec: 'mp3', recordOf: mp3RecordFrom, want: audio('mp4a.6B', 'layer 3', 48000, 2, 1152) },
  { name: 'mp3-22k-mono', codec: 'mp3', recordOf: mp3RecordFrom, want: audio('mp4a.69', 'layer 3', 22050, 1, 576) },
];

describe('describeCodec', () => {
  it.each(CASES)('$name', ({ name, codec, recordOf, want }) => {
    const fixture = codecFixture(name);
    const record = recordOf?.(fixture.frames[0]!) ?? fixture.record;
    expect(describeCodec(codec, record, fixture.frames[0])).toEqual(want);
  });

  it.each(CASES)('$name: no cut or flipped byte makes it throw', ({ name, codec, recordOf }) => {
    const fixture = codecFixture(name);
    const record = recordOf?.(fixture.frames[0]!) ?? fixture.record;
    for (let length = 0; length < record.length; length++) describeCodec(codec, record.subarray(0, length));
    fc.assert(
      fc.property(fc.nat(record.length - 1), fc.nat(255), fc.uint8Array({ maxLength: 16 }), (at, value, frame) => {
        const broken = Buffer.from(record);
        broken[at] = value;
        const description = describeCodec(codec, broken, Buffer.from(frame));
        expect(description?.width ?? 1).toBeGreaterThan(0);
        expect(description?.fps ?? 1).toBeGreaterThan(0);
      }),
    );
  });

  it('any bytes are answered, not thrown at', () => {
    const codecs = [...new Set(CASES.map(({ codec }) => codec))];
    fc.assert(
      fc.property(fc.constantFrom(...codecs), fc.uint8Array({ maxLength: 80 }), (codec, bytes) => {
        describeCodec(codec, Buffer.from(bytes), Buffer.from(bytes));
      }),
      { numRuns: 2000 },
    );
  });
});
