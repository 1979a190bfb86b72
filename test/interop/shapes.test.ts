import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { MediaMessage } from '../../ingest/protocol/rtmp/media-message.ts';
import { parseRecording, RECORDING_NAME } from '../../ingest/spool/recording-document.ts';
import { clip } from '../support/clips.ts';
import { expectRecorded } from '../support/expect-recording.ts';
import { complaintsOf, expectDecodes, probe, publish, runFfmpeg } from '../support/ffmpeg.ts';
import { kindOfFlvTag, readFlvTags, spliceFlv, writeFlvTags } from '../support/flv-tags.ts';
import { decodedOf, expectRun, expectSync, expectWhole, packetsOf, packetsOfAll } from '../support/media-compare.ts';
import { publishTags } from '../support/own-publisher.ts';
import { completeRecording } from '../support/recording.ts';
import { type Server, startServer } from '../support/server.ts';
import { TempDir } from '../support/temp-dir.ts';
import { watch } from '../support/viewer.ts';
import { waitFor } from '../support/wait-for.ts';

const temp = new TempDir('shapes');
let server: Server;
beforeAll(async () => {
  server = await startServer({ args: ['--segment-duration', '4s'] });
});
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  temp[Symbol.dispose]();
});

/** Streams of a file that a viewer and the recording must have whole. */
async function expectBoth(
  path: string,
  file: string,
  publishing: () => Promise<void>,
  streams = ['v:0', 'a:0'],
): Promise<void> {
  await using viewer = watch(server.rtmp(path));
  await server.waitForLog('play command', { stream_key: path });
  await publishing();
  const got = await viewer.finished();
  expect(got.complaints).toEqual([]);
  const fromMs = streams[0] === 'v:0' ? (await packetsOf(file, 'v:0'))[0]!.dts : undefined;
  for (const stream of streams) {
    const frames = stream === 'v:0' ? got.video : got.audio;
    expectWhole(frames, await packetsOf(file, stream), `${stream} of a viewer`, fromMs);
  }
  await expectRecorded(await completeRecording(server.store, path), file, { streams });
}

async function byFfmpeg(file: string, path: string, rate = 1, output: readonly string[] = []): Promise<void> {
  await using publisher = publish(file, server.rtmp(path), { rate, output });
  await publisher.succeed();
  expect(complaintsOf(publisher)).toEqual([]);
}

/** No gap may have been declared for a path, neither in the log nor by its recording. */
async function expectNoGap(path: string): Promise<void> {
  expect(server.log.all('gap in the media of the publisher', { stream_key: path })).toEqual([]);
  const { dir } = await completeRecording(server.store, path);
  const { publications } = parseRecording(readFileSync(join(dir, RECORDING_NAME)));
  expect(publications.map(({ gaps }) => gaps)).toEqual([[]]);
}

