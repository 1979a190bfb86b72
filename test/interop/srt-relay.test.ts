import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ClipName, clip } from '../support/clips.ts';
import { complaintsOf, type FfmpegVersion, publish } from '../support/ffmpeg.ts';
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
import { freeUdpPort } from '../support/ports.ts';
import { type Server, startServer } from '../support/server.ts';
import { publishSrt, refusalOf, srtLiveTransmit } from '../support/srt-programs.ts';
import { type Received, watch } from '../support/viewer.ts';

const GOP_MS = 2_000;
const LATE_MS = 4_500;
const PATIENT = { connect_timeout: 15_000 };
const PASSPHRASE = 'mysecretkey';
const ENV = { HEADWATER_SRT_WAIT_FOR_PUBLISHER: '14s', HEADWATER_RELAY_UNPUBLISH_GRACE: '4s' };

interface Source {
  readonly clip: ClipName;
  readonly version: FfmpegVersion;
  readonly filter: PacketFilter;
  readonly tsFilter: PacketFilter;
  readonly secret: Readonly<Record<string, string>>;
  /** Pictures that no decoder can show who starts at a keyframe: in an open GOP those that refer to what came before it. */
  readonly leading: number;
}

const SOURCES: readonly Source[] = [
  { clip: 'h264-aac', version: 'ffmpeg', filter: 'h264', tsFilter: 'h264-adts', secret: {}, leading: 0 },
  {
    clip: 'hevc-opus',
    version: 'ffmpeg9',
    filter: 'hevc',
    tsFilter: 'hevc',
    secret: { passphrase: PASSPHRASE },
    leading: 2,
  },
];

describe.each(SOURCES)(
  '$clip by RTMP, watched by SRT',
  ({ clip: name, version, filter, tsFilter, secret, leading }) => {
    const path = `live/${name}`;
    const got = {} as Record<'early' | 'late', Received>;
    let server: Server;
    let file: string;
    let video: HashedFrame[];
    let audio: HashedFrame[];
    let picturesBeforeLate: number;
    beforeAll(async () => {
      file = await clip(name);
      video = await packetsOf(file, 'v:0', { version, filter });
      audio = await packetsOf(file, 'a:0', { version });
      const passphrase = secret.passphrase === undefined ? [] : ['--srt-passphrase', PASSPHRASE];
      server = await startServer({ env: ENV, args: ['--record-all=false', ...passphrase] });
      await using early = watch(server.srt(`read:${path}`, { ...PATIENT, ...secret }), { version, filter: tsFilter });
      await server.waitForLog('play command', { stream_key: path });
      await using publisher = publish(file, server.rtmp(path), { version });
      await server.waitForLog('publication started', { stream_key: path });
      await delay(LATE_MS);
      await using late = watch(server.srt(`read:${path}`, secret), { version, filter: tsFilter });
      picturesBeforeLate = await picturesBeforeViewer(server, path, 2);
      await publisher.succeed();
      expect(complaintsOf(publisher)).toEqual([]);
      got.early = await early.finished();
      got.late = await late.finished();
    });
    afterAll(async () => {
      await server?.[Symbol.asyncDispose]();
    });

    it('gives a viewer that was there before every frame, in step', () => {
      expect(got.early.complaints).toEqual([]);
      expectWhole(got.early.video, video, 'video');
      expectWhole(got.early.audio, audio, 'audio', video[0]!.dts);
      expectSync([got.early.video, got.early.audio], [video, audio]);
    });

    it('gives pictures that decode to the very same', async () => {
      const want = (await decodedOf(file, 'v:0', version)).map((each) => each.hash);
      expect(got.early.pictures.map((each) => each.hash)).toEqual(want);
    });

    it('starts a late viewer on a keyframe, at once, and it misses nothing from there', () => {
      expect(got.late.complaints).toEqual([]);
      const run = expectRun(got.late.video, video, { what: 'video' });
      expect(run.to).toBe(video.length);
      expect((video[run.from]!.pts - video[0]!.pts) % GOP_MS).toBe(0);
      expect(video[run.from]!.dts).toBeGreaterThanOrEqual(LATE_MS - GOP_MS);
      expect(run.from, 'a keyframe that it did not have to wait for').toBeLessThan(picturesBeforeLate);
      expect(got.late.pictures.length).toBeGreaterThanOrEqual(got.late.video.length - leading);
      expect(expectRun(got.late.audio, audio, { what: 'audio' }).to).toBe(audio.length);
      expectSync([got.late.video, got.late.audio], [video, audio]);
    });
  },
);

