import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clip } from '../support/clips.ts';
import { expectRecorded } from '../support/expect-recording.ts';
import { complaintsOf, expectDecodes, probe, publish, runFfmpeg } from '../support/ffmpeg.ts';
import { expectWhole, packetsOf, packetsOfAll } from '../support/media-compare.ts';
import { start } from '../support/process.ts';
import { completeRecording, filesBelow, recordingsOf } from '../support/recording.ts';
import { type ReceivedMessage, RtmpPlayer } from '../support/rtmp-client.ts';
import { freePorts, type Server, startServer } from '../support/server.ts';
import { TempDir } from '../support/temp-dir.ts';
import { watch } from '../support/viewer.ts';
import { waitFor } from '../support/wait-for.ts';

const STAMP = String.raw`\d{8}_\d{6}`;
const CLI = join(import.meta.dirname, '../../cli.ts');
const NOBODY = 65_534;

/** The server as the walk-through types it, in an empty folder. */
async function serve(dir: TempDir, ...words: string[]): Promise<Server> {
  const ports = await freePorts();
  return startServer({ plain: true, dir: dir.path, ports, args: ['-listen', `localhost:${ports.rtmp}`, ...words] });
}

/** Publishes a clip of 8 s, `rate` times as fast as real time, and waits until the server knows that it has ended. */
async function publishAll(server: Server, path: string, file: string, rate = 4): Promise<void> {
  const before = server.log.all('publication ended').length;
  await using publisher = publish(file, server.rtmp(path), { rate });
  await publisher.succeed();
  expect(complaintsOf(publisher)).toEqual([]);
  await waitFor('the publication to end', () => server.log.all('publication ended').length > before);
}

/** Waits until a folder has that many recorded files with such names; gives their names. */
function storedFiles(dir: string, name: RegExp, count: number): Promise<string[]> {
  return waitFor(`${count} files like ${name} in ${dir}`, () => {
    const found = filesBelow(dir).filter((file) => name.test(file));
    return found.length === count ? found : undefined;
  });
}

/** Proves that files, each read by itself and in this order, hold the whole clip; their times each from 0. */
async function expectHolds(files: readonly string[], source: string): Promise<void> {
  const filter = 'h264';
  const got = await packetsOfAll(files, 'v:0', { filter });
  const want = await packetsOf(source, 'v:0', { filter });
  expect(got.map((each) => each.hash)).toEqual(want.map((each) => each.hash));
  for (const file of files) await expectDecodes(file);
}

describe('a stream from beginning to end (rows 1 to 6, 14)', () => {
  const dir = new TempDir('walk');
  let server: Server;
  let file: string;
  beforeAll(async () => {
    file = await clip('h264-aac');
    server = await serve(dir, '-log-level', 'debug', '-record-all', 'true', '-record-dir', './recordings');
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    dir[Symbol.dispose]();
  });

  it('1: says that it listens, and makes the folder', () => {
    const [listening] = server.log.all('RTMP server listening');
    expect(String(listening?.addr)).toContain(`:${server.ports.rtmp}`);
    expect(listening?.level).toBe('INFO');
    expect(server.log.all('server started')[0]).toMatchObject({ version: expect.stringMatching(/^\d+\.\d+\.\d+/) });
    expect(statSync(dir.join('recordings')).isDirectory()).toBe(true);
  });

  it('3 to 6: logs what people look for, and counts players right', async () => {
    const url = server.rtmp('live/test');
    await using publisher = publish(file, url);
    const accepted = await server.waitForLog('Connection accepted', { conn_id: 'c000001' });
    expect(accepted).toMatchObject({ peer_addr: expect.stringMatching(/127\.0\.0\.1:\d+/) });
    const own = { conn_id: 'c000001' };
    const named = { ...own, stream_key: 'live/test' };
    await server.waitForLog('Handshake completed', own);
    expect(await server.waitForLog('recorder initialized', named)).toMatchObject({ file: expect.any(String) });
    await server.waitForLog('recording started', named);
    const size = expect.any(Number);
    expect(await server.waitForLog('Cached audio sequence header', named)).toMatchObject({ size });
    expect(await server.waitForLog('Cached video sequence header', named)).toMatchObject({ size });
    const codecs = await server.waitForLog('Codecs detected', { ...named, videoCodec: 'h264', audioCodec: 'aac' });
    expect(codecs.level).toBe('INFO');

    const received: ReceivedMessage[][] = [];
    await using stack = new AsyncDisposableStack();
    for (let count = 1; count <= 13; count++) {
      const messages: ReceivedMessage[] = [];
      received.push(messages);
      stack.use(await RtmpPlayer.connect(url, { onMessage: (message) => messages.push(message) }));
      await server.waitForLog('Subscriber added', { stream_key: 'live/test', total_subscribers: count });
    }
    // Headers leave with the first flush after a viewer has joined.
    const sent = (kind: string) => server.log.all(`Sent cached ${kind} sequence header to subscriber`);
    await waitFor(
      'the last player to have its headers',
      () => sent('video').length >= 13 && sent('audio').length >= 13,
    );
    expect(server.log.all('play command', { stream_key: 'live/test' })).toHaveLength(13);
    expect(sent('video')).toHaveLength(13);
    expect(sent('audio')).toHaveLength(13);
    expect((await server.stream('live/test'))?.viewers.count).toBe(13);

    await delay(5000);
    const lists = received.map((messages) => messages.filter((each) => each.type !== 18).map(fingerprint));
    const shortest = Math.min(...lists.map((list) => list.length));
    expect(shortest).toBeGreaterThan(100);
    // All have joined by the last one's first frame: from there on they are one and the same.
    const from = lists.at(-1)![2]!;
    const common = lists.map((list) => list.slice(list.indexOf(from), list.indexOf(from) + 100));
    for (const list of common) expect(list).toEqual(common.at(-1));
    await publisher.stop('SIGINT');
  });

  it('14: shows the whole life of one connection', async () => {
    await server.waitForLog('Connection closed', { conn_id: 'c000001' });
    const life = server.log.records.filter((each) => each.conn_id === 'c000001').map((each) => each.msg);
    expect(life[0]).toBe('Connection accepted');
    expect(life).toEqual(
      expect.arrayContaining(['Handshake completed', 'connect command', 'publish command', 'publication ended']),
    );
    expect(life.filter((msg) => msg === 'Connection closed')).toHaveLength(1);
  });
});

