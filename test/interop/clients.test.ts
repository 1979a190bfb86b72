import { chmodSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tool } from '../setup/tools.ts';
import { clip } from '../support/clips.ts';
import { expectRecorded } from '../support/expect-recording.ts';
import { expectDecodes, probe, publish } from '../support/ffmpeg.ts';
import type { HashedFrame } from '../support/frame-md5.ts';
import { decodedOf, expectRun, expectWhole, packetsOf, packetsOfAll } from '../support/media-compare.ts';
import { startObs } from '../support/obs.ts';
import { start } from '../support/process.ts';
import { completeRecording } from '../support/recording.ts';
import { type Server, startServer } from '../support/server.ts';
import { TempDir } from '../support/temp-dir.ts';
import { watch } from '../support/viewer.ts';
import { waitFor } from '../support/wait-for.ts';

const NOBODY = 65_534;
const STREAM_SECONDS = 8;

let server: Server;
const temp = new TempDir('clients');
beforeAll(async () => {
  chmodSync(temp.path, 0o777);
  server = await startServer({ args: ['--segment-duration', '4s'] });
});
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  temp[Symbol.dispose]();
});

/** A pipeline that encodes, sends what it muxed to the server and keeps a copy of it. `sync` sends in real time. */
function gstreamerPublisher(sink: string, location: string, copy: string): string[] {
  const video = `videotestsrc is-live=true pattern=ball num-buffers=${STREAM_SECONDS * 25} ! video/x-raw,width=320,height=240,framerate=25/1`;
  const audio = `audiotestsrc is-live=true wave=ticks samplesperbuffer=960 num-buffers=${STREAM_SECONDS * 50} ! audio/x-raw,rate=48000,channels=2`;
  const x264 = 'x264enc key-int-max=50 bframes=2 b-adapt=false speed-preset=ultrafast bitrate=500 ! h264parse';
  const pipeline = [
    `flvmux name=mux streamable=true ! tee name=t ! queue ! ${sink} location=${location}`,
    `t. ! queue ! filesink location=${copy}`,
    `${video} ! ${x264} ! queue ! mux.`,
    `${audio} ! voaacenc bitrate=96000 ! aacparse ! queue ! mux.`,
  ].join(' ');
  return ['-q', '-e', ...pipeline.split(' ')];
}

/**
 * Proves that `got` is `want`, except for sound before the first picture. Hashes may repeat in what these encoders make (silence, a still
 * picture), so the lists are compared from their ends.
 */
function expectSameFrames(
  got: readonly HashedFrame[],
  want: readonly HashedFrame[],
  fromMs = Number.NEGATIVE_INFINITY,
): void {
  const missing = want.slice(0, want.length - got.length);
  expect(missing.filter((frame) => frame.dts >= fromMs)).toEqual([]);
  const rest = want.slice(missing.length);
  expect(got.map((each) => each.hash)).toEqual(rest.map((each) => each.hash));
  for (const [index, frame] of got.entries()) {
    expect(Math.abs(frame.dts - got[0]!.dts - (rest[index]!.dts - rest[0]!.dts))).toBeLessThanOrEqual(1.001);
  }
}

describe.concurrent('publishers', () => {
  it.each([
    { name: "GStreamer's rtmp2sink", sink: 'rtmp2sink' },
    { name: 'librtmp (rtmpsink)', sink: 'rtmpsink' },
  ])('$name', async ({ sink }) => {
    const path = `live/${sink}`;
    const copy = temp.join(`${sink}.flv`);
    await using viewer = watch(server.rtmp(path));
    await server.waitForLog('play command', { stream_key: path });
    await using publisher = start(tool('gst-launch-1.0'), gstreamerPublisher(sink, server.rtmp(path), copy));
    await publisher.succeed();
    const got = await viewer.finished();
    expect(got.complaints).toEqual([]);
    expect(got.exit.code).toBe(0);
    const [video, audio] = [await packetsOf(copy, 'v:0'), await packetsOf(copy, 'a:0')];
    expect(video.length).toBe(STREAM_SECONDS * 25);
    expectSameFrames(got.video, video);
    // flvmux sends sound that is a few ms later than a picture before it.
    const fromMs = video[0]!.dts + 50;
    expectSameFrames(got.audio, audio, fromMs);
    expect(got.pictures).toHaveLength(got.video.length);

    const { segments } = await completeRecording(server.store, path);
    const files = segments.map((each) => each.file);
    for (const file of files) await expectDecodes(file);
    const filter = 'h264';
    expectSameFrames(await packetsOfAll(files, 'v:0', { filter }), await packetsOf(copy, 'v:0', { filter }));
    expectSameFrames(await packetsOfAll(files, 'a:0'), audio, fromMs);
  });

  it('OBS Studio, with its keyframes 10 s apart, stopped by its user', async () => {
    const path = 'live/obs';
    await using viewer = watch(server.rtmp(path));
    await server.waitForLog('play command', { stream_key: path });
    await using obs = await startObs(`rtmp://127.0.0.1:${server.ports.rtmp}/live`, 'obs');
    await viewer.started(40_000);
    await delay(13_000);
    await using late = watch(server.rtmp(path));
    await late.started();
    const named = { stream_key: path };
    for (const msg of ['recorder initialized', 'recording started']) await server.waitForLog(msg, named);
    for (const msg of ['Cached audio sequence header', 'Cached video sequence header'])
      await server.waitForLog(msg, named);
    await server.waitForLog('Codecs detected', { ...named, videoCodec: 'h264', audioCodec: 'aac' });
    expect((await server.stream(path))?.video).toMatchObject({ width: 640, height: 360 });
    await obs.stopStreaming();
    const said = await waitFor('OBS to stop', () => /Total frames output: (\d+)/.exec(obs.process.stdout));
    const sent = Number(said[1]);

    const got = await viewer.finished();
    expect(got.complaints).toEqual([]);
    expect(got.exit.code).toBe(0);
    // OBS counts what it queued; on "stop" it may throw away the end of its queue.
    expect(got.video.length).toBeLessThanOrEqual(sent);
    expect(got.video.length).toBeGreaterThan(sent - 5);
    expect(got.pictures).toHaveLength(got.video.length);
    expect(got.audio.length).toBeGreaterThan(0);
    const joined = await late.finished();
    expect(joined.complaints).toEqual([]);
    expectSameFrames(joined.video, got.video.slice(250));

    const { segments } = await completeRecording(server.store, path);
    const files = segments.map((each) => each.file);
    for (const file of files) {
      await expectDecodes(file);
      expect((await probe(file)).streams.map((each) => each.codec_name)).toEqual(['h264', 'aac']);
    }
    const pictures: string[] = [];
    for (const file of files) pictures.push(...(await decodedOf(file, 'v:0')).map((each) => each.hash));
    expect(pictures).toEqual(got.pictures.map((each) => each.hash));
  });
});