describe.concurrent('paths and their publishers', () => {
  let server: Server;
  let takingOver: Server;
  let file: string;
  let source: HashedFrame[];
  beforeAll(async () => {
    file = await clip('h264-small');
    source = await packetsOf(file, 'v:0', { filter: 'h264' });
    const args = ['--record-all=false'];
    server = await startServer({ env: ENV, args });
    takingOver = await startServer({ env: ENV, args: [...args, '--on-duplicate', 'TakeOver'] });
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    await takingOver?.[Symbol.asyncDispose]();
  });

  it.each([
    { order: 'SRT, then RTMP', srtFirst: true },
    { order: 'RTMP, then SRT', srtFirst: false },
  ])('a path changes its protocol, and its viewers stay: $order', async ({ srtFirst }) => {
    const path = `change/${srtFirst ? 'to-rtmp' : 'to-srt'}`;
    await using byRtmp = watch(server.rtmp(path), { packetsOnly: true, filter: 'h264' });
    await using bySrt = watch(server.srt(`read:${path}`, PATIENT), { packetsOnly: true, filter: 'h264-adts' });
    for (const count of [1, 2]) {
      await server.waitForLog('play command', { stream_key: path }).then(() => delay(count * 300));
    }
    const ways = [() => publishSrt(file, server.srt(`publish:${path}`)), () => publish(file, server.rtmp(path))];
    for (const way of srtFirst ? ways : ways.reverse()) {
      await using publisher = way();
      await publisher.succeed();
    }
    for (const viewer of [byRtmp, bySrt]) {
      const { video } = await viewer.finished();
      const again = video.findIndex(({ hash }, i) => i > 0 && hash === source[0]!.hash);
      expect(again).toBeGreaterThan(0);
      expectWhole(video.slice(0, again), source, 'the first publication');
      expectWhole(video.slice(again), source, 'the second publication');
      expect(video[again]!.dts, 'times go on').toBeGreaterThan(video[again - 1]!.dts);
    }
  });

  it('RejectUnlessStale: a second publisher by SRT is refused while the first is alive, which notices nothing', async () => {
    const path = 'twice/refused';
    await using first = publishSrt(file, server.srt(`publish:${path}`));
    await server.waitForLog('Codecs detected', { stream_key: path, audioCodec: 'aac' });
    const url = server.srt(`publish:${path}`);
    await using second = srtLiveTransmit(`udp://127.0.0.1:${await freeUdpPort()}`, url, { args: ['-a:no'] });
    await server.waitForLog('SRT caller refused', {
      stream_id: `publish:${path}`,
      reject: 2409,
      code: 'ERR_PATH_BUSY',
    });
    await refusalOf(second);
    await first.succeed();
    expect(complaintsOf(first)).toEqual([]);
    const endings = server.log.all('publication ended', { stream_key: path });
    expect(endings.map(({ cause }) => cause)).toEqual(['unpublish']);
  });

  it('TakeOver: a second publisher by SRT is let in at once, and the first is told', async () => {
    const path = 'twice/taken';
    await using viewer = watch(takingOver.rtmp(path), { packetsOnly: true, filter: 'h264' });
    await takingOver.waitForLog('play command', { stream_key: path });
    await using first = publishSrt(file, takingOver.srt(`publish:${path}`));
    await viewer.started();
    await delay(2_000);
    await using second = publishSrt(file, takingOver.srt(`publish:${path}`));
    expect((await first.wait()).code, 'the first cannot go on').not.toBe(0);
    await second.succeed();
    const { video } = await viewer.finished();
    const again = video.findIndex(({ hash }, i) => i > 0 && hash === source[0]!.hash);
    expectRun(video.slice(0, again), source, { what: 'the first' });
    expectWhole(video.slice(again), source, 'the second');
  });
});
