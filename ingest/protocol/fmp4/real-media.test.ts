import { readFileSync, writeFileSync } from 'node:fs';
import { ALL_FORMATS, BufferSource, EncodedPacketSink, Input } from 'mediabunny';
import { afterAll, describe, expect, it } from 'vitest';
import { tool } from '../../../test/setup/tools.ts';
import { encodeClip, inBand } from '../../../test/support/encoded-clip.ts';
import { expectDecodes } from '../../../test/support/ffmpeg.ts';
import { output } from '../../../test/support/process.ts';
import { type RealStream, readPackets, realStreams } from '../../../test/support/real-packets.ts';
import { TempDir } from '../../../test/support/temp-dir.ts';
import { parseAvcRecord } from '../../codec/h264.ts';
import { parseHevcRecord } from '../../codec/h265.ts';

const folder = new TempDir('fmp4');
afterAll(() => folder[Symbol.dispose]());

/** Past 2³³, where a 33-bit clock has wrapped and 32 bits do not do: tfdt has 64. */
const BASE = 2 ** 33 + 4500;

const X264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-g', '25', '-bf', '2', '-b_strategy', '0'];
const X265 = ['-c:v', 'libx265', '-preset', 'ultrafast', '-x265-params', 'keyint=25:bframes=2:log-level=error'];
const VP9 = ['-c:v', 'libvpx-vp9', '-deadline', 'realtime', '-cpu-used', '8', '-g', '25'];
const VP8 = ['-c:v', 'libvpx', '-deadline', 'realtime', '-cpu-used', '8', '-g', '25'];
const AV1 = ['-c:v', 'libsvtav1', '-preset', '12', '-g', '25'];

/** `witness`: what mediabunny calls the codecs; it has no word for an ISO-BMFF mapping that is absent here. */
const CLIPS = [
  { name: 'h264-aac', file: 'mp4', video: X264, audio: ['-c:a', 'aac'], witness: ['avc', 'aac'] },
  { name: 'h265-opus', file: 'mp4', video: X265, audio: ['-c:a', 'libopus'], witness: ['hevc', 'opus'] },
  {
    name: 'av1-flac',
    file: 'mp4',
    video: AV1,
    audio: ['-c:a', 'flac', '-sample_fmt', 's16'],
    witness: ['av1', 'flac'],
  },
  { name: 'vp9-ac3', file: 'mp4', video: VP9, audio: ['-c:a', 'ac3'], witness: ['vp9', 'ac3'] },
  { name: 'vp8-mp3', file: 'mkv', video: VP8, audio: ['-c:a', 'libmp3lame'], witness: ['vp8', 'mp3'] },
  { name: 'eac3', file: 'mp4', audio: ['-c:a', 'eac3'], witness: ['eac3'] },
  { name: 'mp3-22k', file: 'mp4', audio: ['-c:a', 'libmp3lame'], rate: 22_050, witness: ['mp3'] },
  { name: 'flac-96k', file: 'mp4', audio: ['-c:a', 'flac', '-sample_fmt', 's32'], rate: 96_000, witness: ['flac'] },
];

