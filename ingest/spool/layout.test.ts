import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Layout, type LayoutOptions, recordingFolder, recordingId, type SegmentPlace } from './layout.ts';

const START = new Date('2026-04-19T13:00:00.250Z');

function layout(options: Partial<LayoutOptions>): Layout {
  return new Layout({ layout: 'standard', segmentPattern: null, segmentUtc: true, segmentDuration: 6000, ...options });
}

function place(changes: Partial<SegmentPlace> = {}): SegmentPlace {
  const recording = recordingId(START, 1776603600);
  return {
    path: 'live/mystream',
    recording,
    epoch: 1776603600,
    pub: 'abcd2345',
    seq: 1,
    start: START,
    format: 'fmp4',
    ...changes,
  };
}

describe('names of segments', () => {
  it.each([
    {
      name: 'by default path, recording, epoch, publication and number',
      options: {},
      number: 1,
      want: 'live/mystream/20260419T130000Z-1776603600/seg1776603600-abcd2345-000001.mp4',
    },
    {
      name: 'flat with numbers',
      options: { layout: 'flat' },
      number: 1,
      want: 'live_mystream_20260419_130000_seg001.mp4',
    },
    {
      name: 'flat, one file per publication',
      options: { layout: 'flat', segmentDuration: 0 },
      number: 1,
      want: 'live_mystream_20260419_130000.mp4',
    },
    {
      name: 'flat, the name is taken',
      options: { layout: 'flat', segmentDuration: 0 },
      number: 2,
      want: 'live_mystream_20260419_130000-2.mp4',
    },
    {
      name: 'stream, time and number',
      options: { segmentPattern: '%s_%T_seg%04d' },
      number: 1,
      want: 'live_mystream_20260419_130000_seg0001.mp4',
    },
    {
      name: 'folders by date',
      options: { segmentPattern: '%Y/%m/%D/%s_seg%03d' },
      number: 12,
      want: '2026/04/19/live_mystream_seg012.mp4',
    },
    {
      name: 'path, recording, hours, minutes, seconds, percent, and no leading slash',
      options: { segmentPattern: '/%p//%r/%H-%M-%S 100%%.mp4' },
      number: 1,
      want: 'live/mystream/20260419T130000Z-1776603600/13-00-00 100%.mp4',
    },
    {
      name: 'a number wider than its digits',
      options: { segmentPattern: '%s_%02d' },
      number: 12345,
      want: 'live_mystream_12345.mp4',
    },
  ] as const)('$name', ({ options, number, want }) => {
    expect(layout(options).key(place(), number)).toBe(want);
  });

  it('has the extension of the format, whatever the pattern ends with', () => {
    expect(layout({ segmentPattern: '%s_%d.mp4' }).key(place({ format: 'flv' }), 1)).toBe('live_mystream_1.flv');
    expect(layout({}).key(place({ format: 'flv' }), 1)).toMatch(/-000001\.flv$/);
  });

  it('keeps times in the zone of the machine where asked', () => {
    const local = layout({ segmentPattern: '%T', segmentUtc: false }).key(place(), 1);
    const two = (n: number) => String(n).padStart(2, '0');
    const day = `${START.getFullYear()}${two(START.getMonth() + 1)}${two(START.getDate())}`;
    expect(local).toBe(`${day}_${two(START.getHours())}${two(START.getMinutes())}${two(START.getSeconds())}.mp4`);
  });

  it('sorts by number in the default layout', () => {
    const keys = [1, 2, 9, 10, 99, 100, 99_999, 999_999].map((seq) => layout({}).key(place({ seq }), seq));
    expect([...keys].sort()).toEqual(keys);
  });

  it.each([
    ['%x_%d', /"%x" is not one of/],
    ['abc%', /"%" is not one of/],
    ['%5d', /"%5" is not one of/],
    ['%00d', /1 to 12 digits/],
    ['%99d', /"%9" is not one of/],
    ['../%s_%d', /begin with a dot/],
    ['a/../%s_%d', /begin with a dot/],
    ['.spool/%s_%d', /begin with a dot/],
    ['%s/', /names a folder/],
    ['', /empty/],
    ['/', /empty/],
    ['%d_%d', /twice/],
    ['a\\%d', /backslashes/],
    ['a\u0000%d', /control characters/],
    ['\ud800%d', /Unicode/],
    ['x'.repeat(226), /225 bytes/],
    ['%s_%p', /225 bytes/],
    ['%d'.repeat(257), /longer than 512/],
  ])('refuses the pattern %j', (segmentPattern, why) => {
    expect(() => layout({ segmentPattern })).toThrow(expect.objectContaining({ code: 'ERR_CONFIG_PATTERN' }));
    expect(() => layout({ segmentPattern })).toThrow(why);
  });

  it('warns of a pattern that gives every segment the same name', () => {
    expect(layout({ segmentPattern: '%s' }).warnings).toHaveLength(1);
    expect(layout({ segmentPattern: '%s_%d' }).warnings).toEqual([]);
    expect(layout({ segmentPattern: '%s_%T' }).warnings).toEqual([]);
    expect(layout({}).warnings).toEqual([]);
  });

  it('reads the numbers of names that the pattern gave before, at any time of the same folder', () => {
    const names = layout({ segmentPattern: '%Y/%s_%H_seg%03d' }).names(place())!;
    expect(names.folder).toBe('2026/');
    expect(names.numberOf('live_mystream_11_seg007.mp4')).toBe(7);
    expect(names.numberOf('live_mystream_11_seg1234.mp4')).toBe(1234);
    expect(names.numberOf('live_other_11_seg007.mp4')).toBeUndefined();
    expect(names.numberOf('live_mystream_11_seg007.flv')).toBeUndefined();
  });

  it('finds the number in a folder of the pattern too', () => {
    const names = layout({ segmentPattern: '%p/take%d/video' }).names(place())!;
    expect(names.folder).toBe('live/mystream/');
    expect(names.numberOf('take12')).toBe(12);
    expect(names.numberOf('take')).toBeUndefined();
  });
});

