import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Layout, recordingId, type SegmentPlace } from './layout.ts';
import { type ExistingNames, localName, NOTHING_KNOWN, SegmentNames } from './segment-names.ts';

const START = Date.parse('2026-04-19T13:00:00Z');

function place(pub: string, seq: number, ms = 0, path = 'live/test'): SegmentPlace {
  const start = new Date(START + ms);
  return { path, recording: recordingId(start, 5), epoch: 5, pub, seq, start, format: 'fmp4' };
}

function names(segmentPattern: string | null, existing: readonly string[] = [], segmentDuration = 6000): SegmentNames {
  const layout = new Layout({ layout: 'flat', segmentPattern, segmentUtc: true, segmentDuration });
  const store: ExistingNames = {
    list: async (folder) =>
      existing.filter((k) => k.startsWith(folder)).map((k) => k.slice(folder.length).split('/')[0]!),
    has: async (key) => existing.includes(key),
  };
  return new SegmentNames(layout, store);
}

describe('names handed out', () => {
  it('numbers of a pattern go on after the highest that exists in the folder', async () => {
    const take = names('%s_seg%03d', ['live_test_seg001.mp4', 'live_test_seg007.mp4', 'live_other_seg100.mp4']);
    expect(await take.take(place('a', 1))).toBe('live_test_seg008.mp4');
    expect(await take.take(place('b', 1))).toBe('live_test_seg009.mp4');
  });

  it('numbers go on over another time of day', async () => {
    const take = names('%s_%T_seg%04d', ['live_test_20260418_235959_seg0002.mp4']);
    expect(await take.take(place('a', 1))).toBe('live_test_20260419_130000_seg0003.mp4');
  });

  it('numbers of the flat layout count within the publication', async () => {
    const take = names(null, ['live_test_20260418_235959_seg044.mp4']);
    expect(await take.take(place('a', 1))).toBe('live_test_20260419_130000_seg001.mp4');
    expect(await take.take(place('a', 2, 6000))).toBe('live_test_20260419_130006_seg002.mp4');
  });

  it('one file per publication: the second within the same second gets the next free name', async () => {
    const take = names(null, ['live_test_20260419_130000.mp4', 'live_test_20260419_130000-2.mp4'], 0);
    expect(await take.take(place('a', 1))).toBe('live_test_20260419_130000-3.mp4');
    expect(await take.take(place('b', 1, 400))).toBe('live_test_20260419_130000-4.mp4');
  });

  it('keys that wait in the spool count as taken', async () => {
    const take = names('%s_seg%03d');
    take.note(place('a', 1), 'live_test_seg041.mp4');
    take.note(place('a', 1), 'something/else.mp4');
    expect(await take.take(place('b', 1))).toBe('live_test_seg042.mp4');
  });

  it('a store that cannot be looked at does not stop the recording', async () => {
    const layout = new Layout({ layout: 'flat', segmentPattern: '%s_%d', segmentUtc: true, segmentDuration: 0 });
    const broken = async () => Promise.reject(new Error('EACCES'));
    const take = new SegmentNames(layout, { list: broken, has: broken });
    expect(await take.take(place('a', 1))).toBe('live_test_1.mp4');
  });

  it('no two segments ever get the same key, with any pattern, reconnects and streams at once', async () => {
    const piece = fc.constantFrom('%s', '%p', '%d', '%03d', '%T', '%Y', '%S', '-', '_', '1', '2', '/', 'x');
    const pattern = fc.oneof(
      fc.constant(null),
      fc.array(piece, { minLength: 1, maxLength: 6 }).map((p) => p.join('')),
    );
    const segment = fc.record({
      path: fc.constantFrom('a/b', 'a_b', 'a/b1', 'a/b-2', 'a/b_2', 'a/1'),
      pub: fc.constantFrom('aaaaaaaa', 'bbbbbbbb'),
      ms: fc.integer({ min: 0, max: 3000 }),
    });
    await fc.assert(
      fc.asyncProperty(
        pattern,
        fc.constantFrom(0, 6000),
        fc.array(segment, { maxLength: 40 }),
        async (p, ms, segments) => {
          let layout: Layout;
          try {
            layout = new Layout({ layout: 'flat', segmentPattern: p, segmentUtc: true, segmentDuration: ms });
          } catch {
            return;
          }
          const take = new SegmentNames(layout, NOTHING_KNOWN);
          const keys = await Promise.all(segments.map((s, i) => take.take(place(s.pub, i + 1, s.ms, s.path))));
          expect(new Set(keys).size).toBe(keys.length);
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('the local name', () => {
  it('is that of the key, or has the number where a file of that name waits already', () => {
    expect(localName('2026/04/live_test.flv', 3, () => false)).toBe('live_test.flv');
    expect(localName('2026/04/live_test.flv', 3, (name) => name === 'live_test.flv')).toBe('live_test~3.flv');
  });
});