describe('players', () => {
  const path = 'live/players';
  let file: string;

  // All of them watch one publication.
  beforeAll(async () => {
    file = await clip('h264-small');
    const url = server.rtmp(path);
    const gst = ['-q', '-e', 'rtmp2src', `location=${url}`, '!', 'filesink', `location=${temp.join('rtmp2src.flv')}`];
    await using rtmp2src = start(tool('gst-launch-1.0'), gst);
    await using rtmpdump = start(tool('rtmpdump'), ['--live', '--quiet', '-r', url, '-o', temp.join('rtmpdump.flv')]);
    const sout = `--sout=#std{access=file,mux=avformat{mux=matroska},dst=${temp.join('vlc.mkv')}}`;
    // VLC refuses to run as root.
    const asNobody = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
    await using vlc = start(
      tool('cvlc'),
      ['--no-color', '--intf', 'dummy', sout, '--sout-all', '--play-and-exit', url, 'vlc://quit'],
      { ...asNobody, env: { HOME: temp.path, XDG_RUNTIME_DIR: temp.path } },
    );
    const lowDelay = ['-fflags', 'nobuffer', '-flags', 'low_delay', '-framedrop'];
    const players = [[], lowDelay].map((options) =>
      start(tool('ffplay'), ['-hide_banner', '-loglevel', 'level+warning', '-nostats', '-autoexit', ...options, url], {
        env: { SDL_VIDEODRIVER: 'dummy', SDL_AUDIODRIVER: 'dummy' },
      }),
    );
    await using ffplay = players[0]!;
    await using ffplayLowDelay = players[1]!;
    await waitFor('five players', () => server.log.all('play command', { stream_key: path }).length === 5);
    await using publisher = publish(file, url);
    await publisher.succeed();
    ended = [];
    for (const each of [rtmp2src, rtmpdump, vlc, ffplay, ffplayLowDelay]) {
      const { code } = await each.wait(30_000);
      ended.push({ name: each.name, code, words: complaints(each.stderr) });
    }
  });
  let ended: { name: string; code: number | null; words: string[] }[];

  it('all end by themselves when the publisher stops, without a complaint', () => {
    expect(ended).toEqual([
      { name: 'gst-launch-1.0', code: 0, words: [] },
      { name: 'rtmpdump', code: 0, words: [] },
      { name: 'cvlc', code: 0, words: [] },
      { name: 'ffplay', code: 0, words: [] },
      { name: 'ffplay', code: 0, words: [] },
    ]);
  });

  it.each(['rtmp2src', 'rtmpdump'])('%s received the whole stream', async (name) => {
    const got = temp.join(`${name}.flv`);
    expectWhole(await packetsOf(got, 'v:0'), await packetsOf(file, 'v:0'), 'video');
    const firstPicture = (await packetsOf(file, 'v:0'))[0]!.dts;
    expectWhole(await packetsOf(got, 'a:0'), await packetsOf(file, 'a:0'), 'audio', firstPicture);
  });

  it('VLC received the whole stream', async () => {
    const got = temp.join('vlc.mkv');
    // VLC makes times of its own, so only what it got is compared.
    const any = { toleranceMs: Number.POSITIVE_INFINITY };
    const filter = 'h264';
    const [video, audio] = [await packetsOf(file, 'v:0', { filter }), await packetsOf(file, 'a:0')];
    const seen = expectRun(await packetsOf(got, 'v:0', { filter }), video, { what: 'video', ...any });
    expect(seen).toEqual({ from: 0, to: video.length });
    const heard = expectRun(await packetsOf(got, 'a:0'), audio, { what: 'audio', ...any });
    // Its packetizer keeps the last frame.
    expect(heard.to).toBeGreaterThanOrEqual(audio.length - 1);
    expect(audio[heard.from]!.dts).toBeLessThanOrEqual(video[0]!.dts);
  });

  it('is recorded beside', async () => {
    await expectRecorded(await completeRecording(server.store, path), file);
  });
});

/** What players say of media; not what they say of missing graphics cards, buses and terminals. */
function complaints(stderr: string): string[] {
  const lines = stderr.split('\n').filter((line) => /error|warning|fail|corrupt|missing|late|drop/i.test(line));
  // VLC says that a clock reference came too late whenever it had to wait for the machine: what it got is compared.
  return lines.filter(
    (line) => !/ES_OUT_SET_(GROUP_)?PCR|renderer|D-Bus|dbus|interface|XDG|pulse|no more input streams/i.test(line),
  );
}
