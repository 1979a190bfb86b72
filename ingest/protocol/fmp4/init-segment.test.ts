import { writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { tool } from '../../../test/setup/tools.ts';
import { DESCRIPTION, encodeClip, trackOf } from '../../../test/support/encoded-clip.ts';
import { output } from '../../../test/support/process.ts';
import { realStreams } from '../../../test/support/real-packets.ts';
import { TempDir } from '../../../test/support/temp-dir.ts';
import { encodeFragment } from './fragment.ts';
import type { HdrMetadata } from './hdr-metadata.ts';
import { readInitSegment } from './init-reader.ts';
import { encodeInitSegment } from './init-segment.ts';
import { isDescribable, type Mp4Track } from './mp4-track.ts';

const folder = new TempDir('init');
afterAll(() => folder[Symbol.dispose]());

const AAC: Mp4Track = { id: 2, codec: 'aac', record: Buffer.from('1190', 'hex') };
const NOTHING = Buffer.alloc(0);

const readBack = (bytes: Buffer) =>
  readInitSegment((offset, length) => bytes.subarray(offset, offset + length), bytes.length);

describe('encodeInitSegment', () => {
  it('holds the description, whatever its texts are', async () => {
    const description = { ...DESCRIPTION, path: 'live/ \u{1f3a5} "quoted" \u0000', owner: 'moov'.repeat(20_000) };
    const { bytes, crc } = encodeInitSegment([AAC], description);
    const tracks = [{ id: 2, codec: 'aac' }];
    expect(await readBack(bytes)).toEqual({ bytes: bytes.length, crc, description: { ...description, tracks } });
  });

  it('has a checksum that tells tracks apart and nothing else', () => {
    const crc = (track: Mp4Track, seq: number) => encodeInitSegment([track], { ...DESCRIPTION, seq }).crc;
    expect(crc(AAC, 1)).toBe(crc(AAC, 20_000));
    expect(crc({ ...AAC, record: Buffer.from('1210', 'hex') }, 1)).not.toBe(crc(AAC, 1));
    expect(crc({ ...AAC, id: 3 }, 1)).not.toBe(crc(AAC, 1));
  });

  it('writes HDR metadata that ffprobe reads', async () => {
    // VP8, because it says nothing of colours itself that ffprobe would rather believe.
    const [stream] = await realStreams(folder.join('hdr-source.mkv'), { video: ['-c:v', 'libvpx'], seconds: 1 });
    const hdr: HdrMetadata = {
      colour: { primaries: 9, transfer: 16, matrix: 9 },
      mastering: {
        ...{ red: [0.708, 0.292], green: [0.17, 0.797], blue: [0.131, 0.046], white: [0.3127, 0.329] },
        ...{ maxLuminance: 1000, minLuminance: 0.005 },
      },
      light: { maxCll: 1200, maxFall: 400 },
    };
    const { bytes } = encodeInitSegment([{ ...trackOf(stream!, 1), hdr }], DESCRIPTION);
    const samples = [{ ...stream!.packets[0]!, duration: 3600, compositionOffset: 0, dts: 0 }];
    const file = folder.join('hdr.mp4');
    writeFileSync(file, Buffer.concat([bytes, ...encodeFragment(1, [{ trackId: 1, samples }]).buffers]));
    const probed = JSON.parse(await output(tool('ffprobe'), ['-v', 'error', '-show_streams', '-of', 'json', file])) as {
      streams: { side_data_list: object[] }[];
    };
    const found = probed.streams[0]!;
    expect(found).toMatchObject({ color_primaries: 'bt2020', color_transfer: 'smpte2084', color_space: 'bt2020nc' });
    expect(found.side_data_list).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          ...{ red_x: '35400/50000', green_y: '39850/50000', blue_x: '6550/50000', white_point_y: '16450/50000' },
          ...{ max_luminance: '10000000/10000', min_luminance: '50/10000' },
        }),
        expect.objectContaining({ max_content: 1200, max_average: 400 }),
      ]),
    );
  });

  it.each([
    { codec: 'h264', inBand: false, type: 'avc1' },
    { codec: 'h264', inBand: true, type: 'avc3' },
    { codec: 'hevc', inBand: false, type: 'hvc1' },
    { codec: 'hevc', inBand: true, type: 'hev1' },
  ])('names $codec $type', async ({ codec, inBand, type }) => {
    const encoder = codec === 'h264' ? ['libx264'] : ['libx265', '-x265-params', 'log-level=error'];
    const streams = await realStreams(folder.join(`${type}.mp4`), { video: ['-c:v', ...encoder], seconds: 1 });
    const { bytes } = encodeClip(streams, inBand ? { prefix: NOTHING } : {});
    expect(bytes.indexOf(type)).toBeGreaterThan(0);
  });

  it('describes H.266 with its record as a FullBox', () => {
    // 4-byte lengths, no profile; an SPS and a PPS of which nothing can be read: the size is then left to decoders.
    const record = Buffer.from('fe020f00010002007910000100020081', 'hex');
    const track: Mp4Track = { id: 1, codec: 'h266', record };
    expect(isDescribable(track)).toBe(true);
    const { bytes } = encodeInitSegment([track], DESCRIPTION);
    const at = bytes.indexOf('vvcC');
    expect(bytes.toString('latin1', bytes.indexOf('vvc1'), bytes.indexOf('vvc1') + 4)).toBe('vvc1');
    expect(bytes.readUInt32BE(at - 4)).toBe(12 + record.length);
    expect(bytes.subarray(at + 8, at + 8 + record.length)).toEqual(record);
  });

  it.each([
    { codec: 'h264', record: NOTHING },
    { codec: 'h264', record: Buffer.from('not a record') },
    { codec: 'vp8', record: NOTHING },
    { codec: 'vp9', record: Buffer.from('0020820202020000', 'hex') },
    { codec: 'ac3', record: NOTHING },
    { codec: 'av1', record: Buffer.from('81000c00', 'hex') },
    { codec: 'mp3', record: NOTHING, firstFrame: Buffer.from('noise') },
  ] as const)('cannot describe $codec without its record or first frame', (track) => {
    expect(isDescribable({ id: 1, ...track })).toBe(false);
    const fault = expect.objectContaining({ code: 'ERR_FMP4_TRACK' });
    expect(() => encodeInitSegment([AAC, { id: 1, ...track }], DESCRIPTION)).toThrow(fault);
  });

  it('refuses a file without tracks', () => {
    expect(() => encodeInitSegment([], DESCRIPTION)).toThrow(expect.objectContaining({ code: 'ERR_FMP4_TRACK' }));
  });
});
