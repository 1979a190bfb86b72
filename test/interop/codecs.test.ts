import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ClipName, clip } from '../support/clips.ts';
import { expectRecorded } from '../support/expect-recording.ts';
import { complaintsOf, expectDecodes, probe, publish } from '../support/ffmpeg.ts';
import { expectSync, expectWhole, type PacketFilter, packetsOf, packetsOfAll } from '../support/media-compare.ts';
import { completeRecording } from '../support/recording.ts';
import { type ReceivedMessage, RtmpPlayer } from '../support/rtmp-client.ts';
import { type Server, startServer } from '../support/server.ts';
import { watch } from '../support/viewer.ts';
import { waitFor } from '../support/wait-for.ts';

/** A clip, what ffprobe and mediabunny call its codecs. */
interface Case {
  readonly name: ClipName;
  readonly filter: PacketFilter;
  readonly ffprobe: readonly [video: string, audio: string];
  readonly mediabunny: readonly [video: string, audio: string];
  /** Options of the publisher: whether it announces Enhanced RTMP or just sends it, as OBS does. */
  readonly announce?: readonly string[];
}

const CASES: readonly Case[] = [
  {
    name: 'hevc-opus',
    filter: 'hevc',
    ffprobe: ['hevc', 'opus'],
    mediabunny: ['hevc', 'opus'],
    announce: ['-rtmp_enhanced_codecs', 'hvc1,av01,vp09'],
  },
  { name: 'av1-flac', filter: 'av1', ffprobe: ['av1', 'flac'], mediabunny: ['av1', 'flac'] },
  { name: 'vp9-ac3', filter: 'raw', ffprobe: ['vp9', 'ac3'], mediabunny: ['vp9', 'ac3'] },
  { name: 'h264-eac3', filter: 'h264', ffprobe: ['h264', 'eac3'], mediabunny: ['avc', 'eac3'] },
  { name: 'h264-mp3', filter: 'h264', ffprobe: ['h264', 'mp3'], mediabunny: ['avc', 'mp3'] },
];

let server: Server;
beforeAll(async () => {
  server = await startServer({ args: ['--segment-duration', '4s'] });
});
afterAll(() => server?.[Symbol.asyncDispose]());

