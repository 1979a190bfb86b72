import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cached } from '../setup/cache.ts';
import { type ClipName, clip } from '../support/clips.ts';
import { expectRecorded } from '../support/expect-recording.ts';
import { complaintsOf, ffmpeg, runFfmpeg } from '../support/ffmpeg.ts';
import { expectSync, expectWhole, packetsOf } from '../support/media-compare.ts';
import { completeRecording } from '../support/recording.ts';
import { type Server, startServer } from '../support/server.ts';
import { watch } from '../support/viewer.ts';

const version = 'ffmpeg9';

/** A clip as Matroska; makes it the first time. */
async function matroskaClip(name: ClipName): Promise<string> {
  const source = await clip(name);
  const dir = await cached({ name: `mkv-${name}`, recipe: JSON.stringify([source, 1]) }, async (folder) => {
    await runFfmpeg(['-i', source, '-map', '0', '-c', 'copy', join(folder, `${name}.mkv`)], { version });
  });
  return join(dir, `${name}.mkv`);
}

let server: Server;
beforeAll(async () => {
  server = await startServer({ args: ['--segment-duration', '4s'] });
});
afterAll(() => server?.[Symbol.asyncDispose]());

describe.concurrent('Matroska from ffmpeg over SRT', () => {
  it.each([
    { name: 'av1-flac', filter: 'av1', leftOut: ['av1', 'flac'] },
    { name: 'vp9-ac3', filter: 'raw', leftOut: ['vp9'] },
  ] as const)('$name: relayed and recorded', async ({ name, filter, leftOut }) => {
    const path = `live/${name}`;
    const file = await matroskaClip(name);
    await using viewer = watch(server.rtmp(path), { version, filter, packetsOnly: true });
    await server.waitForLog('play command', { stream_key: path });
    const url = `${server.srt(`publish:${path}`)}&linger=5`;
    await using publisher = ffmpeg(['-re', '-i', file, '-map', '0', '-c', 'copy', '-f', 'matroska', url]);
    await server.waitForLog('publication started', { stream_key: path });
    await delay(3_000);
    // Only the sound of one of them has a place in a transport stream.
    await using sound = watch(server.srt(`read:${path}`), { version, packetsOnly: true });
    const said = await server.waitForLog('viewer is not sent these tracks: MPEG-TS has no form for their codecs', {
      stream_key: path,
    });
    expect(said).toMatchObject({ codecs: leftOut });
    await publisher.succeed();
    expect(complaintsOf(publisher)).toEqual([]);

    const video = await packetsOf(file, 'v:0', { version, filter });
    const audio = await packetsOf(file, 'a:0', { version });
    const got = await viewer.finished();
    expectWhole(got.video, video, 'video');
    expectWhole(got.audio, audio, 'audio', video[0]!.dts);
    expectSync([got.video, got.audio], [video, audio]);
    await expectRecorded(await completeRecording(server.store, path), file, { version, filter });
    if (name === 'vp9-ac3') expect((await sound.finished()).audio.length).toBeGreaterThan(100);
  });
});
