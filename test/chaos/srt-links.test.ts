import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clip } from '../support/clips.ts';
import { complaintsOf } from '../support/ffmpeg.ts';
import type { HashedFrame } from '../support/frame-md5.ts';
import { expectRun, expectWhole, packetsOf } from '../support/media-compare.ts';
import { type Server, startServer } from '../support/server.ts';
import type { LogRecord } from '../support/server-log.ts';
import { SrtCaller } from '../support/srt-caller.ts';
import { publishSrt } from '../support/srt-programs.ts';
import { watch } from '../support/viewer.ts';
import { waitFor } from '../support/wait-for.ts';

const LIVED_MS = 2_500;
/** A publisher that comes back is let in within this time, at its first attempt. */
const LET_IN_MS = 2_500;
/** libsrt on both sides gives a silent peer this long. */
const IDLE_MS = 5_000;

let file: string;
let source: HashedFrame[];
let server: Server;
beforeAll(async () => {
  file = await clip('h264-small');
  source = await packetsOf(file, 'v:0', { filter: 'h264' });
  server = await startServer();
});
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
});

const timeOf = ({ time }: LogRecord): number => Date.parse(String(time));

describe.concurrent('SRT links that break', () => {
  it.each([
    { awayMs: 1_000, cause: 'timeout' },
    { awayMs: 6_000, cause: 'lost' },
  ])(
    'a publisher that is killed and back after $awayMs ms is let in at its first attempt',
    async ({ awayMs, cause }) => {
      const path = `links/back-${awayMs}`;
      await using viewer = watch(server.rtmp(path), { packetsOnly: true, filter: 'h264' });
      await server.waitForLog('play command', { stream_key: path });
      const first = publishSrt(file, server.srt(`publish:${path}`));
      await viewer.started();
      await delay(LIVED_MS);
      await first.stop('SIGKILL');
      await delay(awayMs);
      await using second = publishSrt(file, server.srt(`publish:${path}`));
      await second.succeed();
      expect(complaintsOf(second)).toEqual([]);

      const arrivals = server.log.all('Connection accepted', { stream_key: path });
      expect(arrivals, 'one attempt each').toHaveLength(2);
      const letIn = await server.waitForLog('Handshake completed', { conn_id: arrivals[1]!.conn_id });
      expect(timeOf(letIn) - timeOf(arrivals[1]!)).toBeLessThan(LET_IN_MS);
      expect(server.log.all('SRT caller refused', { stream_id: `publish:${path}` })).toEqual([]);

      // The viewer stayed, and has both: times never go back.
      const { video, exit, complaints } = await viewer.finished();
      expect([exit.code, complaints]).toEqual([0, []]);
      const again = video.findIndex(({ hash }, i) => i > 0 && hash === source[0]!.hash);
      expect(again).toBeGreaterThan(0);
      expectRun(video.slice(0, again), source, { what: 'before' });
      expectWhole(video.slice(again), source, 'after');
      expect(video[again]!.dts).toBeGreaterThan(video[again - 1]!.dts);
      const causes = server.log.all('publication ended', { stream_key: path }).map((record) => record.cause);
      expect(causes).toEqual([cause, 'unpublish']);
    },
  );

  it('a viewer that is stopped for three seconds goes on, and nobody else notices', async () => {
    const path = 'links/stopped';
    const whole = await clip('h264-aac');
    const want = await packetsOf(whole, 'v:0', { filter: 'h264' });
    await using publisher = publishSrt(whole, server.srt(`publish:${path}`));
    await server.waitForLog('Codecs detected', { stream_key: path, audioCodec: 'aac' });
    await using other = watch(server.srt(`read:${path}`), { packetsOnly: true, filter: 'h264-adts' });
    await using stopped = watch(server.srt(`read:${path}`), { packetsOnly: true, filter: 'h264-adts' });
    await stopped.started();
    await delay(LIVED_MS);
    process.kill(stopped.process.pid, 'SIGSTOP');
    await delay(3_000);
    process.kill(stopped.process.pid, 'SIGCONT');
    await publisher.succeed();

    const steady = await other.finished();
    expect(steady.complaints).toEqual([]);
    expect(expectRun(steady.video, want, { what: 'the other viewer' }).to).toBe(want.length);
    const { video } = await stopped.finished();
    const numbers = new Map(want.map(({ hash }, number) => [hash, number]));
    const seen = video.map(({ hash }) => numbers.get(hash));
    const foreign = seen.filter((number) => number === undefined).length;
    expect(foreign, 'frames that are damaged: those at both edges of what was dropped').toBeLessThanOrEqual(2);
    expect(seen.at(-1), 'it has the end').toBe(want.length - 1);
    const half = seen.slice(-want.length / 2);
    expect(half.slice(-100), 'and all before it').toEqual(want.map((_, number) => number).slice(-100));
    const ended = server.log.all('publication ended', { stream_key: path });
    expect(ended.map((record) => record.cause)).toEqual(['unpublish']);
  });

  it.each(['publish', 'read'] as const)(
    'a peer (%s) that is gone without a goodbye is noticed after five seconds',
    async (mode) => {
      const path = `links/gone-${mode}`;
      const caller = await SrtCaller.connect(server.ports.srt, { streamId: `publish:${path}` });
      await using watching = await SrtCaller.connect(server.ports.srt, { streamId: `read:${path}` });
      const [gone, stays] = mode === 'publish' ? [caller, watching] : [watching, caller];
      const names = { publish: 'publish command', read: 'play command' };
      const { conn_id } = await server.waitForLog(names[mode], { stream_key: path });
      const since = Date.now();
      await gone[Symbol.asyncDispose]();
      await server.waitForLog('connection closed', { conn_id, code: 'ERR_SRT_IDLE' }, { timeoutMs: 2 * IDLE_MS });
      expect(Date.now() - since).toBeGreaterThan(IDLE_MS - 500);
      expect(Date.now() - since).toBeLessThan(IDLE_MS + 2_500);
      if (mode === 'publish') {
        const { cause } = await server.waitForLog('publication ended', { stream_key: path });
        expect(cause).toBe('lost');
        expect(stays.isClosed, 'its viewer is held').toBe(false);
      } else {
        await waitFor('the seat to be free', async () => (await server.stream(path))?.viewers.count === 0);
        await stays.close();
      }
    },
  );

  it('a stop of the server says goodbye to publishers and viewers', async () => {
    const own = await startServer();
    await using _ = own;
    await using publisher = await SrtCaller.connect(own.ports.srt, { streamId: 'publish:links/stop' });
    await using viewer = await SrtCaller.connect(own.ports.srt, { streamId: 'read:links/stop' });
    const reasons = Promise.all([publisher.closed, viewer.closed]);
    expect((await own.stop()).code).toBe(0);
    expect(await reasons).toEqual(['shutdown', 'shutdown']);
  });
});
