import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { AAC_44, AAC_48, AVC_360, AVC_720, drawn, drawnFrame, header } from '../../test/support/drawn-media.ts';
import { markedStream } from '../../test/support/marked-stream.ts';
import { MemoryDisk } from '../../test/support/memory-disk.ts';
import { feed, RecordingBench, until } from '../../test/support/recorded-run.ts';
import { packetsOf, segmentsOf } from '../../test/support/segment-packets.ts';
import type { Config } from '../config/schema.ts';
import type { MediaMessage } from '../protocol/rtmp/media-message.ts';
import { scanSegment } from '../spool/scanned-entry.ts';

const SECOND = 90_000;
const HEADERS = [header(AVC_720), header(AAC_48)];

/** Records messages to their end; gives the publication and its packets, segment by segment. */
async function recorded(messages: Iterable<MediaMessage>, record: Partial<Config['record']> = {}) {
  const disk = new MemoryDisk();
  await using bench = await RecordingBench.open('/spool', { disk, record: { segmentDuration: 1000, ...record } });
  await bench.record(messages);
  const publication = bench.spool.publications[0]!;
  const segments = record.format === 'flv' ? [] : await segmentsOf(disk, publication);
  return { disk, publication, segments, log: bench.log.lines };
}

describe('recorder', () => {
  it('records segments that follow one another without gap or overlap, each whole', async () => {
    const { disk, publication } = await recorded(until(markedStream({ fps: 25, gop: 50 }), 15_000), {
      segmentDuration: 4000,
    });
    expect(publication.ended?.cause).toBe('unpublish');
    expect(publication.gaps).toEqual([]);
    expect(publication.sourceDtsOffset).toBe(0);
    expect(publication.entries.map(({ tfdt, seq, aligned }) => [seq, tfdt / SECOND, aligned])).toEqual([
      [1, 0, true],
      [2, 4, true],
      [3, 8, true],
      [4, 12, true],
    ]);
    for (const [index, { entry, file }] of publication.pending.entries()) {
      const next = publication.entries[index + 1];
      if (next) expect(next.tfdt).toBe(entry.tfdt + entry.duration);
      const scan = await scanSegment(disk, file);
      expect(scan.damage).toEqual([]);
      expect(scan.headerBytes).toBe(entry.headerBytes);
      expect(scan.headerCrc).toBe(entry.headerCrc);
      expect(scan.description).toMatchObject({ seq: entry.seq, aligned: true, start: entry.start });
      expect(await disk.sha256(file)).toBe(entry.sha256);
      expect(scan.fragments.every((fragment) => fragment.end - fragment.start <= 0.6 * SECOND)).toBe(true);
    }
  });

  it('holds every frame once, in order, with exact times', async () => {
    const { segments } = await recorded([...HEADERS, ...drawn('KapapaKapapapapaKapapa')]);
    const video = segments.flat().filter(({ type }) => type === 'video');
    expect(video.map(({ number }) => number)).toEqual([0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20]);
    expect(video.map(({ ms }) => ms)).toEqual([0, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1000]);
    expect(video.map(({ durationMs }) => durationMs)).toEqual(Array(11).fill(100));
    expect(segments.flat().filter(({ type }) => type === 'audio')).toHaveLength(11);
  });

  it('begins with the first keyframe and the sound that belongs behind it, though it came before', async () => {
    const { segments, publication } = await recorded([
      ...HEADERS,
      drawnFrame('p', 0, 0),
      drawnFrame('a', 20, 1),
      drawnFrame('a', 120, 2),
      drawnFrame('K', 100, 3),
      drawnFrame('p', 200, 4),
    ]);
    expect(segments.flat().map(({ number, ms }) => [number, ms])).toEqual([
      [3, 0],
      [4, 100],
      [2, 20],
    ]);
    expect(publication.sourceDtsOffset).toBe(9000);
  });

  it('puts late sound into the segment its time falls in', async () => {
    const video = [...drawn('KpppppppppKppppppppp')];
    const sound = [...drawn('aaaaaaaaaaaaaaaaaaaa', { from: 100 })].map((m, i) => ({ ...m, timestamp: i * 100 }));
    // Sound comes 300 ms behind the picture.
    const mixed = video.flatMap((frame, i) => (i < 3 ? [frame] : [frame, sound[i - 3]!]));
    const { segments } = await recorded([...HEADERS, ...mixed, ...sound.slice(-3)]);
    expect(segments).toHaveLength(2);
    const numbers = segments.map((s) => s.filter(({ type }) => type === 'audio').map(({ number }) => number! - 100));
    expect(numbers).toEqual([
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
      [10, 11, 12, 13, 14, 15, 16, 17, 18, 19],
    ]);
  });

  it('begins a segment where the picture changes, which from then on carries its parameter sets in-band too', async () => {
    const { segments, publication } = await recorded(
      [...HEADERS, ...drawn('KppppKpppp'), header(AVC_360, 1000), ...drawn('KppppKpppp', { fromMs: 1000, from: 10 })],
      { segmentDuration: 500 },
    );
    expect(publication.entries.map(({ tfdt }) => tfdt / SECOND)).toEqual([0, 0.5, 1, 1.5]);
    const sps = AVC_360.subarray(13, 13 + AVC_360.readUInt16BE(11));
    const keys = segments.map(([first]) => Buffer.from(first!.data).includes(sps));
    expect(keys).toEqual([false, false, true, true]);
    expect(segments.flat().map(({ number }) => number)).toEqual(Array.from({ length: 20 }, (_, i) => i));
    const crcs = publication.entries.map(({ headerCrc }) => headerCrc);
    expect([crcs[0] === crcs[1], crcs[1] === crcs[2], crcs[2] === crcs[3]]).toEqual([true, false, true]);
  });

  it('declares what comes before the keyframe that a changed picture needs, when that never comes', async () => {
    const { publication } = await recorded([
      ...HEADERS,
      ...drawn('KppppKpppp'),
      header(AVC_360, 1000),
      ...drawn('pppp', { fromMs: 1000, from: 10 }),
    ]);
    expect(publication.gaps).toEqual([{ from: SECOND, to: 1.3 * SECOND + 1, cause: 'no-keyframe' }]);
  });

  it('repeated headers change nothing', async () => {
    const { publication } = await recorded([
      ...HEADERS,
      ...drawn('Kpp'),
      ...HEADERS,
      ...drawn('ppKpp', { fromMs: 300 }),
    ]);
    expect(publication.entries).toHaveLength(1);
  });

  it('takes in a late track at the next keyframe', async () => {
    const video = [...drawn('KpppKpppKppp')];
    const messages = [header(AVC_720), ...video.slice(0, 6), header(AAC_48, 600), ...video.slice(6, 8)];
    const late = [...messages, drawnFrame('a', 700, 50), video[8]!, drawnFrame('a', 800, 51), ...video.slice(9)];
    const { segments } = await recorded(late, { segmentDuration: 6000, trackSettle: 300 });
    expect(segments.map((packets) => packets.filter(({ type }) => type === 'audio').map((p) => p.number))).toEqual([
      [],
      [51],
    ]);
    expect(segments.map((packets) => packets[0]?.ms)).toEqual([0, 800]);
  });

  it('takes up new sound parameters at the next keyframe, and declares the sound that no segment can describe', async () => {
    const before = [...drawn('KapapaKapapa')];
    const after = [...drawn('papaKapapa', { fromMs: 600, from: 50 })];
    const { segments, publication } = await recorded([...HEADERS, ...before, header(AAC_44, 600), ...after], {
      segmentDuration: 6000,
    });
    expect(publication.gaps).toEqual([{ from: 0.6 * SECOND, to: 0.8 * SECOND, cause: 'no-keyframe' }]);
    expect(publication.entries.map(({ tfdt }) => tfdt / SECOND)).toEqual([0, 0.8]);
    const video = segments.flat().filter(({ type }) => type === 'video');
    expect(video).toHaveLength(11);
  });

  it('sound alone is cut by time', async () => {
    const sound = [...drawn('aaaaaaaaaaaaaaaaaaaaaaaaa')].map((m, i) => ({ ...m, timestamp: i * 100 }));
    const { publication } = await recorded([header(AAC_48), ...sound]);
    expect(publication.entries.map(({ tfdt, aligned }) => [tfdt / SECOND, aligned])).toEqual([
      [0, true],
      [1, true],
      [2, true],
    ]);
  });

  it('picture that comes to sound begins a segment', async () => {
    const sound = [...drawn('aaaaaaaaaaaaaaaa')].map((m, i) => ({ ...m, timestamp: i * 100 }));
    const video = [header(AVC_720, 700), drawnFrame('K', 700, 70), drawnFrame('p', 800, 71)];
    const messages = [header(AAC_48), ...sound.slice(0, 8), ...video, ...sound.slice(8)];
    const { publication, segments } = await recorded(messages, { segmentDuration: 6000, trackSettle: 300 });
    expect(publication.entries.map(({ tfdt }) => tfdt / SECOND)).toEqual([0, 0.7]);
    expect(segments[1]?.filter(({ type }) => type === 'video').map(({ number }) => number)).toEqual([70, 71]);
  });

  it('without keyframes cuts at the limit, and says that the segment is not aligned', async () => {
    const { publication } = await recorded([...HEADERS, ...drawn('Kpppppppppppppppp')], {
      segmentDuration: 500,
      hardLimit: 700,
    });
    expect(publication.entries.map(({ tfdt, aligned }) => [tfdt / SECOND, aligned])).toEqual([
      [0, true],
      [1.2, false],
    ]);
  });

  it('picture that stops does not keep a segment open for ever', async () => {
    const sound = [...drawn('aaaaaaaaaaaaaaaaaaaa')].map((m, i) => ({ ...m, timestamp: i * 100 }));
    const { publication } = await recorded([...HEADERS, ...drawn('Kpp'), ...sound], {
      segmentDuration: 500,
      hardLimit: 700,
    });
    expect(publication.entries.map(({ tfdt, aligned }) => [tfdt / SECOND, aligned])).toEqual([
      [0, true],
      [1.2, false],
    ]);
  });

  it('segmentDuration 0 gives one file', async () => {
    const { publication } = await recorded(until(markedStream({ gop: 25 }), 9000), { segmentDuration: 0 });
    expect(publication.entries).toHaveLength(1);
    expect(publication.entries[0]?.duration).toBeGreaterThan(8.9 * SECOND);
  });

  it('a long segment lists its fragments', async () => {
    const { publication } = await recorded(until(markedStream({ gop: 75 }), 6000), { segmentDuration: 1000 });
    const [first] = publication.entries;
    expect(first?.fragments?.[0]?.[0]).toBe(first?.headerBytes);
    expect(
      first?.fragments?.reduce((end, [, tfdt, duration]) => Math.max(end, tfdt + duration), 0),
    ).toBeGreaterThanOrEqual(3 * SECOND);
  });

  it('keeps data messages as events', async () => {
    const body = Buffer.concat([Buffer.from([2, 0, 9]), Buffer.from('onCuePoint'.slice(0, 9)), Buffer.from([5])]);
    const messages = [
      ...HEADERS,
      ...drawn('Kpp'),
      { type: 18, timestamp: 250, body } as const,
      ...drawn('pp', { fromMs: 300 }),
    ];
    const { disk, publication } = await recorded(messages);
    const bytes = await disk.readAll(publication.pending[0]!.file);
    expect(bytes.indexOf('urn:headwater:rtmp-data')).toBeGreaterThan(0);
    expect(bytes.includes(body)).toBe(true);
  });

  it('on a timeline of its own each file begins at 0', async () => {
    const { segments, publication } = await recorded([...HEADERS, ...drawn('KppppKpppp')], {
      segmentDuration: 500,
      segmentTimeline: 'file',
    });
    expect(segments.map((packets) => packets[0]?.ms)).toEqual([0, 0]);
    expect(publication.entries.map(({ tfdt }) => tfdt / SECOND)).toEqual([0, 0.5]);
  });

  it('records as FLV, with a warning, what has no place in MP4', async () => {
    const speex = Buffer.concat([Buffer.from([0xb2]), Buffer.alloc(20, 1)]);
    const sound = Array.from({ length: 10 }, (_, i): MediaMessage => ({ type: 8, timestamp: i * 100, body: speex }));
    const disk = new MemoryDisk();
    await using bench = await RecordingBench.open('/spool', { disk });
    await bench.record([header(AVC_720), ...sound.slice(0, 1), ...drawn('Kppppppppp'), ...sound.slice(1)]);
    const [publication] = bench.spool.publications;
    expect(publication?.header).toMatchObject({ format: 'flv', timeline: 'file' });
    expect(bench.log.lines.some(({ level, message }) => level === 'warn' && message.includes('FLV'))).toBe(true);
    const scan = await scanSegment(disk, publication!.pending[0]!.file);
    expect(scan.damage).toEqual([]);
    expect(scan.description?.tracks.map(({ codec }) => codec)).toEqual(['h264', 'flv-audio-11']);
  });

  it('FLV files say how long they are', async () => {
    const { disk, publication } = await recorded([...HEADERS, ...drawn('KppppKpppp')], {
      segmentDuration: 500,
      format: 'flv',
    });
    for (const { file, entry } of publication.pending) {
      const bytes = await disk.readAll(file);
      const at = bytes.indexOf('duration') + 'duration'.length + 1;
      expect(bytes.readDoubleBE(at)).toBe(entry.duration / SECOND);
      expect(entry.duration).toBe(0.5 * SECOND);
      expect(await disk.sha256(file)).toBe(entry.sha256);
    }
  });

  it('says what it does in the words people look for', async () => {
    const { log } = await recorded([...HEADERS, ...drawn('Kpppp')]);
    const said = log.filter(({ message }) => /^record/.test(message));
    expect(said.map(({ message }) => message)).toEqual(['recorder initialized', 'recording started']);
    expect(said[0]?.fields).toMatchObject({ stream_key: 'live/test', conn_id: 'c000001' });
    expect(said[0]?.fields.file).toMatch(/\.mp4$/);
  });

  it('media that stops coming is made durable all the same', async () => {
    await using bench = await RecordingBench.open('/spool', { disk: new MemoryDisk() });
    const { adapt } = bench.publish();
    await feed(adapt, [...HEADERS, ...drawn('KapapapapapapapapapapapapKapa')]);
    await expect.poll(() => bench.recorder.status('live/test')?.durable?.dts).toBeGreaterThan(1.3 * SECOND);
    // What comes after the lull is still recorded, and once.
    await feed(adapt, drawn('papapa', { fromMs: 1500, from: 100 }));
    adapt.end('unpublish');
    await expect.poll(() => bench.spool.publications[0]?.ended).toBeDefined();
  });

  it('acknowledges in order, and never more than it has', async () => {
    await using bench = await RecordingBench.open('/spool', {
      disk: new MemoryDisk(),
      record: { segmentDuration: 1000 },
    });
    const { adapt } = bench.publish();
    let last = { seq: 0, dts: -1 };
    for (const message of until(markedStream({ gop: 25 }), 8000)) {
      adapt.push(message, performance.now());
      if (message.timestamp % 80 === 0) await delay(0);
      const mark = bench.recorder.status('live/test')?.durable;
      if (!mark) continue;
      expect(mark.dts).toBeGreaterThanOrEqual(last.dts);
      expect(mark.seq).toBeGreaterThanOrEqual(last.seq);
      expect(mark.dts).toBeLessThanOrEqual((message.timestamp + 1) * 90);
      last = mark;
    }
    expect(last.seq).toBeGreaterThan(5);
  });

  it('stop closes what is open', async () => {
    const disk = new MemoryDisk();
    const bench = await RecordingBench.open('/spool', { disk });
    const { adapt } = bench.publish();
    await feed(adapt, [...HEADERS, ...drawn('Kppppppp')]);
    await bench[Symbol.asyncDispose]();
    const [publication] = bench.spool.publications;
    expect(publication?.ended?.cause).toBe('shutdown');
    const packets = await packetsOf(await disk.readAll(publication!.pending[0]!.file));
    expect(packets.map(({ number }) => number)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect([...disk.image.keys()].some((path) => path.endsWith('.part'))).toBe(false);
  });

  it('a publication without media leaves nothing behind', async () => {
    const disk = new MemoryDisk();
    await using bench = await RecordingBench.open('/spool', { disk });
    await bench.record([]);
    await bench.record([header(AVC_720)]);
    expect(bench.spool.publications.flatMap(({ entries }) => entries)).toEqual([]);
  });
});
