import { describe, expect, it } from 'vitest';
import { CutDecider, type CutRequest } from './cuts.ts';

const SECOND = 90_000;
const CHANGES: Record<string, CutRequest> = { C: 'main', A: 'other' };

/**
 * The segments that drawn media gives, as `start-end` in seconds, `!` where one does not begin on a keyframe. 'K' key frame,
 * 'p' other frame, half a second each; before the next frame 'C' a new video config, 'A' a new audio config or a late track, 'X' the disk failed.
 */
function segments(letters: string, targetSeconds: number, limitSeconds: number): string[] {
  const cuts = new CutDecider({ target: targetSeconds * SECOND, hardLimit: limitSeconds * SECOND });
  const found: { start: number; end: number; mark: string }[] = [];
  let dts = 0;
  for (const letter of letters) {
    const change = CHANGES[letter];
    if (change) cuts.requestCut(change);
    if (letter === 'X') cuts.restart();
    if (letter !== 'K' && letter !== 'p') continue;
    const decision = cuts.decide({ dts, key: letter === 'K' });
    dts += SECOND / 2;
    const start = dts - SECOND / 2;
    if (decision === 'cut') found.push({ start, end: dts, mark: '' });
    else if (decision === 'cut-unaligned') found.push({ start, end: dts, mark: '!' });
    else if (decision === 'stay') found.at(-1)!.end = dts;
  }
  return found.map(({ start, end, mark }) => `${start / SECOND}-${end / SECOND}${mark}`);
}

describe('cuts', () => {
  it.each([
    {
      name: 'cuts on the first key frame at the target',
      input: 'KpppKpppK',
      target: 2,
      limit: 6,
      want: ['0-2', '2-4', '4-4.5'],
    },
    {
      name: 'cuts on the first key frame past the target',
      input: 'KpKpKpKp',
      target: 1.5,
      limit: 6,
      want: ['0-2', '2-4'],
    },
    { name: 'a long GOP delays the cut', input: 'KpppppKp', target: 2, limit: 6, want: ['0-3', '3-4'] },
    {
      name: 'no key frame: the limit after the target cuts, marked',
      input: 'Kppppppppp',
      target: 1,
      limit: 3,
      want: ['0-4', '4-5!'],
    },
    {
      name: 'an unaligned segment is cut again at the limit',
      input: 'Kpppppp',
      target: 0.5,
      limit: 1,
      want: ['0-1.5', '1.5-3!', '3-3.5!'],
    },
    {
      name: 'a key frame after the limit begins an aligned one again',
      input: 'KppppK',
      target: 1,
      limit: 1,
      want: ['0-2', '2-3!'],
    },
    {
      name: 'frames before the first key frame are not recorded',
      input: 'ppKppK',
      target: 1,
      limit: 6,
      want: ['1-2.5', '2.5-3'],
    },
    {
      name: 'each frame a key frame (intra, or audio alone): by time',
      input: 'KKKKKK',
      target: 1,
      limit: 6,
      want: ['0-1', '1-2', '2-3'],
    },
    {
      name: 'target 0: one file, the limit does not count',
      input: 'KpppKpppKppppppp',
      target: 0,
      limit: 1,
      want: ['0-8'],
    },
    { name: 'target 0: a new config cuts all the same', input: 'KpppCKp', target: 0, limit: 1, want: ['0-2', '2-3'] },
    {
      name: 'a new video config cuts at its key frame; frames before it have no decoder',
      input: 'KpCppKp',
      target: 6,
      limit: 6,
      want: ['0-1', '2-3'],
    },
    {
      name: 'a new audio config waits for the key frame; video goes on',
      input: 'KpAppKp',
      target: 6,
      limit: 6,
      want: ['0-2', '2-3'],
    },
    {
      name: 'video and audio config at once: the stricter holds',
      input: 'KpCAppKp',
      target: 6,
      limit: 6,
      want: ['0-1', '2-3'],
    },
    {
      name: 'after a failure it begins anew at a key frame',
      input: 'KpXppKp',
      target: 6,
      limit: 6,
      want: ['0-1', '2-3'],
    },
  ])('$name', ({ input, target, limit, want }) => {
    expect(segments(input, target, limit)).toEqual(want);
  });
});
