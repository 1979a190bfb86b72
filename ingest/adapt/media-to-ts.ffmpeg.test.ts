import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { expectDecodes, type FfmpegVersion, runFfmpeg } from '../../test/support/ffmpeg.ts';
import { decodedOf } from '../../test/support/media-compare.ts';
import { messages, PayloadRun } from '../../test/support/payload-run.ts';
import { readPackets } from '../../test/support/real-packets.ts';
import { TempDir } from '../../test/support/temp-dir.ts';
import { msOfTicks } from '../media/media-event.ts';
import { TransportProgram } from './media-to-ts.ts';

const folder = new TempDir('media-to-ts');
afterAll(() => folder[Symbol.dispose]());

const X264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-g', '25', '-bf', '2', '-b_strategy', '0'];
const X265 = ['-c:v', 'libx265', '-preset', 'ultrafast', '-x265-params', 'keyint=25:bframes=2:log-level=error'];

/** In as a transport stream, out as one that is made of the events. */
function again(stream: Buffer): Buffer {
  const program = new TransportProgram();
  const run = new PayloadRun(messages(stream));
  expect(run.skipped).toEqual([]);
  const offset = 1000 - msOfTicks(run.frames[0]!.dts);
  const batches = run.events.flatMap((event) => {
    if (event.kind !== 'config' && event.kind !== 'frame') return [];
    const ms = event.kind === 'frame' ? msOfTicks(event.dts) + offset : 0;
    const before = program.clone();
    return [before.write([event], [ms], program.advance(event, ms))];
  });
  return Buffer.concat(batches);
}

describe('what ffmpeg makes of our transport streams', () => {
  it.each<[string, string[], FfmpegVersion]>([
    ['h264-aac', [...X264, '-c:a', 'aac'], 'ffmpeg'],
    ['h265-ac3', [...X265, '-c:a', 'ac3'], 'ffmpeg'],
    ['h264-eac3', [...X264, '-c:a', 'eac3'], 'ffmpeg'],
    ['h264-opus', [...X264, '-c:a', 'libopus'], 'ffmpeg'],
    ['h264-opus-5.1', [...X264, '-c:a', 'libopus', '-ac', '6'], 'ffmpeg'],
    ['h264-mp3', [...X264, '-c:a', 'libmp3lame', '-ar', '22050'], 'ffmpeg'],
    ['h266-aac', ['-c:v', 'libvvenc', '-preset', 'faster', '-c:a', 'aac'], 'ffmpeg9'],
  ])('%s: the source packet by packet, picture by picture', async (name, codecs, version) => {
    const [source, made] = [folder.join(`${name}-source.mpegts`), folder.join(`${name}.mpegts`)];
    const picture = ['-f', 'lavfi', '-i', 'testsrc2=s=160x120:r=25', '-f', 'lavfi', '-i', 'sine=r=48000', '-t', '2'];
    await runFfmpeg([...picture, '-pix_fmt', 'yuv420p', ...codecs, '-f', 'mpegts', source], { version });
    writeFileSync(made, again(readFileSync(source)));
    await expectDecodes(made, { version });
    for (const stream of ['v:0', 'a:0']) {
      const [want, got] = await Promise.all([source, made].map((file) => decodedOf(file, stream, version)));
      expect(got!.map(({ hash }) => hash)).toEqual(want!.map(({ hash }) => hash));
    }
    if (version === 'ffmpeg9') return; // Debian's ffprobe does not know H.266
    const [want, got] = await Promise.all([source, made].map((file) => readPackets(file)));
    const shift = got![0]!.packets[0]!.dts - want![0]!.packets[0]!.dts;
    for (const [i, { packets, codec }] of want!.entries()) {
      expect(got![i]!.codec).toBe(codec);
      const times = got![i]!.packets.map(({ dts, pts, key }) => [dts - shift, pts - shift, key]);
      expect(times).toEqual(packets.map(({ dts, pts, key }) => [dts, pts, key]));
    }
  });
});
