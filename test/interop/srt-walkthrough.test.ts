import { describe, expect, it } from 'vitest';
import { clip } from '../support/clips.ts';
import { expectRecorded } from '../support/expect-recording.ts';
import { complaintsOf, publish } from '../support/ffmpeg.ts';
import { expectWhole, packetsOf } from '../support/media-compare.ts';
import { start } from '../support/process.ts';
import { completeRecording } from '../support/recording.ts';
import { freePorts, type Server, startServer } from '../support/server.ts';
import { publishSrt } from '../support/srt-programs.ts';
import { TempDir } from '../support/temp-dir.ts';
import { watch } from '../support/viewer.ts';

const CLI = new URL('../../cli.ts', import.meta.url).pathname;

/** The server as the walk-through types it, in an empty folder: on every address of the machine. */
async function serve(dir: TempDir, ...words: string[]): Promise<Server> {
  const ports = await freePorts();
  const listen = ['-listen', `:${ports.rtmp}`, '-srt-listen', `:${ports.srt}`, '-record-all', 'true'];
  return startServer({ plain: true, dir: dir.path, ports, args: [...listen, ...words] });
}

const store = (dir: TempDir): string => dir.join('recordings');

describe.concurrent('SRT (rows 11 to 13)', () => {
  it.each([
    ['publish:live/test', 'live/test'],
    ['live/plain', 'live/plain'],
    ['#!::r=live/standard,m=publish', 'live/standard'],
  ])('11: publishes with %s, watched by RTMP and recorded', async (streamId, path) => {
    using dir = new TempDir('walk-srt');
    await using server = await serve(dir);
    const file = await clip('h264-small');
    const url = `srt://localhost:${server.ports.srt}?streamid=${streamId.replace('#', '%23')}`;
    await using player = watch(server.rtmp(path), { packetsOnly: true, filter: 'h264' });
    await server.waitForLog('play command');
    await using publisher = publishSrt(file, url);
    await publisher.succeed();
    expect(complaintsOf(publisher)).toEqual([]);
    const want = await packetsOf(file, 'v:0', { filter: 'h264' });
    const got = await player.finished();
    expect(got.complaints).toEqual([]);
    expectWhole(got.video, want, 'video by RTMP');
    await expectRecorded(await completeRecording(store(dir), path), file);
    const own = { conn_id: 's000001', stream_key: path };
    for (const msg of ['Connection accepted', 'recorder initialized', 'recording started', 'Codecs detected']) {
      expect(server.log.all(msg, own).length, msg).toBeGreaterThan(0);
    }
  });

  it.each([16, 24, 32])('12: publishes and plays encrypted, pbkeylen %i', async (keyLength) => {
    using dir = new TempDir('walk-srt');
    await using server = await serve(dir, '-srt-passphrase', 'mysecretkey', '-srt-pbkeylen', '32');
    const file = await clip('h264-small');
    const secret = { passphrase: 'mysecretkey', pbkeylen: keyLength };
    await using publisher = publishSrt(file, server.srt('publish:live/test', secret));
    await server.waitForLog('Codecs detected', { audioCodec: 'aac' });
    await using player = watch(server.srt('read:live/test', secret), { packetsOnly: true, filter: 'h264-adts' });
    await player.started();
    expect((await server.stream('live/test'))?.publisher?.srt).toMatchObject({ encryption: { keyLength } });
    await publisher.succeed();
    expect((await player.finished()).complaints).toEqual([]);
    await expectRecorded(await completeRecording(store(dir), 'live/test'), file);
  });

  it.each([9, 80])('12: a passphrase of %i bytes is an error at the start', async (bytes) => {
    const text = 'x'.repeat(bytes);
    await using child = start(process.execPath, [CLI, 'serve', '-srt-passphrase', text]);
    expect((await child.wait()).code).toBe(2);
    expect(child.stderr).toContain(`--srt-passphrase has ${bytes} bytes: a passphrase needs 10 to 79`);
    expect(child.stderr).not.toContain(text);
  });

  it('13: an RTMP and an SRT publisher at once, a player on each: independent', async () => {
    using dir = new TempDir('walk-srt');
    await using server = await serve(dir);
    const [one, two] = [await clip('h264-small'), await clip('h264-wide')];
    await using onOne = watch(server.rtmp('live/one'), { packetsOnly: true, filter: 'h264' });
    await using onTwo = watch(server.rtmp('live/two'), { packetsOnly: true, filter: 'h264' });
    await server.waitForLog('play command', { stream_key: 'live/one' });
    await server.waitForLog('play command', { stream_key: 'live/two' });
    await using rtmp = publish(one, server.rtmp('live/one'));
    await using srt = publishSrt(two, server.srt('publish:live/two'));
    await rtmp.succeed();
    await srt.succeed();
    for (const [path, file, player] of [
      ['live/one', one, onOne],
      ['live/two', two, onTwo],
    ] as const) {
      const want = await packetsOf(file, 'v:0', { filter: 'h264' });
      expectWhole((await player.finished()).video, want, `video of ${path}`);
      await expectRecorded(await completeRecording(store(dir), path), file);
      expect(server.log.all('Cached video sequence header', { stream_key: path })).toHaveLength(1);
      expect(server.log.all('Subscriber added', { stream_key: path, total_subscribers: 1 })).toHaveLength(1);
    }
  });
});
