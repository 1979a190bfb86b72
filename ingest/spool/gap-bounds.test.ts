import { describe, expect, it } from 'vitest';
import { AAC_48, AVC_720, drawnFrame, header } from '../../test/support/drawn-media.ts';
import { MemoryDisk } from '../../test/support/memory-disk.ts';
import { recover } from '../../test/support/power-loss.ts';
import { feed, RecordingBench } from '../../test/support/recorded-run.ts';
import { RecordingDisk, seeded } from '../../test/support/recording-disk.ts';
import { packetsOf, segmentsOf } from '../../test/support/segment-packets.ts';
import type { MediaMessage } from '../protocol/rtmp/media-message.ts';
import type { QueuedPublication } from './spool-queue.ts';

const LENGTH_MS = 6000;
const TICKS_PER_MS = 90;

/** Video at 25 frames a second, keyframe every second; sound in frames of 21 ms that come `lagMs` late. Each message has its number. */
function interleaved(lagMs: number): MediaMessage[] {
  const frames: { readonly kind: 'K' | 'p' | 'a'; readonly ms: number; readonly dueMs: number }[] = [];
  for (let ms = 0; ms < LENGTH_MS; ms += 40) frames.push({ kind: ms % 1000 === 0 ? 'K' : 'p', ms, dueMs: ms });
  for (let ms = 0; ms < LENGTH_MS; ms += 21) frames.push({ kind: 'a', ms, dueMs: ms + lagMs });
  frames.sort((a, b) => a.dueMs - b.dueMs);
  return frames.map(({ kind, ms }, number) => drawnFrame(kind, ms, number));
}

/** Each frame that is in no segment lies in a declared gap. Returns the frames, by time, that are in none. */
function expectDeclared(
  { gaps }: QueuedPublication,
  sent: readonly MediaMessage[],
  kept: ReadonlySet<number | undefined>,
): number[] {
  const lost = sent.flatMap(({ timestamp }, number) => (kept.has(number) ? [] : [timestamp * TICKS_PER_MS]));
  for (const at of lost) {
    const isDeclared = gaps.some(({ from, to = Number.POSITIVE_INFINITY }) => from <= at && at < to);
    expect(isDeclared, `a frame at ${at} is missing; gaps ${JSON.stringify(gaps)}`).toBe(true);
  }
  return lost.sort((a, b) => a - b);
}

async function numbersIn(disk: MemoryDisk | RecordingDisk, publication: QueuedPublication) {
  return new Set((await segmentsOf(disk, publication)).flat().map(({ number }) => number));
}

describe('bounds of gaps', () => {
  it.each([0, 100, 300])(
    'a crash: from the first frame on that is lost, where sound comes %i ms late',
    async (lagMs) => {
      const sent = interleaved(lagMs);
      const disk = new RecordingDisk(new MemoryDisk());
      {
        await using bench = await RecordingBench.open('/spool', { disk, record: { segmentDuration: 1000 } });
        const { adapt } = bench.publish();
        await feed(adapt, [header(AVC_720), header(AAC_48)]);
        await feed(adapt, sent);
      }
      let crashes = 0;
      for (let seed = 0; seed < 120; seed += 1) {
        const random = seeded(seed);
        const moment = Math.floor(random() * disk.moments);
        const image = new MemoryDisk(disk.image(moment, random));
        await using spool = await recover('/spool', image);
        const [publication] = spool.publications;
        if (publication === undefined || publication.entries.length === 0) continue;
        const kept = await numbersIn(image, publication);
        const lost = expectDeclared(publication, sent, kept);
        const crash = publication.gaps.find(({ to }) => to === undefined);
        if (crash === undefined || lost.length === 0) continue;
        crashes += 1;
        // It begins with a frame that is lost.
        expect(lost).toContain(crash.from);
        const within = publication.gaps.filter(({ to }) => to !== undefined);
        for (const { from, to = 0 } of within) expect(lost.some((at) => at >= from && at < to)).toBe(true);
      }
      expect(crashes).toBeGreaterThan(60);
    },
  );

  it.each([
    { what: 'refuses', queueBytes: 2 ** 26 },
    { what: 'is too slow', queueBytes: 7000 },
  ])('a disk that $what for a while: every frame is there or declared', async ({ what, queueBytes }) => {
    const sent = interleaved(300);
    const disk = new MemoryDisk();
    await using bench = await RecordingBench.open('/spool', { disk, record: { segmentDuration: 1000, queueBytes } });
    const { adapt } = bench.publish();
    const state = () => bench.recorder.status('live/test')?.state;
    await feed(adapt, [header(AVC_720), header(AAC_48), ...sent.slice(0, 200)]);
    await expect.poll(() => bench.recorder.status('live/test')?.durable).toBeTruthy();
    const { promise: stall, resolve: goOn } = Promise.withResolvers<void>();
    disk.onChange = (operation) => {
      if (operation !== 'datasync') return undefined;
      if (what === 'refuses') throw Object.assign(new Error('EIO'), { code: 'EIO' });
      return stall;
    };
    await feed(adapt, sent.slice(200, 320));
    await expect.poll(state).toBe('waiting');
    disk.onChange = () => undefined;
    goOn();
    await expect.poll(state).toBe('armed');
    await feed(adapt, sent.slice(320));
    adapt.end('unpublish');
    await expect.poll(() => bench.spool.publications[0]?.ended).toBeDefined();
    const publication = bench.spool.publications[0]!;
    const lost = expectDeclared(publication, sent, await numbersIn(disk, publication));
    expect(publication.gaps[0]?.from).toBe(lost[0]);
  });

  it('damage: from the first frame on that is lost, to the first one behind that is there', async () => {
    const sent = interleaved(100);
    const disk = new MemoryDisk();
    await using bench = await RecordingBench.open('/spool', { disk, record: { segmentDuration: 3000 } });
    await bench.record([header(AVC_720), header(AAC_48), ...sent]);
    const publication = bench.spool.publications[0]!;
    const { file } = publication.pending[0]!;
    const middle = (await disk.readAll(file)).length >> 1;
    disk.corrupt(file, (bytes) => {
      bytes[middle]! ^= 4;
    });
    await publication.salvage(1);
    const kept = await numbersIn(disk, publication);
    const lost = expectDeclared(publication, sent, kept);
    const [gap, ...more] = publication.gaps;
    expect(more).toEqual([]);
    expect(gap?.from).toBe(lost[0]);
    // Of what stands between the bounds, each track's last lost frame is less than a frame away from the end.
    expect(gap!.to! - lost.at(-1)!).toBeLessThanOrEqual(40 * TICKS_PER_MS);
    const packets = await packetsOf(await disk.readAll(file));
    expect(packets.length).toBeGreaterThan(100);
  });
});
