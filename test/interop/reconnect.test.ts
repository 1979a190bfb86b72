import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clip } from '../support/clips.ts';
import { complaintsOf, ffmpeg, publish } from '../support/ffmpeg.ts';
import type { HashedFrame } from '../support/frame-md5.ts';
import { expectRun, expectWhole, packetsOf, packetsOfAll } from '../support/media-compare.ts';
import type { TestProcess } from '../support/process.ts';
import { recordingsOf } from '../support/recording.ts';
import { RtmpPlayer } from '../support/rtmp-client.ts';
import { type Server, startServer } from '../support/server.ts';
import { watch } from '../support/viewer.ts';
import { waitFor } from '../support/wait-for.ts';

const LIVED_MS = 2_500;
const HOLD_MS = 3_000;
const STALE_MS = 2_000;
const ENV = {
  HEADWATER_RELAY_UNPUBLISH_GRACE: '500ms',
  HEADWATER_RELAY_HOLD_VIEWERS: `${HOLD_MS}ms`,
  HEADWATER_RELAY_STALE_AFTER: `${STALE_MS}ms`,
  HEADWATER_PLAY_WAIT_FOR_PUBLISHER: '3s',
};

let file: string;
let source: HashedFrame[];
beforeAll(async () => {
  file = await clip('h264-small');
  source = await packetsOf(file, 'v:0');
});

/** A server with the policy, a viewer that came first, and a publisher whose media it gets. */
async function begin(path: string, server: Server) {
  const viewer = watch(server.rtmp(path), { packetsOnly: true });
  await server.waitForLog('play command', { stream_key: path });
  const first = publish(file, server.rtmp(path));
  await viewer.started();
  return { viewer, first };
}

/** The two runs of the source that one viewer was given, one publisher after the other: times never go back. Milliseconds between the runs. */
function expectTwoRuns(video: readonly HashedFrame[]): { gapMs: number; before: number } {
  const again = video.findIndex(({ hash }, i) => i > 0 && hash === source[0]!.hash);
  expect(again, 'the second publisher begins with its keyframe').toBeGreaterThan(0);
  expect(expectRun(video.slice(0, again), source, { what: 'the first run' }).from).toBe(0);
  expectWhole(video.slice(again), source, 'the second run');
  const gapMs = video[again]!.dts - video[again - 1]!.dts;
  expect(gapMs, 'times go on').toBeGreaterThan(0);
  return { gapMs, before: again };
}

/** Frames in each recording of the path, oldest first. */
async function recordedFrames(server: Server, path: string): Promise<number[]> {
  const counts: number[] = [];
  for (const { segments } of recordingsOf(server.store, path)) {
    const frames = await packetsOfAll(
      segments.map((each) => each.file),
      'v:0',
      { filter: 'h264' },
    );
    counts.push(frames.length);
  }
  return counts;
}

const refusal = (child: TestProcess): string => child.stderr.split('\n').find((line) => /error/i.test(line)) ?? '';

