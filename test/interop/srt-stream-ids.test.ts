import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clip } from '../support/clips.ts';
import { freeUdpPort } from '../support/ports.ts';
import { type Server, srtUrl, startServer } from '../support/server.ts';
import { SrtCaller } from '../support/srt-caller.ts';
import { gstSrtPlay, gstSrtPublish, publishSrt, refusalOf, srtLiveTransmit } from '../support/srt-programs.ts';
import { TempDir } from '../support/temp-dir.ts';
import { tsClip } from '../support/ts-clips.ts';
import { waitFor } from '../support/wait-for.ts';

/** What must not be seen in a log. */
const TOKEN = 'hunter2'.repeat(9);
const ENV = { HEADWATER_SRT_WAIT_FOR_PUBLISHER: '200ms' };

let server: Server;
let file: string;
beforeAll(async () => {
  server = await startServer({ env: ENV, args: ['--record-all=false'] });
  file = await clip('h264-small');
});
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
});

describe.concurrent('stream ids that publish', () => {
  it.each([
    ['publish:ids/a', 'ids/a'],
    ['ids/b', 'ids/b'],
    ['plain', 'live/plain'],
    ['#!::r=ids/c,m=publish', 'ids/c'],
    ['#!::m=publish,r=ids/d,u=somebody,s=secret,t=stream,h=host', 'ids/d'],
    ['#!::h=ids/e,m=publish', 'ids/e'],
    ['publish:ids/f:somebody:secret', 'ids/f'],
    ['publish:ids/g?token=secret', 'ids/g'],
    ['%23!::r=ids/h,m=publish', 'ids/h'],
    ['publish%3Aids/i', 'ids/i'],
    ['publish:ids/Größe-名', 'ids/Größe-名'],
  ])('%s', async (streamId, path) => {
    await using caller = await SrtCaller.connect(server.ports.srt, { streamId });
    await server.waitForLog('publish command', { stream_key: path });
    expect(await server.stream(path)).toMatchObject({ path, publisher: { protocol: 'srt' } });
    await caller.close();
  });

  it('with a long query', async () => {
    await using caller = await SrtCaller.connect(server.ports.srt, { streamId: `publish:ids/j?token=${TOKEN}` });
    await server.waitForLog('publish command', { stream_key: 'ids/j' });
    await caller.close();
  });

  it('of exactly 512 bytes', async () => {
    const streamId = 'publish:ids/k?token='.padEnd(512, 'hunter2');
    await using caller = await SrtCaller.connect(server.ports.srt, { streamId });
    await server.waitForLog('publish command', { stream_key: 'ids/k' });
    await caller.close();
  });
});

describe.concurrent('stream ids that ask to watch', () => {
  it.each([
    'read:ids/watched',
    'request:ids/watched',
    'play:ids/watched',
    '#!::r=ids/watched',
    '#!::r=ids/watched,m=request',
  ])('%s', async (streamId) => {
    const connecting = SrtCaller.connect(server.ports.srt, { streamId });
    await expect(connecting).rejects.toMatchObject({ message: expect.stringMatching(/notFound \(2404\)/) });
  });
});

describe.concurrent('stream ids that are refused', () => {
  it.each([
    ['', 2400],
    ['publish:', 2400],
    ['publish:../etc/passwd', 2400],
    ['publish:live/.hidden', 2400],
    ['publish:live/a\u0007b', 2400],
    ['#!::r=live/a,m=bidirectional', 2405],
    ['#!::r=live/a,m=publish,t=file', 2415],
    ['#!:{r=live/a}', 2400],
  ])('%s: %i', async (streamId, code) => {
    const connecting = SrtCaller.connect(server.ports.srt, { streamId });
    await expect(connecting).rejects.toMatchObject({ message: expect.stringMatching(`\\(${code}\\)`) });
    await server.waitForLog('SRT caller refused', { code: 'ERR_SRT_STREAM_ID', reject: code });
  });
});

describe.concurrent('stream ids that are too long', () => {
  it.each([
    { name: 'a path of 250 bytes', streamId: `publish:live/${'x'.repeat(245)}` },
    { name: '513 bytes', streamId: 'publish:live/a?token='.padEnd(513, 'hunter2') },
  ])('$name', async ({ streamId }) => {
    const connecting = SrtCaller.connect(server.ports.srt, { streamId });
    await expect(connecting).rejects.toMatchObject({ message: expect.stringMatching('badRequest') });
  });
});

describe.concurrent('programs and their stream ids', () => {
  it('ffmpeg, with an escaped #', async () => {
    await using publisher = publishSrt(file, server.srt('#!::r=ids/ffmpeg,m=publish'), { rate: 4 });
    await server.waitForLog('Codecs detected', { stream_key: 'ids/ffmpeg' });
    await publisher.succeed();
  });

  it('GStreamer publishes and plays', async () => {
    using dir = new TempDir('gst');
    const out = dir.join('out.ts');
    await using publisher = gstSrtPublish(await tsClip('h264-small'), server.ports.srt, 'publish:ids/gst');
    await server.waitForLog('Codecs detected', { stream_key: 'ids/gst' });
    await using player = gstSrtPlay(server.ports.srt, 'read:ids/gst', out);
    await server.waitForLog('Subscriber added', { stream_key: 'ids/gst' });
    await waitFor('the player to have media', () => {
      const got = readFileSync(out, { flag: 'a+' });
      return got.length > 100_000 && got[0] === 0x47;
    });
    await player.stop('SIGINT');
    await publisher.stop('SIGINT');
    expect(await server.metric('headwater_srt_packets_total{kind="receive-dropped"}')).toBe(0);
  });

  it('srt-live-transmit is told in words why it is refused', async () => {
    await using viewer = srtLiveTransmit(server.srt('read:ids/nobody'), 'file://con', { args: ['-a:no'] });
    expect(await refusalOf(viewer)).toMatch(/not found|Application-defined|2?404/i);
  });
});

describe('encoders that send no stream id', () => {
  it('publish on the default path, or on the path of the port they come to', async () => {
    const port = await freeUdpPort();
    const ports = JSON.stringify([{ listen: `127.0.0.1:${port}`, path: 'boxes/one' }]);
    await using own = await startServer({
      args: ['--record-all=false'],
      env: { HEADWATER_SRT_PORTS: ports, HEADWATER_SRT_DEFAULT_PATH: 'boxes/any' },
    });
    await using any = publishSrt(file, srtUrl(own.ports.srt, {}), { rate: 4 });
    await using one = publishSrt(file, srtUrl(port, {}), { rate: 4 });
    await own.waitForLog('Codecs detected', { stream_key: 'boxes/any' });
    await own.waitForLog('Codecs detected', { stream_key: 'boxes/one' });
    await using viewer = await SrtCaller.connect(port, { streamId: '#!::m=request' });
    await waitFor('the viewer of that port to have its stream', () => viewer.received.length > 20);
    await one.succeed();
    await any.succeed();
  });
});

it('no log line shows what may be a secret', () => {
  const said = server.log.records.map((record) => JSON.stringify(record));
  expect(said.length).toBeGreaterThan(100);
  expect(said.filter((line) => /secret|hunter/.test(line))).toEqual([]);
});