const anyPath = fc
  .array(fc.string({ unit: 'binary', maxLength: 40 }), { minLength: 1, maxLength: 5 })
  .map((p) => p.join('/'));
const anyPattern = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        '%s',
        '%p',
        '%r',
        '%d',
        '%05d',
        '%T',
        '%Y',
        '%m',
        '%D',
        '%H',
        '%M',
        '%S',
        '%%',
        '/',
        '..',
        '.',
        '%x',
      ),
      fc.string({ unit: 'binary', maxLength: 5 }),
    ),
    { maxLength: 8 },
  )
  .map((parts) => parts.join(''));

function isSafe(key: string): boolean {
  return key
    .split('/')
    .every(
      (part) => part !== '' && !part.startsWith('.') && !part.includes('\0') && Buffer.byteLength(part) <= 255 - 13,
    );
}

describe('whatever a publisher calls its stream', () => {
  it('no key leaves the prefix, is hidden, empty or too long, and the pattern finds its own number again', () => {
    fc.assert(
      fc.property(anyPath, anyPattern, fc.integer({ min: 1, max: 1e6 }), (path, segmentPattern, number) => {
        let made: Layout;
        try {
          made = layout({ segmentPattern });
        } catch (fault) {
          expect(fault).toMatchObject({ code: 'ERR_CONFIG_PATTERN' });
          return;
        }
        const key = made.key(place({ path }), number);
        expect(isSafe(key), key).toBe(true);
        const names = made.names(place({ path }))!;
        expect(key.startsWith(names.folder)).toBe(true);
        expect(names.numberOf(key.slice(names.folder.length).split('/')[0]!)).toBe(number);
      }),
      { numRuns: 2000 },
    );
  });

  it('two paths never share a folder', () => {
    fc.assert(
      fc.property(anyPath, anyPath, (a, b) => {
        expect(isSafe(recordingFolder(a, 'r').slice(0, -1))).toBe(true);
        fc.pre(a !== b && a.isWellFormed() && b.isWellFormed());
        expect(recordingFolder(a, 'r')).not.toBe(recordingFolder(b, 'r'));
      }),
      { numRuns: 2000 },
    );
  });
});