describe.concurrent('Enhanced RTMP from ffmpeg 9', () => {
  it.each(CASES)('relays and records $name', async ({ name, filter, ffprobe, mediabunny, announce }) => {
    const path = `live/${name}`;
    const file = await clip(name);
    const version = 'ffmpeg9';
    await using viewer = watch(server.rtmp(path), { version });
    const input = ['-rtmp_enhanced_codecs', 'hvc1,av01,vp09'];
    await using announcing = watch(server.rtmp(path), { version, input, packetsOnly: true });
    await using flv = watch(server.flv(path), { version, packetsOnly: true });
    await waitFor('both players', () => server.log.all('play command', { stream_key: path }).length >= 2);
    await using publisher = publish(file, server.rtmp(path), { version, ...(announce && { output: announce }) });
    await publisher.succeed();
    expect(complaintsOf(publisher)).toEqual([]);

    const video = await packetsOf(file, 'v:0', { version });
    const audio = await packetsOf(file, 'a:0', { version });
    const byHttp = await flv.finished();
    // ffmpeg 9 says so at the end of every FLV it reads over HTTP, whoever serves it.
    const complaints = byHttp.complaints.filter((line) => !line.includes('Error during demuxing: Input/output error'));
    for (const got of [await viewer.finished(), await announcing.finished(), { ...byHttp, complaints }]) {
      expect(got.complaints).toEqual([]);
      expect(got.other).toEqual([]);
      expectWhole(got.video, video, 'video');
      expectWhole(got.audio, audio, 'audio', video[0]!.dts);
      expectSync([got.video, got.audio], [video, audio]);
    }

    const recording = await completeRecording(server.store, path);
    expect(recording.segments.length).toBeGreaterThan(1);
    for (const segment of recording.segments) {
      const { streams } = await probe(segment.file);
      expect(streams.map((each) => each.codec_name)).toEqual(ffprobe);
    }
    const witnessed = await expectRecorded(recording, file, { version, filter });
    expect(new Set(witnessed.map((each) => each.codec))).toEqual(new Set(mediabunny));
  });

  it('relays and records VVC', async () => {
    const path = 'live/vvc';
    const file = await clip('vvc');
    const version = 'ffmpeg9';
    await using viewer = watch(server.rtmp(path), { version });
    await server.waitForLog('play command', { stream_key: path });
    await using publisher = publish(file, server.rtmp(path), { version });
    await publisher.succeed();
    const got = await viewer.finished();
    expect(got.complaints).toEqual([]);
    const video = await packetsOf(file, 'v:0', { version });
    expectWhole(got.video, video, 'video');
    const recording = await completeRecording(server.store, path);
    // ffprobe 5.1 and mediabunny do not know VVC: the one shows the box's name, the other only the sound.
    for (const segment of recording.segments) {
      const { streams } = await probe(segment.file);
      expect(streams.map((each) => each.codec_tag_string)).toEqual(['vvc1', 'mp4a']);
      await expectDecodes(segment.file, { version });
    }
    const files = recording.segments.map((each) => each.file);
    const filter = 'vvc';
    expectWhole(
      await packetsOfAll(files, 'v:0', { version, filter }),
      await packetsOf(file, 'v:0', { version, filter }),
    );
  });

  it('records both tracks of each kind by multitrack; only those who ask see the second ones', async () => {
    const path = 'live/two';
    const file = await clip('two-tracks');
    const version = 'ffmpeg9';
    const messages: ReceivedMessage[] = [];
    await using plain = watch(server.rtmp(path));
    await using all = watch(`${server.rtmp(path)}?tracks=all`, { version, packetsOnly: true });
    const joining = RtmpPlayer.connect(server.rtmp(path), {
      fourCcList: ['*'],
      multitrack: true,
      onMessage: (message) => messages.push(message),
    });
    await server.waitForLog('play command', { stream_key: path });
    await using publisher = publish(file, server.rtmp(path), { version });
    await using own = await joining;
    await publisher.succeed();

    const source = (stream: string) => packetsOf(file, stream, { version });
    const first = await plain.finished();
    expect(first.complaints).toEqual([]);
    expectWhole(first.video, await source('v:0'), 'the first picture');
    expectWhole(first.audio, await source('a:0'), 'the first sound', first.video[0]!.dts);

    const both = await all.finished();
    expect(both.complaints).toEqual([]);
    for (const [kind, got] of [
      ['v', both.video],
      ['a', both.audio],
    ] as const) {
      const streams = [...new Set(got.map((each) => each.stream))].sort();
      expect(streams).toHaveLength(2);
      for (const [index, stream] of streams.entries()) {
        expectWhole(
          got.filter((each) => each.stream === stream),
          await source(`${kind}:${index}`),
          `${kind}:${index}`,
        );
      }
    }
    await own.closed;
    // E-RTMP: video packet type 6, audio packet type 5 are multitrack.
    expect(messages.some(({ type, body }) => type === 9 && (body[0]! & 0x8f) === 0x86)).toBe(true);
    expect(messages.some(({ type, body }) => type === 8 && body[0] === 0x95)).toBe(true);

    const recording = await completeRecording(server.store, path);
    await expectRecorded(recording, file, { version, filter: 'h264', streams: ['v:0', 'a:0', 'v:1', 'a:1'] });
  });
});

describe('viewers without fourCcList', () => {
  it('are counted, and served all the same', async () => {
    expect(await server.metric('headwater_viewers_without_fourcc_total')).toBeGreaterThan(0);
    // The others were there too: players of ffmpeg 9 that said what they can.
    const players = new Set(server.log.all('play command').map((each) => each.conn_id));
    const connects = server.log.all('connect command').filter((each) => players.has(each.conn_id));
    const lists = connects.map((each) => String(each.fourcc));
    expect(lists).toContain('');
    expect(lists).toContain('hvc1,av01,vp09');
  });
});