describe.concurrent('streams of every shape', () => {
  it('audio only, cut by time', async () => {
    const file = await clip('audio-only');
    await expectBoth('live/audio', file, () => byFfmpeg(file, 'live/audio', 2), ['a:0']);
    const { segments } = await completeRecording(server.store, 'live/audio');
    expect(segments).toHaveLength(5);
  });

  it('video only', async () => {
    const file = await clip('video-only');
    await expectBoth('live/video', file, () => byFfmpeg(file, 'live/video', 2), ['v:0']);
  });

  it('all-intra video', async () => {
    const file = await clip('all-intra');
    await expectBoth('live/intra', file, () => byFfmpeg(file, 'live/intra'));
  });

  it('audio header and audio before the video header', async () => {
    const tags = readFlvTags(await clip('h264-small'));
    const isLate = (tag: MediaMessage) => tag.type === 9 && kindOfFlvTag(tag) === 'header';
    const head = tags.filter(
      (tag) => kindOfFlvTag(tag) === 'metadata' || (tag.type === 8 && kindOfFlvTag(tag) === 'header'),
    );
    const media = tags.filter((tag) => kindOfFlvTag(tag) === 'media');
    const firstVideo = media.findIndex((tag) => tag.type === 9);
    const ordered = [...head, ...media.slice(0, firstVideo), ...tags.filter(isLate), ...media.slice(firstVideo)];
    expect(firstVideo).toBeGreaterThan(0);
    const file = temp.join('audio-first.flv');
    writeFileSync(file, writeFlvTags(ordered));
    await expectBoth('live/audiofirst', file, () => publishTags(server.rtmp('live/audiofirst'), ordered));
  });

  it('a sound track that comes late is recorded from the next keyframe on', async () => {
    const path = 'live/late';
    const file = await clip('h264-wide');
    const LATE_MS = 3000;
    const all = readFlvTags(file);
    const audioHeader = all.find((tag) => tag.type === 8 && kindOfFlvTag(tag) === 'header')!;
    const media = all.filter((tag) => kindOfFlvTag(tag) === 'media' && (tag.type === 9 || tag.timestamp >= LATE_MS));
    const firstAudio = media.findIndex((tag) => tag.type === 8);
    const header = { ...audioHeader, timestamp: media[firstAudio]!.timestamp };
    const videoHeader = all.find((tag) => tag.type === 9 && kindOfFlvTag(tag) === 'header')!;
    // Without metadata: nothing announces the sound.
    await publishTags(server.rtmp(path), [
      videoHeader,
      ...media.slice(0, firstAudio),
      header,
      ...media.slice(firstAudio),
    ]);
    const { segments } = await completeRecording(server.store, path);
    const files = segments.map((each) => each.file);
    const want = await packetsOf(file, 'v:0', { filter: 'h264' });
    const video = await packetsOfAll(files, 'v:0', { filter: 'h264' });
    expectWhole(video, want, 'video');

    const withSound: string[] = [];
    for (const each of files)
      if ((await probe(each)).streams.some((stream) => stream.codec_type === 'audio')) withSound.push(each);
    expect(withSound.length).toBeGreaterThan(0);
    expect(withSound.length).toBeLessThan(files.length);
    const sound = await packetsOf(file, 'a:0');
    const audio = await packetsOfAll(withSound, 'a:0');
    const run = expectRun(audio, sound, { what: 'late audio' });
    expect(run.to).toBe(sound.length);
    // Keyframes are 2 s apart: the track is in from the one at 4 s.
    const keyframe = want.find((frame) => frame.dts >= LATE_MS && want.indexOf(frame) % 50 === 0)!;
    expect(sound[run.from]!.dts).toBeLessThanOrEqual(keyframe.dts + 100);
    expectSync([video, audio], [want, sound]);
    for (const each of files) await expectDecodes(each);
  });

  it('a change of encoder and resolution in mid-stream, played through the playlist', async () => {
    const path = 'live/change';
    const [small, wide] = [await clip('h264-small'), await clip('h264-wide')];
    const file = temp.join('change.flv');
    writeFileSync(file, writeFlvTags(spliceFlv([small, wide, small])));
    await using viewer = watch(server.rtmp(path), { packetsOnly: true });
    await server.waitForLog('play command', { stream_key: path });
    // ffmpeg's own parser is puzzled by such a file, so its words say nothing here.
    await using publisher = publish(file, server.rtmp(path), { rate: 2 });
    await publisher.succeed();
    const got = await viewer.finished();
    expect(got.video.map((each) => each.hash)).toEqual((await packetsOf(file, 'v:0')).map((each) => each.hash));

    const { segments, playlist } = await completeRecording(server.store, path);
    const sizes: string[] = [];
    for (const segment of segments) {
      await expectDecodes(segment.file);
      const video = (await probe(segment.file)).streams.find((stream) => stream.codec_type === 'video')!;
      sizes.push(`${video.width}x${video.height}`);
    }
    expect([...new Set(sizes)].sort()).toEqual(['320x240', '640x360']);
    expect(sizes[0]).toBe('320x240');
    expect(sizes.at(-1)).toBe('320x240');

    const child = await runFfmpeg(['-xerror', '-i', playlist, '-map', '0:v', '-f', 'null', '-'], {});
    expect(complaintsOf(child)).toEqual([]);
    expect(await decodedSizes(playlist)).toEqual([
      { size: '320x240', frames: 200 },
      { size: '640x360', frames: 200 },
      { size: '320x240', frames: 200 },
    ]);
    const want = [...(await hashesOf(small)), ...(await hashesOf(wide)), ...(await hashesOf(small))];
    const files = segments.map((each) => each.file);
    expect((await packetsOfAll(files, 'v:0', { filter: 'h264' })).map((each) => each.hash)).toEqual(want);
    expect(readFileSync(playlist, 'utf8').match(/#EXT-X-MAP/g)!.length).toBeGreaterThanOrEqual(3);
  });

  it('a change of codec in mid-stream', async () => {
    const path = 'live/codec';
    const [first, second] = [await clip('h264-small'), await clip('hevc-opus')];
    await publishTags(server.rtmp(path), spliceFlv([first, second]), { speed: 2 });
    const { segments } = await completeRecording(server.store, path);
    const codecs: (string | undefined)[] = [];
    for (const segment of segments) {
      await expectDecodes(segment.file, { version: 'ffmpeg9' });
      const streams = (await probe(segment.file)).streams;
      codecs.push(streams.map((each) => each.codec_name).join('+'));
    }
    expect([...new Set(codecs)]).toEqual(['h264+aac', 'hevc+opus']);
    const version = 'ffmpeg9';
    const before = segments.filter((_, i) => codecs[i] === 'h264+aac').map((each) => each.file);
    const after = segments.filter((_, i) => codecs[i] === 'hevc+opus').map((each) => each.file);
    for (const [files, file, filter] of [
      [before, first, 'h264'],
      [after, second, 'hevc'],
    ] as const) {
      const want = await packetsOf(file, 'v:0', { version, filter });
      expectWhole(await packetsOfAll(files, 'v:0', { version, filter }), want, `video of ${file}`);
      expectWhole(
        await packetsOfAll(files, 'a:0', { version }),
        await packetsOf(file, 'a:0', { version }),
        `audio of ${file}`,
        want[0]!.dts,
      );
    }
  });

  it.each([
    { name: 'video-only', streams: ['v:0'] },
    { name: 'h264-wide', streams: ['v:0', 'a:0'] },
  ] as const)("ffmpeg's wrap at 2^31 ms: $name", async ({ name, streams }) => {
    const path = `live/wrap31-${name}`;
    const file = await clip(name);
    // 2³¹ ms are 5.648 s away.
    await expectBoth(path, file, () => byFfmpeg(file, path, 1, ['-output_ts_offset', '2147478']), [...streams]);
    await expectNoGap(path);
  });

  it.each([
    { name: 'with', extTimestampOnType3: true },
    { name: 'without', extTimestampOnType3: false },
  ])('a publisher across 2^32 ms, $name extended time on type-3 chunks', async ({ name, extTimestampOnType3 }) => {
    const path = `live/wrap32-${name}`;
    const file = await clip('h264-wide');
    const fromMs = 2 ** 32 - 3000;
    const tags = readFlvTags(file).filter((tag) => kindOfFlvTag(tag) !== 'end');
    await expectBoth(path, file, () => publishTags(server.rtmp(path), tags, { fromMs, extTimestampOnType3 }));
    await expectNoGap(path);
  });

  it('keyframes 20 s apart: whole GOPs, a late viewer from the last one, and a playlist of byte ranges', async () => {
    const path = 'live/long';
    const file = await clip('long-gop');
    await using viewer = watch(server.rtmp(path));
    await server.waitForLog('play command', { stream_key: path });
    await using publisher = publish(file, server.rtmp(path), { rate: 4 });
    await viewer.started();
    await waitFor('the middle of the second GOP', async () => {
      const { frames = 0 } = (await server.stream(path))?.tracks.find(({ kind }) => kind === 'video') ?? {};
      return frames > 700;
    });
    await using late = watch(server.rtmp(path));
    await publisher.succeed();
    const video = await packetsOf(file, 'v:0');
    const whole = await viewer.finished();
    expect(whole.complaints).toEqual([]);
    expectWhole(whole.video, video, 'video');
    const joined = await late.finished();
    expect(joined.complaints).toEqual([]);
    expect(expectRun(joined.video, video, { what: 'late video' })).toEqual({ from: 500, to: video.length });
    expect(joined.pictures).toHaveLength(joined.video.length);

    const recording = await completeRecording(server.store, path);
    expect(recording.segments).toHaveLength(3);
    await expectRecorded(recording, file);
    const playlist = readFileSync(recording.playlist, 'utf8');
    expect(playlist).toMatch(/#EXT-X-TARGETDURATION:8\n/);
    const durations = [...playlist.matchAll(/#EXTINF:([\d.]+)/g)].map((match) => Number(match[1]));
    expect(Math.max(...durations)).toBeLessThanOrEqual(8.5);
    const want = await packetsOf(file, 'v:0', { filter: 'h264' });
    expectWhole(await packetsOf(recording.playlist, 'v:0', { filter: 'h264' }), want, 'video through index.m3u8');
  });
});

async function hashesOf(file: string): Promise<string[]> {
  return (await packetsOf(file, 'v:0', { filter: 'h264' })).map((each) => each.hash);
}

/** Runs of decoded frames of equal size. */
async function decodedSizes(file: string): Promise<{ size: string; frames: number }[]> {
  const runs: { size: string; frames: number }[] = [];
  // The bytes of a decoded picture tell its size: 4:2:0 has 12 bits a pixel.
  for (const { size } of await decodedOf(file, 'v:0')) {
    const name = size === (320 * 240 * 3) / 2 ? '320x240' : size === (640 * 360 * 3) / 2 ? '640x360' : `${size} bytes`;
    const last = runs.at(-1);
    if (last?.size === name) last.frames++;
    else runs.push({ size: name, frames: 1 });
  }
  return runs;
}