describe('segments of real media', () => {
  it.each(CLIPS)('$name: every packet comes back with its times', async ({ name, file, witness, ...options }) => {
    const streams = await realStreams(folder.join(`${name}-source.${file}`), options);
    expect(streams).toHaveLength(witness.length);
    const { bytes } = encodeClip(streams, { base: BASE });
    await expectSame(streams, bytes, name);
    expect(await witnessed(bytes)).toEqual(wanted(streams, witness));
  });

  it.each([
    { name: 'h264', video: X264, sets: (record: Buffer) => parametersOf(parseAvcRecord(record)) },
    { name: 'h265', video: X265, sets: (record: Buffer) => parametersOf(parseHevcRecord(record)) },
  ])('$name with parameter sets in-band decodes, in every reader', async ({ name, video, sets }) => {
    const streams = await realStreams(folder.join(`${name}-in-band-source.mp4`), { video });
    const prefix = sets(streams[0]!.record);
    const { bytes } = encodeClip(streams, { prefix });
    const path = folder.join(`${name}-in-band.mp4`);
    writeFileSync(path, bytes);
    await expectDecodes(path);
    const read = await readPackets(path);
    const keys = read[0]!.packets.filter(({ key }) => key);
    expect(keys.length).toBeGreaterThan(1);
    for (const { data } of keys) expect(data.subarray(0, prefix.length)).toEqual(prefix);
    const [found] = await witnessed(bytes);
    expect(found!.packets.map(({ bytes: size }) => size)).toEqual(read[0]!.packets.map(({ data }) => data.length));
  });

  it('two video and two audio tracks, each with all of its packets', async () => {
    const main = await realStreams(folder.join('main-source.mp4'), { video: X264, audio: ['-c:a', 'aac'] });
    const other = await realStreams(folder.join('other-source.mp4'), { video: VP9, audio: ['-c:a', 'libopus'] });
    const streams = [...main, ...other];
    const { bytes } = encodeClip(streams, { base: BASE });
    await expectSame(streams, bytes, 'tracks');
    expect(await witnessed(bytes)).toEqual(wanted(streams, ['avc', 'aac', 'vp9', 'opus']));
  });

  it.each([
    { name: 'h264', video: X264, sets: (record: Buffer) => parametersOf(parseAvcRecord(record)) },
    { name: 'h265', video: X265, sets: (record: Buffer) => parametersOf(parseHevcRecord(record)) },
  ])(
    '$name of another size in mid-playlist decodes, from in-band parameter sets alone',
    async ({ name, video, sets }) => {
      // ffmpeg's HLS reader skips every header but the first: the later segments' sets must come with their samples.
      const lines = ['#EXTM3U', '#EXT-X-VERSION:7', '#EXT-X-TARGETDURATION:12'];
      for (const [index, size] of ['160x120', '320x240'].entries()) {
        const streams = await realStreams(folder.join(`${name}-${size}-source.mp4`), { video, size });
        const prefix = index === 0 ? undefined : sets(streams[0]!.record);
        const { bytes, headerBytes } = encodeClip(streams, { base: index * 180_000, ...(prefix && { prefix }) });
        writeFileSync(folder.join(`${name}-${index}.mp4`), bytes);
        if (index > 0) lines.push('#EXT-X-DISCONTINUITY');
        lines.push(`#EXT-X-MAP:URI="${name}-${index}.mp4",BYTERANGE="${headerBytes}@0"`, '#EXTINF:2,');
        lines.push(`#EXT-X-BYTERANGE:${bytes.length - headerBytes}@${headerBytes}`, `${name}-${index}.mp4`);
      }
      const playlist = folder.join(`${name}.m3u8`);
      writeFileSync(playlist, `${lines.join('\n')}\n#EXT-X-ENDLIST\n`);
      const args = ['-v', 'error', '-show_entries', 'frame=width,height', '-of', 'csv=p=0', playlist];
      const sizes = (await output(tool('ffprobe'), args)).match(/^\d+,\d+/gm);
      expect(sizes).toEqual([...Array<string>(50).fill('160,120'), ...Array<string>(50).fill('320,240')]);
    },
  );

  it('h266: every packet comes back with its times', async () => {
    const video = ['-c:v', 'libvvenc', '-preset', 'faster', '-b:v', '200k', '-period', '1'];
    const source = folder.join('h266-source.mp4');
    const [stream] = await realStreams(source, { video, version: 'ffmpeg9' });
    const file = readFileSync(source);
    const at = file.indexOf('vvcC');
    // Debian's ffprobe reads the packets without knowing the codec; only ffmpeg 9 decodes it.
    const record = file.subarray(at + 8, at - 4 + file.readUInt32BE(at - 4));
    const { bytes } = encodeClip([{ ...stream!, codec: 'h266', record }]);
    const path = folder.join('h266.mp4');
    writeFileSync(path, bytes);
    expect((await readPackets(path))[0]!.packets).toEqual(stream!.packets);
    await expectDecodes(path, { version: 'ffmpeg9' });
    const md5 = async (of: string) => (await frameMd5(of)).filter((line) => !line.startsWith('#'));
    expect(await md5(path)).toEqual(await md5(source));
  });

  it('plays with event messages before the first fragment', async () => {
    const streams = await realStreams(folder.join('events-source.mp4'), { video: X264, audio: ['-c:a', 'aac'] });
    const events = [
      { dts: 4500, data: Buffer.from('onTextData') },
      { dts: 9000, data: Buffer.alloc(0) },
    ];
    const { bytes } = encodeClip(streams, { events });
    expect(bytes.indexOf('emsg')).toBeGreaterThan(0);
    await expectSame(streams, bytes, 'events', 0);
    expect(await witnessed(bytes)).toEqual(wanted(streams, ['avc', 'aac'], 0));
  });
});

async function frameMd5(file: string): Promise<string[]> {
  return (await output(tool('ffmpeg9'), ['-v', 'error', '-i', file, '-f', 'framemd5', '-'])).trim().split('\n');
}

/** ffprobe reads the same packets, ffmpeg decodes them without a word. */
async function expectSame(streams: readonly RealStream[], bytes: Buffer, name: string, base = BASE): Promise<void> {
  const path = folder.join(`${name}.mp4`);
  writeFileSync(path, bytes);
  const read = await readPackets(path);
  const bare = (list: readonly RealStream[], added: number) =>
    list.map(({ codec, packets }) => ({
      codec,
      packets: packets.map(({ dts, pts, key, hash }) => ({ dts: dts + added, pts: pts + added, key, hash })),
    }));
  expect(bare(read, 0)).toEqual(bare(streams, base));
  await expectDecodes(path);
}

/** What mediabunny reads; times in 90 kHz ticks, in decoding order. */
async function witnessed(bytes: Buffer) {
  using input = new Input({ source: new BufferSource(bytes), formats: ALL_FORMATS });
  const found: { codec: string | null; packets: { pts: number; key: boolean; bytes: number }[] }[] = [];
  for (const track of await input.getTracks()) {
    const packets = [];
    for await (const packet of new EncodedPacketSink(track).packets()) {
      packets.push({
        pts: Math.round(packet.timestamp * 90_000),
        key: packet.type === 'key',
        bytes: packet.byteLength,
      });
    }
    found.push({ codec: await track.getCodec(), packets });
  }
  return found;
}

function wanted(streams: readonly RealStream[], codecs: readonly string[], base = BASE) {
  return streams.map(({ packets }, index) => ({
    codec: codecs[index],
    packets: packets.map(({ pts, key, data }) => ({ pts: pts + base, key, bytes: data.length })),
  }));
}

function parametersOf(
  record: { vps?: readonly Buffer[]; sps: readonly Buffer[]; pps: readonly Buffer[] } | undefined,
): Buffer {
  if (record === undefined) throw new Error('the clip has no record');
  return inBand([...(record.vps ?? []), ...record.sps, ...record.pps]);
}
