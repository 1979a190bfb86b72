import { describe, expect, it } from 'vitest';
import { type HashedFrame, parseFrameMd5 } from './frame-md5.ts';
import { expectRun, expectSync, expectWhole } from './media-compare.ts';

/** One frame a letter, 40 ms apart, from `fromMs` on; a dot leaves its time free. */
function frames(letters: string, fromMs = 0): HashedFrame[] {
  const all = [...letters].map((hash, i) => ({
    stream: 0,
    type: 'video' as const,
    dts: fromMs + 40 * i,
    pts: fromMs + 40 * i + 80,
    size: 1,
    hash,
  }));
  return all.filter((frame) => frame.hash !== '.');
}

const SOURCE = frames('abcdefgh');

describe('expectRun', () => {
  it.each([
    { name: 'all of it', got: 'abcdefgh', run: { from: 0, to: 8 } },
    { name: 'a part', got: 'cdef', run: { from: 2, to: 6 } },
    { name: 'the end', got: 'h', run: { from: 7, to: 8 } },
  ])('accepts $name', ({ got, run }) => {
    expect(expectRun(frames(got, 5000), SOURCE)).toEqual(run);
  });

  it.each([
    { name: 'nothing', got: '', says: /nothing was received/ },
    { name: 'a gap', got: 'abd', says: /after 2 right frames comes the source's frame 3, not 2/ },
    { name: 'a gap in time too', got: 'ab.d', says: /frame 3, not 2/ },
    { name: 'a double', got: 'abbc', says: /frame 1, not 2/ },
    { name: 'an overlap', got: 'abcbcd', says: /frame 1, not 3/ },
    { name: 'another order', got: 'acb', says: /frame 2, not 1/ },
    { name: 'a foreign frame', got: 'abx', says: /it is foreign/ },
    { name: 'a foreign beginning', got: 'xab', says: /first frame received is not one of the source's/ },
    { name: 'more than there was', got: 'ghx', says: /foreign/ },
    { name: 'a pause', got: 'ab.cd', says: /DTS of frame 2: 120 ms after the first, not 80 ms/ },
  ])('refuses $name', ({ got, says }) => {
    expect(() => expectRun(frames(got), SOURCE)).toThrow(says);
  });

  it('holds presentation times against the source too', () => {
    const got = frames('abc').map((frame, i) => (i === 1 ? { ...frame, pts: frame.pts + 2 } : frame));
    expect(() => expectRun(got, SOURCE)).toThrow(/PTS of frame 1/);
    expect(expectRun(got, SOURCE, { toleranceMs: 2 }).to).toBe(3);
  });

  it('refuses a source in which a hash does not name a frame', () => {
    expect(() => expectRun(frames('ab'), frames('aba'))).toThrow(/equal frames at 0 and 2/);
  });
});

describe('expectWhole', () => {
  it('refuses a missing beginning or end', () => {
    expectWhole(SOURCE, SOURCE);
    expect(() => expectWhole(frames('bcdefgh'), SOURCE)).toThrow(/1 frames at the beginning are missing/);
    expect(() => expectWhole(frames('abcdefg'), SOURCE)).toThrow(/the last 1 frames are missing/);
  });

  it('forgives what is missing from before a time, and nothing after it', () => {
    expectWhole(frames('cdefgh'), SOURCE, 'frames', 80);
    expect(() => expectWhole(frames('defgh'), SOURCE, 'frames', 80)).toThrow(/1 frames/);
  });
});

describe('expectSync', () => {
  const sound = frames('ABCD', 10);
  it('refuses sound that has moved against the picture', () => {
    expectSync([frames('cd', 900), frames('BC', 870)], [SOURCE, sound]);
    expect(() => expectSync([frames('cd', 900), frames('BC', 872)], [SOURCE, sound])).toThrow(/picture and sound/);
  });
});

describe('parseFrameMd5', () => {
  it('gives times in milliseconds by the time base of each stream', () => {
    const text = `#format: frame checksums
#tb 0: 1/1000
#media_type 0: video
#tb 1: 1/48000
#media_type 1: audio
0,         40,        120,       40,     7618, 56dd
1,       1024,       1024,     1024,      207, 2929
`;
    expect(parseFrameMd5(text)).toEqual([
      { stream: 0, type: 'video', dts: 40, pts: 120, size: 7618, hash: '56dd' },
      {
        stream: 1,
        type: 'audio',
        dts: expect.closeTo(21.333, 3),
        pts: expect.closeTo(21.333, 3),
        size: 207,
        hash: '2929',
      },
    ]);
  });

  it('refuses what it does not know', () => {
    expect(() => parseFrameMd5('0, 1, 2, 3, 4, x\n')).toThrow(/not a framemd5 line/);
  });
});
