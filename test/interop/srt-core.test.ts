import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ClipName, clip } from '../support/clips.ts';
import { expectRecorded } from '../support/expect-recording.ts';
import { complaintsOf, type FfmpegVersion } from '../support/ffmpeg.ts';
import type { HashedFrame } from '../support/frame-md5.ts';
import { picturesBeforeViewer } from '../support/late-viewer.ts';
import {
  decodedOf,
  expectRun,
  expectSync,
  expectWhole,
  type PacketFilter,
  packetsOf,
} from '../support/media-compare.ts';
import { completeRecording } from '../support/recording.ts';
import { type Server, startServer } from '../support/server.ts';
import { publishSrt } from '../support/srt-programs.ts';
import { tsClip } from '../support/ts-clips.ts';
import { type Received, watch } from '../support/viewer.ts';

/** Of every clip. */
const GOP_MS = 2_000;
/** Players who wait for a publisher that is about to start, as people do. */
const PATIENT = { connect_timeout: 15_000 };
const ENV = { HEADWATER_SRT_WAIT_FOR_PUBLISHER: '14s' };
/** 90 kHz in ms: what comes as a transport stream keeps its times to the tick. */
const EXACT_MS = 0.012;

interface Source {
  readonly clip: ClipName;
  readonly version: FfmpegVersion;
  /** For what comes by RTMP or lies in a recording, and for transport streams. */
  readonly filter: PacketFilter;
  readonly tsFilter: PacketFilter;
  readonly lateMs: number;
  /** Pictures that no decoder can show who starts at a keyframe: in an open GOP those that refer to what came before it. */
  readonly leading: number;
}

const SOURCES: readonly Source[] = [
  { clip: 'h264-aac', version: 'ffmpeg', filter: 'h264', tsFilter: 'h264-adts', lateMs: 7_000, leading: 0 },
  { clip: 'hevc-opus', version: 'ffmpeg9', filter: 'hevc', tsFilter: 'hevc', lateMs: 5_000, leading: 2 },
];

describe.each(SOURCES)('$clip with B-frames, from ffmpeg over SRT to everybody', (source) => {
  const path = `live/${source.clip}`;
  const { version, filter, tsFilter, lateMs, leading } = source;
  const got = {} as Record<'rtmp' | 'flv' | 'srt' | 'late', Received>;
  let server: Server;
  let file: string;
  let video: HashedFrame[];
  let audio: HashedFrame[];
  let complaints: string[];
  let picturesBeforeLate: number;
  let statistics: Readonly<Record<string, unknown>>;

  beforeAll(async () => {
    file = await clip(source.clip);
    video = await packetsOf(file, 'v:0', { version, filter });
    audio = await packetsOf(file, 'a:0', { version });
    server = await startServer({ env: ENV });
    await using rtmp = watch(server.rtmp(path), { version, filter });
    await using flv = watch(server.flv(path), { version, filter, packetsOnly: true });
    await using srt = watch(server.srt(`read:${path}`, PATIENT), { version, filter: tsFilter });
    await server.waitForLog('play command', { stream_key: path });
    await delay(500);
    // As a transport stream, which Debian's ffmpeg reads whatever is in it: that of ffmpeg 9 drops its last messages when it is closed.
    const published = version === 'ffmpeg' ? file : await tsClip(source.clip, version);
    await using publisher = publishSrt(published, server.srt(`publish:${path}`));
    await server.waitForLog('publication started', { stream_key: path });
    await delay(lateMs);
    await using late = watch(server.srt(`read:${path}`), { version, filter: tsFilter });
    picturesBeforeLate = await picturesBeforeViewer(server, path, 4);
    await delay(1_000);
    const view = await server.stream(path);
    statistics = view?.publisher?.srt ?? {};
    for (const [name, viewer] of Object.entries({ rtmp, flv, srt, late })) {
      got[name as keyof typeof got] = await viewer.finished();
    }
    await publisher.succeed();
    complaints = complaintsOf(publisher);
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
  });

  it('takes the stream without a complaint of the publisher, and nothing is lost', async () => {
    expect(complaints).toEqual([]);
    expect(await server.metric('headwater_gaps_total')).toBe(0);
    expect(await server.metric('headwater_viewer_dropped_frames_total')).toBe(0);
    expect(await server.metric('headwater_srt_packets_total{kind="receive-dropped"}')).toBe(0);
    expect(await server.metric('headwater_srt_packets_total{kind="send-dropped"}')).toBe(0);
  });

  it.each(['rtmp', 'flv'] as const)('gives a viewer by %s, there before the publisher, every frame', (name) => {
    expect(got[name].complaints).toEqual([]);
    expectWhole(got[name].video, video, 'video');
    expectWhole(got[name].audio, audio, 'audio', video[0]!.dts);
    expectSync([got[name].video, got[name].audio], [video, audio]);
  });

  it('gives a viewer by SRT, there before the publisher, every frame at its very time', () => {
    expect(got.srt.complaints).toEqual([]);
    expectRun(got.srt.video, video, { what: 'video', toleranceMs: EXACT_MS });
    expectWhole(got.srt.video, video, 'video');
    expectWhole(got.srt.audio, audio, 'audio', video[0]!.dts);
    expectSync([got.srt.video, got.srt.audio], [video, audio], EXACT_MS);
  });

  it('gives pictures that decode to the very same, by RTMP and by SRT', async () => {
    const pictures = (await decodedOf(file, 'v:0', version)).map((each) => each.hash);
    expect(got.rtmp.pictures.map((each) => each.hash)).toEqual(pictures);
    expect(got.srt.pictures.map((each) => each.hash)).toEqual(pictures);
  });

  it('starts a late viewer by SRT on a keyframe, at once, and it misses nothing from there', () => {
    const { late } = got;
    expect(late.complaints).toEqual([]);
    const run = expectRun(late.video, video, { what: 'video', toleranceMs: EXACT_MS });
    expect(run.to).toBe(video.length);
    expect((video[run.from]!.pts - video[0]!.pts) % GOP_MS).toBe(0);
    expect(video[run.from]!.dts).toBeGreaterThanOrEqual(lateMs - GOP_MS);
    expect(run.from, 'a keyframe that it did not have to wait for').toBeLessThan(picturesBeforeLate);
    expect(late.pictures.length).toBeGreaterThanOrEqual(late.video.length - leading);
    expect(expectRun(late.audio, audio, { what: 'audio' }).to).toBe(audio.length);
    expectSync([late.video, late.audio], [video, audio]); // the source rounds the times of its sound to ms
  });

  it('records what was published', async () => {
    const recording = await completeRecording(server.store, path);
    expect(recording.segments.length).toBeGreaterThan(1);
    await expectRecorded(recording, file, { version, filter });
  });

  it('says in log and API who was there, under the names of libsrt', () => {
    expect(server.log.all('Connection accepted', { protocol: 'srt', stream_key: path })).toHaveLength(3);
    expect(server.log.all('Subscriber added', { stream_key: path })).toHaveLength(4);
    expect(server.log.all('Codecs detected', { stream_key: path }).length).toBeGreaterThan(0);
    expect(statistics).toMatchObject({ latency: 120, encryption: null, pktRcvDrop: 0, pktRcvUndecrypt: 0 });
    expect(statistics.pktRecv).toBeGreaterThan(100);
    expect(statistics.rtt).toBeLessThan(50);
    expect(server.log.all('publication ended', { stream_key: path, cause: 'unpublish' })).toHaveLength(1);
  });
});
