import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseFrameMd5 } from '../../test/support/frame-md5.ts';
import { output } from '../../test/support/process.ts';
import { TempDir } from '../../test/support/temp-dir.ts';
import { encodePath } from './key-encoding.ts';
import { Playlist, relativeUri, targetDuration } from './playlist.ts';
import type { PublicationHeader, SegmentEntry } from './segment-entry.ts';

const HEADER: PublicationHeader = {
  version: 1,
  path: 'live/test',
  owner: '',
  recording: '20260419T130000Z-5',
  epoch: 5,
  pub: 'abcd2345',
  format: 'fmp4',
  startedAt: '2026-04-19T13:00:00.000Z',
  segmentDuration: 6000,
  timeline: 'recording',
};
const FOLDER = 'live/test/20260419T130000Z-5/';

function entry(seq: number, changes: Partial<SegmentEntry> = {}): SegmentEntry {
  return {
    seq,
    key: `${FOLDER}seg5-abcd2345-00000${seq}.mp4`,
    tfdt: (seq - 1) * 540_000,
    duration: 540_000,
    start: new Date(Date.UTC(2026, 3, 19, 13, 0, (seq - 1) * 6, 250)).toISOString(),
    bytes: 10_000 + seq,
    sha256: '',
    headerBytes: 800,
    headerCrc: 7,
    aligned: true,
    recovered: false,
    ...changes,
  };
}

function playlist(
  entries: readonly SegmentEntry[],
  header: Partial<PublicationHeader> = {},
  gaps: Parameters<Playlist['add']>[1] = [],
) {
  const made = new Playlist({ ...HEADER, ...header }, FOLDER);
  for (const each of entries) made.add(each, gaps);
  return made.encode(true).toString().split('\n');
}