function fingerprint({ type, timestamp, body }: ReceivedMessage): string {
  return `${type} ${timestamp} ${createHash('sha1').update(body).digest('hex')}`;
}

describe.concurrent('recordings (rows 7 to 10)', () => {
  it('7, 8: one growing FLV, finalised when the publisher stops', async () => {
    using dir = new TempDir('walk-flv');
    const store = dir.join('recordings');
    const flags = ['-record-dir', './recordings', '--format', 'flv', '--segment-duration', '0', '--layout', 'flat'];
    await using server = await serve(dir, ...flags);
    const file = await clip('h264-small');
    await using publisher = publish(file, server.rtmp('live/test'));
    const part = await waitFor('a file that grows', () =>
      filesBelow(store).find((name) => new RegExp(`^\\.spool/.*live_test_${STAMP}\\.flv\\.part$`).test(name)),
    );
    const early = statSync(join(store, part)).size;
    await waitFor('it to grow', () => statSync(join(store, part)).size > early + 50_000);
    expect(filesBelow(store).filter((name) => /^live_test/.test(name))).toEqual([]);
    await publisher.succeed();

    const name = new RegExp(`^live_test_${STAMP}\\.flv$`);
    const [final] = await storedFiles(store, name, 1);
    const { streams, format } = await probe(join(store, final!));
    expect(streams.map((each) => each.codec_name).sort()).toEqual(['aac', 'h264']);
    expect(Number(format.duration)).toBeCloseTo(8, 0);
    const mp4 = dir.join('out.mp4');
    const copy = await runFfmpeg(['-i', join(store, final!), '-c', 'copy', mp4]);
    expect(complaintsOf(copy)).toEqual([]);
    expect((await probe(mp4)).streams).toHaveLength(2);
    await expectHolds([join(store, final!)], file);
    // The server goes on.
    await publishAll(server, 'live/again', file);
  });

  it('7: by default whole MP4 segments, one after the other, while it is live', async () => {
    using dir = new TempDir('walk-live');
    await using server = await serve(dir, '-record-dir', './recordings', '-segment-duration', '2s');
    const file = await clip('h264-small');
    await using publisher = publish(file, server.rtmp('live/test'));
    const store = dir.join('recordings');
    const segments = await waitFor('two segments', () => {
      const found = recordingsOf(store, 'live/test')[0]?.segments ?? [];
      return found.length >= 2 ? found : undefined;
    });
    expect(publisher.exit).toBeUndefined();
    for (const segment of segments) await expectDecodes(segment.file);
    await publisher.succeed();
    await expectRecorded(await completeRecording(store, 'live/test'), file);
  });

  it('9: flat names, numbered, each with the time of its own start', async () => {
    using dir = new TempDir('walk-flat');
    await using server = await serve(dir, '-record-dir', './r', '-segment-duration', '4s', '--layout', 'flat');
    const file = await clip('h264-small');
    await publishAll(server, 'live/mystream', file, 1);
    const store = dir.join('r');
    const names = await storedFiles(store, new RegExp(`^live_mystream_${STAMP}_seg\\d{3}\\.mp4$`), 2);
    expect(names.map((name) => /_seg(\d+)/.exec(name)![1])).toEqual(['001', '002']);
    const [first, second] = names.map(stampOf) as [number, number];
    // Whole seconds: 4 s are 3 to 5.
    expect(Math.abs(second - first - 4)).toBeLessThanOrEqual(1);
    await expectHolds(
      names.map((name) => join(store, name)),
      file,
    );
  });

  it.each([
    { pattern: '%s_%T_seg%04d', name: new RegExp(`^live_mystream_${STAMP}_seg\\d{4}\\.mp4$`), last: '0004' },
    { pattern: '%Y/%m/%D/%s_seg%03d', name: /^\d{4}\/\d{2}\/\d{2}\/live_mystream_seg\d{3}\.mp4$/, last: '004' },
  ])('10: names by the pattern $pattern; published again, numbers go on', async ({ pattern, name, last }) => {
    using dir = new TempDir('walk-pattern');
    const flags = ['-record-dir', './r', '-segment-duration', '4s', '-segment-pattern', pattern];
    await using server = await serve(dir, ...flags);
    const [first, second] = [await clip('h264-small'), await clip('h264-wide')];
    const store = dir.join('r');
    await publishAll(server, 'live/mystream', first);
    const before = await storedFiles(store, name, 2);
    const sums = before.map((each) => sha256(join(store, each)));
    await publishAll(server, 'live/mystream', second);
    const all = await storedFiles(store, name, 4);
    expect(before.map((each) => sha256(join(store, each)))).toEqual(sums);
    const added = all.filter((each) => !before.includes(each));
    await expectHolds(
      before.map((each) => join(store, each)),
      first,
    );
    await expectHolds(
      added.map((each) => join(store, each)),
      second,
    );
    if (!pattern.includes('%T')) expect(all.at(-1)).toContain(`_seg${last}.mp4`);
  });
});