describe.concurrent('publishers that come back, and publishers that come twice', () => {
  let server: Server;
  let rejecting: Server;
  let takingOver: Server;
  beforeAll(async () => {
    [server, rejecting, takingOver] = await Promise.all([
      startServer({ env: ENV }),
      startServer({ env: ENV, args: ['--on-duplicate', 'Reject', '--record-all=false'] }),
      startServer({ env: ENV, args: ['--on-duplicate', 'TakeOver', '--record-all=false'] }),
    ]);
  });
  afterAll(async () => {
    for (const each of [server, rejecting, takingOver]) await each?.[Symbol.asyncDispose]();
  });

  it.each([
    { path: 'live/soon', awayMs: 100 },
    { path: 'live/later', awayMs: HOLD_MS / 2 },
  ])(
    'one that is killed and back after $awayMs ms keeps its viewer, and both its recordings',
    async ({ path, awayMs }) => {
      const { viewer, first } = await begin(path, server);
      await using _ = viewer;
      await delay(LIVED_MS);
      await first.stop('SIGKILL');
      await delay(awayMs);
      await using second = publish(file, server.rtmp(path));
      await second.succeed();
      const { video, exit, complaints } = await viewer.finished();
      expect(exit.code).toBe(0);
      expect(complaints).toEqual([]);
      const { gapMs, before } = expectTwoRuns(video);
      expect(gapMs).toBeGreaterThanOrEqual(awayMs);
      const [lost, whole] = await waitFor('both to be stored', async () => {
        const counts = await recordedFrames(server, path);
        return counts[1] === source.length ? counts : undefined;
      });
      expect(lost).toBeGreaterThanOrEqual(before);
      expect(whole).toBe(source.length);
      expect(server.log.all('publication ended', { stream_key: path }).map(({ cause }) => cause)).toEqual([
        'lost',
        'unpublish',
      ]);
    },
  );

  it('one that is killed and stays away: its viewer ends as at the end of a file', async () => {
    const { viewer, first } = await begin('live/away', server);
    await using _ = viewer;
    await first.stop('SIGKILL');
    const { exit, video, complaints } = await viewer.finished();
    expect(exit.code).toBe(0);
    expect(complaints).toEqual([]);
    expectRun(video, source);
  });

  it('RejectUnlessStale: a second one is refused while the first is alive, which notices nothing', async () => {
    const { viewer, first } = await begin('live/twice', server);
    await using _ = viewer;
    await using second = publish(file, server.rtmp('live/twice'));
    expect((await second.wait()).code).not.toBe(0);
    expect(refusal(second)).toContain('somebody already publishes on this path');
    await server.waitForLog('publisher refused', { stream_key: 'live/twice', code: 'ERR_PATH_BUSY' });
    await first.succeed();
    expect(complaintsOf(first)).toEqual([]);
    expectWhole((await viewer.finished()).video, source);
  });

  it('RejectUnlessStale: a second one is held while the first is silent, and takes its place', async () => {
    const { viewer, first } = await begin('live/frozen', server);
    await using _ = viewer;
    await delay(LIVED_MS);
    process.kill(first.pid, 'SIGSTOP');
    await using second = publish(file, server.rtmp('live/frozen'));
    await second.succeed();
    process.kill(first.pid, 'SIGCONT');
    expect((await first.wait()).code, 'the first is not let in again').not.toBe(0);
    const { video, exit } = await viewer.finished();
    expect(exit.code).toBe(0);
    expect(expectTwoRuns(video).gapMs).toBeGreaterThanOrEqual(STALE_MS);
    expect(server.log.all('publication ended', { stream_key: 'live/frozen' }).map(({ cause }) => cause)).toEqual([
      'timeout',
      'unpublish',
    ]);
  });

  it('Reject: a second one is refused though the first is silent', async () => {
    const { viewer, first } = await begin('live/reject', rejecting);
    await using _ = viewer;
    process.kill(first.pid, 'SIGSTOP');
    await using second = publish(file, rejecting.rtmp('live/reject'));
    expect((await second.wait()).code).not.toBe(0);
    expect(refusal(second)).toContain('somebody already publishes on this path');
    process.kill(first.pid, 'SIGCONT');
    await first.succeed();
    expectWhole((await viewer.finished()).video, source);
  });

  it('TakeOver: a second one is accepted at once, and the first is told', async () => {
    const { viewer, first } = await begin('live/takeover', takingOver);
    await using _ = viewer;
    await delay(LIVED_MS);
    await using second = publish(file, takingOver.rtmp('live/takeover'));
    expect((await first.wait()).code).not.toBe(0);
    await second.succeed();
    const { video, exit } = await viewer.finished();
    expect(exit.code).toBe(0);
    expectTwoRuns(video);
    expect(takingOver.log.all('publication ended').map(({ cause }) => cause)).toEqual(['takeover', 'unpublish']);
  });

  it('a viewer for whom nobody publishes: NetStream.Play.StreamNotFound, and 404', async () => {
    await using player = ffmpeg(['-i', server.rtmp('live/nobody'), '-f', 'null', '-']);
    await using http = ffmpeg(['-i', server.flv('live/nobody'), '-f', 'null', '-']);
    await expect(RtmpPlayer.connect(server.rtmp('live/nobody'))).rejects.toMatchObject({
      code: 'NetStream.Play.StreamNotFound',
    });
    expect((await player.wait()).code).not.toBe(0);
    expect((await http.wait()).code).not.toBe(0);
    expect(http.stderr).toContain('404 Not Found');
    expect(await server.metric('headwater_viewers_refused_total{reason="not-found"}')).toBe(3);
  });

  it('a viewer that waits gets the stream of the publisher that comes, from its first frame', async () => {
    await using viewer = watch(server.rtmp('live/awaited'), { packetsOnly: true });
    await using http = watch(server.flv('live/awaited'), { packetsOnly: true });
    await waitFor('both to wait', () => server.log.all('play command', { stream_key: 'live/awaited' })[1]);
    await delay(1_000);
    await publish(file, server.rtmp('live/awaited')).succeed();
    expectWhole((await viewer.finished()).video, source, 'over RTMP');
    expectWhole((await http.finished()).video, source, 'over HTTP-FLV');
  });
});
