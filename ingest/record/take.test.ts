import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AAC_48, AVC_720, drawnFrame, header } from '../../test/support/drawn-media.ts';
import { MemoryDisk } from '../../test/support/memory-disk.ts';
import { RecordingBench } from '../../test/support/recorded-run.ts';
import { segmentsOf } from '../../test/support/segment-packets.ts';
import type { MediaMessage } from '../protocol/rtmp/media-message.ts';

/** Steps between pictures (ms) and which of them are keyframes; sound of another pace, some of it late. */
const MEDIA = fc.record({
  pictures: fc.array(fc.record({ step: fc.integer({ min: 10, max: 400 }), key: fc.boolean() }), {
    minLength: 3,
    maxLength: 60,
  }),
  soundStep: fc.integer({ min: 15, max: 120 }),
  lateMs: fc.integer({ min: 0, max: 450 }),
  segmentDuration: fc.integer({ min: 0, max: 3000 }),
});

/** As they arrive: by time, sound `lateMs` after the picture it belongs to. Frame numbers are unique. */
function arrive({
  pictures,
  soundStep,
  lateMs,
}: typeof MEDIA extends fc.Arbitrary<infer T> ? T : never): MediaMessage[] {
  const frames: { readonly at: number; readonly message: MediaMessage }[] = [];
  let time = 0;
  for (const [index, { step, key }] of pictures.entries()) {
    frames.push({ at: time, message: drawnFrame(key || index === 0 ? 'K' : 'p', time, index) });
    time += step;
  }
  for (let at = 0, n = 1000; at < time; at += soundStep, n += 1) {
    frames.push({ at: at + lateMs, message: drawnFrame('a', at, n) });
  }
  return frames.sort((a, b) => a.at - b.at).map(({ message }) => message);
}

describe('take', () => {
  it('records every frame once, at its time, in segments that follow one another', async () => {
    await fc.assert(
      fc.asyncProperty(MEDIA, async (media) => {
        const disk = new MemoryDisk();
        const { segmentDuration } = media;
        await using bench = await RecordingBench.open('/spool', { disk, record: { segmentDuration } });
        const messages = arrive(media);
        await bench.record([header(AVC_720), header(AAC_48), ...messages]);
        const publication = bench.spool.publications[0]!;
        const segments = await segmentsOf(disk, publication);
        const wanted = messages.map(({ timestamp, body }) => [body.readUInt32BE(body.indexOf('HWN') + 3), timestamp]);
        const byNumber = (a: number[], b: number[]) => a[0]! - b[0]!;
        const got = segments.flat().map(({ number, ms }) => [number!, ms]);
        expect(got.sort(byNumber)).toEqual(wanted.sort(byNumber));
        expect(publication.gaps).toEqual([]);
        for (const [index, { entry }] of publication.pending.entries()) {
          const next = publication.entries[index + 1];
          if (next) expect(next.tfdt).toBe(entry.tfdt + entry.duration);
          const [first] = segments[index]!;
          expect(first).toMatchObject({ type: 'video', key: true, ms: entry.tfdt / 90 });
          // Cut at the first keyframe at or past the target.
          const keysInside = segments[index]!.filter(({ key, type, ms }) => key && type === 'video' && ms > first!.ms);
          for (const { ms } of keysInside)
            if (segmentDuration > 0) expect(ms - first!.ms).toBeLessThan(segmentDuration);
          const sound = segments[index]!.filter(({ type }) => type === 'audio').map(({ ms }) => ms);
          for (const ms of sound) expect(ms).toBeGreaterThanOrEqual(entry.tfdt / 90);
          if (next) for (const ms of sound) expect(ms).toBeLessThan(next.tfdt / 90);
        }
      }),
      { numRuns: 60 },
    );
  });
});