/** The time in a name by `%T`, in seconds. */
function stampOf(name: string): number {
  const [, year, month, day, hour, minute, second] = /_(\d{4})(\d\d)(\d\d)_(\d\d)(\d\d)(\d\d)_/.exec(name)!.map(Number);
  return Date.UTC(year!, month! - 1, day!, hour!, minute!, second!) / 1000;
}

function sha256(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

describe.concurrent('beside each other, and ends of every kind (rows 13, 15)', () => {
  it('13: two publishers on two keys have nothing to do with each other', async () => {
    using dir = new TempDir('walk-two');
    await using server = await serve(dir, '-record-dir', './r');
    const files = [await clip('h264-small'), await clip('h264-wide')];
    await using one = publish(files[0]!, server.rtmp('live/one'));
    await using two = publish(files[1]!, server.rtmp('live/two'));
    const seen = await Promise.all(
      ['live/one', 'live/two'].map(async (path) => {
        await server.waitForLog('recording started', { stream_key: path });
        const messages: ReceivedMessage[] = [];
        const player = await RtmpPlayer.connect(server.rtmp(path), { onMessage: (message) => messages.push(message) });
        await player.closed;
        return messages.filter((each) => each.type === 9).map((each) => each.body);
      }),
    );
    await one.succeed();
    await two.succeed();
    const headers = seen.map(([header]) => header!.toString('hex'));
    expect(headers[0]).not.toBe(headers[1]);
    for (const [index, path] of ['live/one', 'live/two'].entries()) {
      await expectRecorded(await completeRecording(dir.join('r'), path), files[index]!);
    }
  });

  it('15: Ctrl+C while recording: the file is finished, all of it is kept', async () => {
    using dir = new TempDir('walk-int');
    await using server = await serve(dir, '-record-dir', './r');
    const file = await clip('h264-aac');
    await using _publisher = publish(file, server.rtmp('live/test'));
    await server.waitForLog('recording started');
    await delay(4000);
    const exit = await server.stop('SIGINT');
    expect(exit).toEqual({ code: 0, signal: null });
    const { segments } = await completeRecording(dir.join('r'), 'live/test');
    expect(segments.length).toBeGreaterThan(0);
    const got = await packetsOfAll(
      segments.map((each) => each.file),
      'v:0',
      { filter: 'h264' },
    );
    const want = await packetsOf(file, 'v:0', { filter: 'h264' });
    expectWhole(got, want.slice(0, got.length));
    expect(got.length).toBeGreaterThan(75);
    for (const segment of segments) await expectDecodes(segment.file);
  });

  it('15: kill -9 while recording: what was acknowledged is there after the next start', async () => {
    using dir = new TempDir('walk-kill');
    const file = await clip('h264-aac');
    const flags = ['-record-dir', './r'];
    let durableMs: number;
    {
      await using server = await serve(dir, ...flags);
      await using publisher = publish(file, server.rtmp('live/test'));
      await server.waitForLog('recording started');
      await delay(4000);
      durableMs = await waitFor('three seconds to be acknowledged', async () => {
        const ms = ((await server.stream('live/test'))?.recording?.durable?.dts ?? 0) / 90;
        return ms > 3000 && ms;
      });
      await server.kill();
      await publisher.wait();
    }
    await using server = await serve(dir, ...flags);
    const { segments } = await completeRecording(dir.join('r'), 'live/test');
    const got = await packetsOfAll(
      segments.map((each) => each.file),
      'v:0',
      { filter: 'h264' },
    );
    const want = await packetsOf(file, 'v:0', { filter: 'h264' });
    expectWhole(got, want.slice(0, got.length));
    // The mark is the end of the last acknowledged frame, on the publisher's clock.
    const acknowledged = want.filter((frame) => frame.dts + 40 <= durableMs + 1).length;
    expect(acknowledged).toBeGreaterThan(50);
    expect(got.length).toBeGreaterThanOrEqual(acknowledged);
    for (const segment of segments) await expectDecodes(segment.file);
    expect(server.process.exit).toBeUndefined();
  });
});

describe.concurrent('what goes wrong is said (row 16)', () => {
  /** A publisher has a viewer, whatever is wrong with recording. */
  async function expectLive(server: Server): Promise<void> {
    await using viewer = watch(server.rtmp('live/anyway'), { packetsOnly: true });
    await server.waitForLog('play command');
    const file = await clip('h264-small');
    await publishAll(server, 'live/anyway', file);
    expectWhole((await viewer.finished()).video, await packetsOf(file, 'v:0'));
  }

  /** Runs `serve` until it gives up. */
  async function refused(words: readonly string[]) {
    const off = ['--srt-listen', '--http-listen', '--metrics-addr'].flatMap((flag) => [flag, '']);
    const quiet = [...off, '--log-format', 'json'];
    await using child = start(process.execPath, [CLI, 'serve', ...quiet, ...words]);
    const exit = await child.wait(20_000);
    return { code: exit.code, said: child.stderr + child.stdout };
  }

  it('a folder that is a file: live goes on, and the log says what to do', async () => {
    using dir = new TempDir('walk-wrong');
    const taken = dir.join('taken');
    writeFileSync(taken, '');
    await using server = await serve(dir, '-record-dir', taken);
    const { err } = await server.waitForLog('spool unusable');
    expect(err).toContain(taken);
    expect(err).toMatch(/is a file.*choose another folder with .*--record-dir/);
    await expectLive(server);
  });

  it('a folder that cannot be written: live goes on, and recording begins when it can', async () => {
    using dir = new TempDir('walk-denied');
    chmodSync(dir.path, 0o755);
    const locked = dir.join('locked');
    mkdirSync(locked, { mode: 0o555 });
    const ports = await freePorts();
    const args = ['-listen', `localhost:${ports.rtmp}`, '-record-dir', join(locked, 'r')];
    // Nothing is forbidden to root.
    const other = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
    await using server = await startServer({ plain: true, dir: dir.path, ports, args, ...other });
    const { err } = await server.waitForLog('spool unusable');
    expect(err).toContain(locked);
    expect(err).toMatch(/may not write there.*choose another folder with .*--record-dir/);
    await expectLive(server);
    chmodSync(locked, 0o777);
    const file = await clip('h264-small');
    await waitFor('recording', async () => {
      await publishAll(server, 'live/test', file);
      return recordingsOf(join(locked, 'r'), 'live/test').length > 0;
    });
  });

  it('a flag that does not exist', async () => {
    const { code, said } = await refused(['-segment-duraton', '5m']);
    expect(code).toBe(2);
    expect(said).toMatch(/segment-duraton.*nearest is --segment-duration/);
  });

  it('a port that is in use', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as { port: number };
    using dir = new TempDir('walk-port');
    const { code, said } = await refused(['-listen', `127.0.0.1:${port}`, '-record-dir', dir.join('r')]);
    taken.close();
    expect(code).toBeGreaterThan(0);
    expect(said).toContain(String(port));
    expect(said).toMatch(/in use|--listen/);
  });

  it('a key in other letters', async () => {
    using dir = new TempDir('walk-case');
    await using server = await serve(dir, '-record-dir', './r');
    await using publisher = publish(await clip('h264-small'), server.rtmp('live/test'));
    await server.waitForLog('recording started');
    const wrong = RtmpPlayer.connect(server.rtmp('live/Test'));
    await expect(wrong).rejects.toThrow(/StreamNotFound: nobody publishes live\/Test.*capital/);
    await server.waitForLog('viewer ended', { stream_key: 'live/Test', reason: 'not-found' });
    expect(publisher.pid).toBeGreaterThan(0);
  });
});
