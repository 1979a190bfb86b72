import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  encodePage,
  hashEntry,
  hashOf,
  type ManifestEntry,
  type ManifestPage,
  pageName,
  parsePage,
} from './manifest.ts';
import {
  encodeRecording,
  parseRecording,
  type RecordingDocument,
  type RecordingPublication,
  withPublication,
} from './recording-document.ts';

const HEADER = {
  version: 1,
  path: 'live/test "1"',
  owner: 'uid',
  recording: '20260419T130000Z-5',
  epoch: 5,
  pub: 'abcd2345',
  format: 'fmp4',
  startedAt: '2026-04-19T13:00:00.000Z',
  segmentDuration: 6000,
  timeline: 'recording',
} as const;

function chain(entries: readonly Omit<ManifestEntry, 'before'>[]): ManifestEntry[] {
  const linked: ManifestEntry[] = [];
  for (const entry of entries) {
    const last = linked.at(-1);
    linked.push({ ...entry, before: last ? hashEntry(last) : '' });
  }
  return linked;
}

const entry = fc
  .record({
    key: fc.string({ unit: 'binary' }),
    tfdt: fc.nat(),
    duration: fc.nat(),
    bytes: fc.maxSafeNat(),
    sha256: fc.string(),
    headerBytes: fc.nat(),
    headerCrc: fc.nat({ max: 0xffff_ffff }),
    aligned: fc.boolean(),
    recovered: fc.boolean(),
    fragments: fc.option(fc.array(fc.tuple(fc.nat(), fc.nat(), fc.nat()), { maxLength: 3 }), { nil: undefined }),
    parts: fc.option(fc.record({ partBytes: fc.nat(), sha256: fc.string() }), { nil: undefined }),
  })
  .map(({ fragments, parts, ...rest }) => ({
    seq: 1,
    start: '2026-04-19T13:00:00.250Z',
    ...rest,
    ...(fragments ? { fragments } : {}),
    ...(parts ? { parts } : {}),
  }));

function pageOf(entries: readonly ManifestEntry[]): ManifestPage {
  return {
    header: HEADER,
    page: 2,
    open: false,
    before: hashOf('page 1'),
    sourceDtsOffset: -90_000,
    entries,
    gaps: [
      { from: 0, to: 900, cause: 'loss' },
      { from: 9000, cause: 'crash' },
    ],
    ended: { cause: 'unpublish', at: '2026-04-19T14:00:00.000Z' },
  };
}

describe('a manifest page', () => {
  it('is read as it was written', () => {
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 5 }), (entries) => {
        const page = pageOf(chain(entries.map((each, i) => ({ ...each, seq: i + 1 }))));
        expect(parsePage(encodePage(page))).toEqual(page);
      }),
    );
  });

  it('is read with a segment of a day in it: one file for the whole publication', () => {
    const fragments = Array.from({ length: 200_000 }, (_, i) => [800 + i * 1000, i * 45_000, 45_000] as const);
    const [sample] = fc.sample(entry, { numRuns: 1, seed: 1 });
    const page = pageOf(chain([{ ...sample!, fragments }]));
    expect(parsePage(encodePage(page)).entries[0]?.fragments).toHaveLength(200_000);
  });

  it('has one segment a line, and the same bytes for the same content', () => {
    const [first, second] = fc.sample(entry, { numRuns: 2, seed: 1 });
    const page = pageOf(
      chain([
        { ...first!, seq: 1 },
        { ...second!, seq: 2 },
      ]),
    );
    const text = encodePage(page).toString();
    expect(text.split('\n').filter((line) => line.startsWith('{"seq"'))).toHaveLength(2);
    expect(encodePage(parsePage(Buffer.from(text))).toString()).toBe(text);
  });

  it('whose entry was changed, taken out or swapped does not pass for whole', () => {
    const entries = chain(fc.sample(entry, { numRuns: 3, seed: 2 }).map((each, i) => ({ ...each, seq: i + 1 })));
    const [a, b, c] = entries as [ManifestEntry, ManifestEntry, ManifestEntry];
    for (const forged of [
      [a, c],
      [b, a, c],
      [{ ...a, bytes: a.bytes + 1 }, b, c],
    ]) {
      expect(() => parsePage(encodePage(pageOf(forged)))).toThrow(/does not follow the entry before it/);
    }
  });

  it('that is anything else is refused with one code', () => {
    const good = JSON.parse(encodePage(pageOf(chain(fc.sample(entry, { numRuns: 1, seed: 3 })))).toString());
    const mutated = fc
      .tuple(fc.constantFrom(...Object.keys(good)), fc.jsonValue())
      .map(([field, value]) => JSON.stringify({ ...good, [field]: value }));
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json(), mutated), (text) => {
        try {
          parsePage(Buffer.from(text));
        } catch (fault) {
          expect(fault).toMatchObject({ code: 'ERR_MANIFEST_INVALID' });
        }
      }),
      { numRuns: 500 },
    );
  });

  it('is named so that pages sort', () => {
    expect(pageName(5, 'abcd2345', 12)).toBe('pub/5-abcd2345-00012.json');
  });
});

describe('recording.json', () => {
  const publication: RecordingPublication = {
    epoch: 5,
    pub: 'abcd2345',
    startedAt: '2026-04-19T13:00:00.000Z',
    container: 'fmp4',
    timeline: 'recording',
    sourceDtsOffset: undefined,
    segments: 2,
    bytes: 10,
    duration: 90_000,
    pages: [{ key: 'pub/5-abcd2345-00001.json', sha256: 'ff' }],
    gaps: [{ from: 1, cause: 'crash' }],
    ended: undefined,
  };
  const empty: RecordingDocument = {
    path: 'live/test',
    owner: '',
    recording: '20260419T130000Z-5',
    publications: [],
    closed: false,
    playlist: 'index.m3u8',
    previous: null,
    next: null,
  };
  const ended = { cause: 'lost', at: '2026-04-19T14:00:00.000Z' };

  it('is read as it was written', () => {
    const document = withPublication(empty, publication);
    expect(parseRecording(encodeRecording(document))).toEqual(document);
  });

  it('holds each publication once, by epoch, and is closed when all have ended', () => {
    const later = { ...publication, pub: 'zzzz2345', epoch: 9 };
    const live = withPublication(withPublication(empty, later), publication);
    expect(live.publications.map(({ pub }) => pub)).toEqual(['abcd2345', 'zzzz2345']);
    const half = withPublication(live, { ...publication, segments: 3, ended });
    expect([half.publications.length, half.publications[0]?.segments, half.closed]).toEqual([2, 3, false]);
    expect(withPublication(half, { ...later, ended }).closed).toBe(true);
  });

  it.each(['', 'null', '[]', '{}', '{"format":"headwater-recording","version":2}'])('refuses %j', (text) => {
    expect(() => parseRecording(Buffer.from(text))).toThrow(expect.objectContaining({ code: 'ERR_MANIFEST_INVALID' }));
  });
});
