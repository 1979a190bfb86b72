import { copyFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Certificate, selfSigned, servedCommonName } from '../support/certificate.ts';
import { clip } from '../support/clips.ts';
import { complaintsOf, expectDecodes, publish } from '../support/ffmpeg.ts';
import type { HashedFrame } from '../support/frame-md5.ts';
import { picturesBeforeViewer } from '../support/late-viewer.ts';
import { decodedOf, expectRun, expectSync, expectWhole, packetsOf, packetsOfAll } from '../support/media-compare.ts';
import { freePort } from '../support/ports.ts';
import { completeRecording } from '../support/recording.ts';
import { type Server, startServer } from '../support/server.ts';
import { TempDir } from '../support/temp-dir.ts';
import { type Received, watch } from '../support/viewer.ts';
import { waitFor } from '../support/wait-for.ts';
import { witness } from '../support/witness.ts';

const GOP_FRAMES = 50;
const LATE_MS = 9000;

describe('H.264 with B-frames and AAC, from ffmpeg to viewers and the store', () => {
  const temp = new TempDir('core');
  const got = {} as Record<'rtmp1' | 'rtmp2' | 'ffmpeg9' | 'late' | 'flv' | 'rtmps', Received>;
  let server: Server;
  let certificate: Certificate;
  let source: { file: string; video: HashedFrame[]; audio: HashedFrame[]; pictures: HashedFrame[] };
  let publisherComplaints: string[];
  let picturesBeforeLate: number;

  // One publication, watched in every way at once; the tests look at what came of it.
  beforeAll(async () => {
    const file = await clip('h264-aac');
    source = {
      file,
      video: await packetsOf(file, 'v:0'),
      audio: await packetsOf(file, 'a:0'),
      pictures: await decodedOf(file, 'v:0'),
    };
    certificate = await selfSigned(temp);
    const tlsPort = await freePort();
    const tls = ['--tls-listen', `127.0.0.1:${tlsPort}`, '--tls-cert', certificate.cert, '--tls-key', certificate.key];
    server = await startServer({ args: tls });
    const url = server.rtmp('live/test');
    await using rtmp1 = watch(url);
    await using rtmp2 = watch(url, { packetsOnly: true });
    await using ffmpeg9 = watch(url, { version: 'ffmpeg9', packetsOnly: true });
    await using flv = watch(server.flv('live/test'), { packetsOnly: true });
    await using rtmps = watch(`rtmps://127.0.0.1:${tlsPort}/live/test`, { packetsOnly: true });
    await server.log.waitForLog('play command');
    await delay(500);
    await using publisher = publish(file, url);
    await rtmp1.started();
    await delay(LATE_MS);
    await using late = watch(url);
    picturesBeforeLate = await picturesBeforeViewer(server, 'live/test', 6);
    for (const [name, viewer] of Object.entries({ rtmp1, rtmp2, ffmpeg9, late, flv, rtmps })) {
      got[name as keyof typeof got] = await viewer.finished();
    }
    await publisher.succeed();
    publisherComplaints = complaintsOf(publisher);
  });
  const recorded = () => completeRecording(server.store, 'live/test');
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    temp[Symbol.dispose]();
  });

  it('takes the stream without a complaint of the publisher', () => {
    expect(publisherComplaints).toEqual([]);
  });

  it.each(['rtmp1', 'rtmp2', 'ffmpeg9', 'flv', 'rtmps'] as const)(
    'gives %s, there before the publisher, every frame',
    (name) => {
      const { exit, video, audio, other, complaints } = got[name];
      expect(complaints).toEqual([]);
      expect(other).toEqual([]);
      expect(exit.code).toBe(0);
      expectWhole(video, source.video, 'video');
      expectWhole(audio, source.audio, 'audio', source.video[0]!.dts);
      expectSync([video, audio], [source.video, source.audio]);
    },
  );

  it('gives pictures that decode to the very same', () => {
    expect(got.rtmp1.pictures.map((each) => each.hash)).toEqual(source.pictures.map((each) => each.hash));
  });

  it('starts a late viewer on a keyframe, at once, and it misses nothing from there', () => {
    const { exit, video, audio, pictures, complaints } = got.late;
    expect(complaints).toEqual([]);
    expect(exit.code).toBe(0);
    const run = expectRun(video, source.video, { what: 'video' });
    expect(run.from % GOP_FRAMES).toBe(0);
    expect(run.to).toBe(source.video.length);
    // The newest keyframe of those that had been sent when it joined, and none that it would have had to wait for.
    expect(run.from).toBeLessThan(picturesBeforeLate);
    expect(run.from).toBeGreaterThanOrEqual(picturesBeforeLate - 2 * GOP_FRAMES);
    expect(pictures).toHaveLength(video.length);
    expect(expectRun(audio, source.audio, { what: 'audio' }).to).toBe(source.audio.length);
    expectSync([video, audio], [source.video, source.audio]);
  });

  it('records segments that each play alone and together are the source', async () => {
    const recording = await recorded();
    const files = recording.segments.map((each) => each.file);
    expect(files.length).toBe(4);
    expect(recording.segments.map((each) => each.seq)).toEqual([1, 2, 3, 4]);
    for (const file of files) await expectDecodes(file);
    const want = await packetsOf(source.file, 'v:0', { filter: 'h264' });
    const video = await packetsOfAll(files, 'v:0', { filter: 'h264' });
    const audio = await packetsOfAll(files, 'a:0');
    expectWhole(video, want, 'recorded video');
    expectWhole(audio, source.audio, 'recorded audio', source.video[0]!.dts);
    expectSync([video, audio], [want, source.audio]);
  });

  it('records pictures that decode to the very same', async () => {
    const pictures: string[] = [];
    for (const { file } of (await recorded()).segments)
      pictures.push(...(await decodedOf(file, 'v:0')).map((each) => each.hash));
    expect(pictures).toEqual(source.pictures.map((each) => each.hash));
  });

  it('records segments that mediabunny reads, each from a keyframe', async () => {
    let frames = 0;
    for (const { file } of (await recorded()).segments) {
      const [video, audio] = await witness(file);
      expect(video).toMatchObject({ type: 'video', codec: 'avc', firstIsKey: true, width: 640, height: 360 });
      expect(audio).toMatchObject({ type: 'audio', codec: 'aac' });
      frames += video!.packets;
    }
    expect(frames).toBe(source.video.length);
  });

  it('writes a playlist through which ffmpeg reads the whole', async () => {
    const recording = await recorded();
    const want = await packetsOf(source.file, 'v:0', { filter: 'h264' });
    expectWhole(await packetsOf(recording.playlist, 'v:0', { filter: 'h264' }), want, 'video through index.m3u8');
    expectWhole(
      await packetsOf(recording.playlist, 'a:0'),
      source.audio,
      'audio through index.m3u8',
      source.video[0]!.dts,
    );
    await expectDecodes(recording.playlist);
  });

  it('says who was there', async () => {
    expect(server.log.all('Subscriber added')).toHaveLength(6);
    expect(server.log.all('play command', { stream_key: 'live/test' })).toHaveLength(6);
    expect(await server.metric('headwater_viewer_dropped_frames_total')).toBe(0);
    expect(await server.metric('headwater_gaps_total')).toBe(0);
  });
});

describe('RTMPS', () => {
  it('takes a publisher over TLS, and reads a new certificate when the files change', async () => {
    using temp = new TempDir('rtmps');
    const { cert, key } = await selfSigned(temp, 'first');
    const port = await freePort();
    await using server = await startServer({
      args: ['--tls-listen', `127.0.0.1:${port}`, '--tls-cert', cert, '--tls-key', key],
    });
    const url = `rtmps://127.0.0.1:${port}/live/tls`;
    const file = await clip('h264-small');
    expect(await servedCommonName(port)).toBe('first');
    await using viewer = watch(server.rtmp('live/tls'), { packetsOnly: true });
    await server.waitForLog('play command');
    await using publisher = publish(file, url);
    await viewer.started();

    const next = await selfSigned(temp, 'second');
    copyFileSync(next.cert, cert);
    copyFileSync(next.key, key);
    await waitFor('the new certificate', async () => (await servedCommonName(port)) === 'second');

    await publisher.succeed();
    const { video, audio } = await viewer.finished();
    const want = await packetsOf(file, 'v:0');
    expectWhole(video, want, 'video over TLS, through the change of certificate');
    expectWhole(audio, await packetsOf(file, 'a:0'), 'audio over TLS', want[0]!.dts);
  });
});