describe('the playlist', () => {
  it('addresses header and body of each file, and says when each began', () => {
    expect(playlist([entry(1), entry(2)])).toEqual([
      '#EXTM3U',
      '#EXT-X-VERSION:7',
      '#EXT-X-TARGETDURATION:12',
      '#EXT-X-MEDIA-SEQUENCE:0',
      '#EXT-X-PLAYLIST-TYPE:EVENT',
      '#EXT-X-MAP:URI="seg5-abcd2345-000001.mp4",BYTERANGE="800@0"',
      '#EXT-X-PROGRAM-DATE-TIME:2026-04-19T13:00:00.250Z',
      '#EXTINF:6.000000,',
      '#EXT-X-BYTERANGE:9201@800',
      'seg5-abcd2345-000001.mp4',
      '#EXT-X-PROGRAM-DATE-TIME:2026-04-19T13:00:06.250Z',
      '#EXTINF:6.000000,',
      '#EXT-X-BYTERANGE:9202@800',
      'seg5-abcd2345-000002.mp4',
      '#EXT-X-ENDLIST',
      '',
    ]);
  });

  it('only ever grows', () => {
    const made = new Playlist(HEADER, FOLDER);
    let before = '';
    for (let seq = 1; seq <= 5; seq += 1) {
      made.add(entry(seq, seq === 3 ? { headerCrc: 8 } : {}), []);
      const text = made.encode(false).toString();
      expect(text.startsWith(before)).toBe(true);
      expect(text.length).toBeGreaterThan(before.length);
      expect(text).not.toContain('ENDLIST');
      before = text;
    }
    expect(made.encode(true).toString()).toBe(`${before}#EXT-X-ENDLIST\n`);
  });

  it.each([
    { name: 'a segment was dropped', second: entry(3), gaps: [] },
    { name: 'the next one begins later', second: entry(2, { tfdt: 600_000 }), gaps: [] },
    { name: 'a gap is declared between them', second: entry(2), gaps: [{ from: 536_000, to: 545_000, cause: 'loss' }] },
  ] as const)('has a discontinuity where $name', ({ second, gaps }) => {
    const lines = playlist([entry(1), second], {}, gaps);
    expect(lines.filter((line) => line === '#EXT-X-DISCONTINUITY')).toHaveLength(1);
    expect(lines.filter((line) => line.startsWith('#EXT-X-MAP'))).toHaveLength(1);
  });

  it('has none where tracks end some milliseconds apart, or a gap lies within a segment', () => {
    const lines = playlist([entry(1, { duration: 538_000 }), entry(2)], {}, [
      { from: 100_000, to: 200_000, cause: 'loss' },
    ]);
    expect(lines).not.toContain('#EXT-X-DISCONTINUITY');
  });

  it('names a new header, as a discontinuity', () => {
    const lines = playlist([entry(1), entry(2, { headerCrc: 8, headerBytes: 820 }), entry(3, { headerCrc: 8 })]);
    const at = lines.indexOf('#EXT-X-DISCONTINUITY');
    expect(lines[at + 1]).toBe('#EXT-X-MAP:URI="seg5-abcd2345-000002.mp4",BYTERANGE="820@0"');
    expect(lines.filter((line) => line.startsWith('#EXT-X-MAP'))).toHaveLength(2);
  });

  it('has a discontinuity at each file that counts from zero', () => {
    const lines = playlist([entry(1), entry(2), entry(3)], { timeline: 'file' });
    expect(lines.filter((line) => line === '#EXT-X-DISCONTINUITY')).toHaveLength(2);
  });

  it('lists a segment longer than its target as several ranges, none longer and none missing', () => {
    const fragments = Array.from({ length: 60 }, (_, i) => [800 + i * 100, i * 45_000, 45_000] as const);
    const long = entry(1, { duration: 60 * 45_000, bytes: 800 + 6000, fragments });
    const lines = playlist([long]);
    const lengths = lines.filter((l) => l.startsWith('#EXTINF')).map((l) => Number.parseFloat(l.slice(8)));
    expect(Math.max(...lengths)).toBeLessThanOrEqual(12.5);
    expect(lengths.reduce((sum, length) => sum + length, 0)).toBeCloseTo(30);
    const ranges = lines.flatMap((l) =>
      [...l.matchAll(/^#EXT-X-BYTERANGE:(\d+)@(\d+)$/g)].map((m) => [Number(m[2]), Number(m[1])]),
    );
    let at = 800;
    for (const [offset, bytes] of ranges) {
      expect(offset).toBe(at);
      at += bytes!;
    }
    expect(at).toBe(6800);
    expect(lines).toContain('#EXT-X-PROGRAM-DATE-TIME:2026-04-19T13:00:12.250Z');
    expect(lines).not.toContain('#EXT-X-DISCONTINUITY');
  });

  it.each([
    [6000, 12],
    [2000, 4],
    [5250, 11],
    [100, 1],
    [0, 12],
    [30_000, 60],
  ])('has a target of its own for segments of %i ms: %i s', (ms, seconds) => {
    expect(targetDuration(ms)).toBe(seconds);
    expect(playlist([entry(1)], { segmentDuration: ms })).toContain(`#EXT-X-TARGETDURATION:${seconds}`);
  });

  it.each([
    ['a/b/c/', 'a/b/c/x.mp4', 'x.mp4'],
    ['a/b/c/', '2026/04/x.mp4', '../../../2026/04/x.mp4'],
    ['a/b/c/', 'a/b/x.mp4', '../x.mp4'],
    ['a/b/', 'a/b', '../b'],
    ['a/', 'a/50%20#?"é.mp4', '50%2520%23%3F%22%C3%A9.mp4'],
    ['a/', 'a/live:x.mp4', 'live%3Ax.mp4'],
  ])('from %j refers to %j as %j', (folder, key, uri) => {
    expect(relativeUri(folder, key)).toBe(uri);
    const base = new URL(`http://h/${folder.split('/').map(encodeURIComponent).join('/')}index.m3u8`);
    expect(new URL(uri, base).pathname).toBe(`/${key.split('/').map(encodeURIComponent).join('/')}`);
  });
});

/** Length and type of the box at `at`. */
function boxAt(bytes: Buffer, at: number): { readonly size: number; readonly type: string } {
  return { size: bytes.readUInt32BE(at), type: bytes.toString('latin1', at + 4, at + 8) };
}

/** ffmpeg's fragmented file as header and fragments. */
function split(bytes: Buffer): { header: Buffer; fragments: Buffer[] } {
  const fragments: Buffer[] = [];
  let start = 0;
  let headerEnd = 0;
  for (let at = 0; at < bytes.length; ) {
    const { size, type } = boxAt(bytes, at);
    if (type === 'moov') headerEnd = at + size;
    if (type === 'moof') start = at;
    at += size;
    if (type === 'mdat') fragments.push(bytes.subarray(start, at));
  }
  return { header: bytes.subarray(0, headerEnd), fragments };
}

describe('ffmpeg reads the playlist', () => {
  it.each([
    { name: 'of segments of two fragments', path: 'live/test', perSegment: 2, segmentDuration: 2000 },
    { name: 'of one long segment, in ranges', path: 'live/test', perSegment: 12, segmentDuration: 2000 },
    { name: 'under a path that needs encoding', path: 'live/straße 50%', perSegment: 3, segmentDuration: 4000 },
  ])('$name: every packet, bit by bit', async ({ path, perSegment, segmentDuration }) => {
    using dir = new TempDir('playlist');
    const whole = dir.join('whole.mp4');
    await output('ffmpeg', [
      ...['-v', 'error', '-f', 'lavfi', '-i', 'testsrc=s=160x120:r=25:d=12', '-f', 'lavfi', '-i', 'sine=d=12'],
      ...['-c:v', 'libx264', '-preset', 'ultrafast', '-bf', '2', '-g', '25', '-keyint_min', '25', '-c:a', 'aac'],
      ...['-movflags', '+frag_keyframe+empty_moov+default_base_moof', whole],
    ]);
    const { header, fragments } = split(readFileSync(whole));
    const folder = `${encodePath(path)}/20260419T130000Z-5/`;
    const made = new Playlist({ ...HEADER, path, segmentDuration }, folder);
    for (let from = 0, seq = 1; from < fragments.length; from += perSegment, seq += 1) {
      const own = fragments.slice(from, from + perSegment);
      const key = `${folder}seg-${seq}.mp4`;
      mkdirSync(dirname(dir.join(key)), { recursive: true });
      writeFileSync(dir.join(key), Buffer.concat([header, ...own]));
      let offset = header.length;
      const listed = own.map((fragment, i) => {
        const item = [offset, (from + i) * 90_000, 90_000] as const;
        offset += fragment.length;
        return item;
      });
      const facts = {
        key,
        tfdt: from * 90_000,
        duration: own.length * 90_000,
        bytes: offset,
        headerBytes: header.length,
      };
      made.add(entry(seq, { ...facts, ...(own.length * 1000 > 2 * segmentDuration ? { fragments: listed } : {}) }), []);
    }
    writeFileSync(dir.join(folder, 'index.m3u8'), made.encode(true));
    const hashes = async (args: readonly string[]) => {
      const text = await output('ffmpeg', ['-v', 'error', ...args, '-c', 'copy', '-f', 'framemd5', '-']);
      return [0, 1].map((stream) =>
        parseFrameMd5(text)
          .filter((f) => f.stream === stream)
          .map(({ hash }) => hash),
      );
    };
    const list = dir.join(folder, 'index.m3u8');
    const [video, audio] = await hashes(['-allowed_extensions', 'ALL', '-i', list]);
    const [sourceVideo, sourceAudio] = await hashes(['-i', whole]);
    expect(sourceVideo!.length).toBe(300);
    expect(video).toEqual(sourceVideo);
    expect(audio).toEqual(sourceAudio);
  });
});
