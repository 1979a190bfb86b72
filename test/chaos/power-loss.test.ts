import { mkdirSync, writeFileSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { describe, expect, it } from 'vitest';
import { NODE_DISK } from '../../ingest/spool/disk.ts';
import type { DurableMark } from '../../ingest/spool/segment-entry.ts';
import type { QueuedPublication } from '../../ingest/spool/spool-queue.ts';
import { expectDecodes, probe } from '../support/ffmpeg.ts';
import type { DiskImage } from '../support/memory-disk.ts';
import { fragmentsOf, recoverImage, type Written } from '../support/power-loss.ts';
import { RecordingBench } from '../support/recorded-run.ts';
import { RecordingDisk, seeded } from '../support/recording-disk.ts';
import { loopClip, type MediaClip, makeClip, paced } from '../support/synthetic-media.ts';
import { TempDir } from '../support/temp-dir.ts';

const IMAGES_PER_FORMAT = 300;
/** Each image is checked fragment by fragment; of every so many-th, ffmpeg decodes all segments too. */
const DECODED_EVERY = 50;
const PATHS = ['live/one', 'live/two', 'live/three', 'live/four'];

type Marks = ReadonlyMap<string, DurableMark>;

interface Run {
  readonly disk: RecordingDisk;
  readonly spool: string;
  readonly written: Written;
}

/** Four publishers for a while, twice as fast as real time, on the machine's own disk; what is closed is stored, but for the newest. */
async function realRun(dir: TempDir, clip: MediaClip, format: 'fmp4' | 'flv'): Promise<Run> {
  const spool = dir.join('spool');
  const kept = dir.join('kept');
  mkdirSync(kept);
  const disk = new RecordingDisk(NODE_DISK, new Map([[dir.path, 'folder']]));
  const bench = await RecordingBench.open(spool, { disk, record: { segmentDuration: 2000, format } });
  let marks: Marks = new Map();
  disk.onStep = () => {
    marks = new Map([...marks, ...bench.durable()]);
    return marks;
  };
  const copies = new Map<string, Promise<void>>();
  const store = async (publication: QueuedPublication, seq: number, key: string, file: string) => {
    await copyFile(file, `${kept}/${basename(file)}`);
    // The first segments of a publication are stored at once, the others wait as in an outage.
    if (seq <= 2) await publication.markStored(seq, key);
  };
  bench.spool.onChange((publication) => {
    for (const { entry, file } of publication.pending) {
      if (!copies.has(file)) copies.set(file, store(publication, entry.seq, entry.key, file));
    }
  });
  await Promise.all(
    PATHS.map(async (path, index) => {
      const { adapt } = bench.publish(path);
      for await (const message of paced(loopClip(clip, { fromMs: index * 700, rounds: 2 }), { speed: 2 }))
        adapt.push(message, performance.now());
      // Two end in order, two are still live when the run is over.
      if (index < 2) adapt.end('unpublish');
    }),
  );
  await bench[Symbol.asyncDispose]();
  await Promise.all(copies.values());
  return {
    disk,
    spool,
    written: await fragmentsOf(
      NODE_DISK,
      [...copies.keys()].map((file) => `${kept}/${basename(file)}`),
    ),
  };
}

/** Writes the segments of a recovered disk out, and lets ffprobe and ffmpeg read them. */
async function expectPlayable(image: DiskImage): Promise<number> {
  using dir = new TempDir('image');
  let played = 0;
  for (const [path, content] of image) {
    if (content === 'folder' || !/\.(mp4|flv)$/.test(path)) continue;
    const file = dir.join(basename(path));
    writeFileSync(file, content);
    const { streams } = await probe(file);
    expect(streams.map(({ codec_name }) => codec_name).sort(), path).toEqual(['aac', 'h264']);
    await expectDecodes(file);
    played += 1;
  }
  return played;
}

describe('power loss', () => {
  it.each(['fmp4', 'flv'] as const)(
    'recovery keeps each acknowledged fragment and leaves nothing unplayable (%s)',
    async (format) => {
      using dir = new TempDir('power');
      const { disk, spool, written } = await realRun(dir, await makeClip({ gop: 25 }), format);
      let acknowledged = 0;
      let played = 0;
      for (let seed = 0; seed < IMAGES_PER_FORMAT; seed += 1) {
        const random = seeded(seed);
        // Spread over the run, so that every phase of it is hit.
        const moment = Math.floor(((seed + random()) / IMAGES_PER_FORMAT) * disk.moments);
        const marks = (disk.noteAt(moment) as Marks | undefined) ?? new Map();
        acknowledged += marks.size;
        const recovered = await recoverImage(spool, disk.image(moment, random), marks, written);
        if (seed % DECODED_EVERY === 0) played += await expectPlayable(recovered.image);
      }
      console.log(
        `${format}: ${IMAGES_PER_FORMAT} images of ${disk.moments} moments, ${acknowledged} acknowledged publications held to their mark, ${played} segments decoded`,
      );
      expect(acknowledged).toBeGreaterThan(IMAGES_PER_FORMAT);
      expect(played).toBeGreaterThan(20);
    },
    180_000,
  );
});
