import { describe, expect, it } from 'vitest';
import { type KeyFacts, type KeyPlan, type KeyState, type KeyWish, planKeys } from './rotation.ts';

const T0 = Date.parse('2026-11-01T10:00:00.000Z');
const HOUR = 3_600_000;
const MINUTE = 60_000;

/** Keys that count up: r1 s1, r2 s2 … */
function counting() {
  let made = 0;
  return () => {
    made += 1;
    return { rtmpKey: `r${made}`, srtPassphrase: `s${made}` };
  };
}

const WISH: KeyWish = {
  protocols: ['RTMP', 'SRT'],
  generation: 0,
  overlapMs: 24 * HOUR,
  revokePrevious: false,
  own: undefined,
};
const own = (rtmpKey: string, srtPassphrase = `${rtmpKey}-srt`) => ({
  source: 'mine',
  keys: { rtmpKey, srtPassphrase },
});
const facts = (now: number, podsHaveIt: boolean): KeyFacts => ({ now, podsHaveIt, podsFirstMs: MINUTE });

/** One stream's keys over time. */
class Story {
  state: KeyState | undefined;
  readonly #make = counting();
  wish: KeyWish = WISH;
  ask(change: Partial<KeyWish>): this {
    this.wish = { ...this.wish, ...change };
    return this;
  }
  at(ms: number, podsHaveIt: boolean): KeyPlan {
    const plan = planKeys(this.state, this.wish, facts(T0 + ms, podsHaveIt), this.#make);
    this.state = plan.state;
    return plan;
  }
  get shape(): string {
    const { credentials, progress } = this.state!;
    const previous = credentials.previous === null ? '' : ` after ${credentials.previous.rtmpKey}`;
    const revoked = credentials.revokedBelow > 0 ? ` below ${credentials.revokedBelow}` : '';
    return `${credentials.revision}:${credentials.rtmpKey}/${credentials.srtPassphrase}${previous} shown ${progress.shown}${revoked}`;
  }
}

function begun(change: Partial<KeyWish> = {}): Story {
  const story = new Story().ask(change);
  story.at(0, false);
  return story;
}

describe('planKeys', () => {
  it('makes keys for a new stream and shows them at once: nobody has others', () => {
    const story = new Story();
    expect(story.at(0, false)).toMatchObject({ steps: ['made'], wakeAt: undefined });
    expect(story.shape).toBe('1:r1/s1 shown 1');
  });

  it('makes only the keys that are asked for, and the rest when a protocol comes, without another revision', () => {
    const story = begun({ protocols: ['RTMPS'] });
    expect(story.shape).toBe('1:r1/ shown 1');
    expect(story.ask({ protocols: ['RTMPS', 'SRT'] }).at(1, true).steps).toEqual([]);
    expect(story.shape).toBe('1:r1/s2 shown 1');
  });

  it('changes nothing where nothing is due', () => {
    const story = begun();
    const before = story.state;
    expect(story.at(5, true).state).toBe(before);
  });

  it('rotates: pods first, people second, then the former keys end', () => {
    const story = begun();
    expect(story.ask({ generation: 1 }).at(1, true)).toMatchObject({ steps: ['rotated'], wakeAt: T0 + 1 + MINUTE });
    expect(story.shape).toBe('2:r2/s2 after r1 shown 1');
    expect(story.at(2, false).steps).toEqual([]);
    expect(story.at(3, true)).toMatchObject({ steps: ['shown'], wakeAt: T0 + 1 + 24 * HOUR });
    expect(story.shape).toBe('2:r2/s2 after r1 shown 2');
    expect(story.at(24 * HOUR, true).steps).toEqual([]);
    expect(story.at(24 * HOUR + 1, true)).toMatchObject({ steps: ['overlap-ended'], wakeAt: undefined });
    expect(story.shape).toBe('2:r2/s2 shown 2');
  });

  it('goes on without a pod that does not answer after a minute, and says so', () => {
    const story = begun();
    story.ask({ generation: 1 }).at(0, false);
    expect(story.at(MINUTE - 1, false).steps).toEqual([]);
    expect(story.at(MINUTE, false).steps).toEqual(['shown-late']);
    expect(story.shape).toBe('2:r2/s2 after r1 shown 2');
  });

  it('does not take the keys back from people when a new pod has not heard of them', () => {
    const story = begun();
    story.ask({ generation: 1 }).at(0, true);
    story.at(1, true);
    story.at(2, false);
    expect(story.shape).toBe('2:r2/s2 after r1 shown 2');
  });

  it('lets a second rotation wait until people have seen the first', () => {
    const story = begun();
    story.ask({ generation: 1 }).at(0, false);
    story.ask({ generation: 2 }).at(1, false);
    expect(story.shape).toBe('2:r2/s2 after r1 shown 1');
    expect(story.at(2, true).steps).toEqual(['shown', 'rotated']);
    expect(story.shape).toBe('3:r3/s3 after r2 shown 2');
  });

  it.each([
    { name: 'with the request for new keys', first: { generation: 1, revokePrevious: true }, later: {} },
    { name: 'without an overlap too', first: { generation: 1, revokePrevious: true, overlapMs: 0 }, later: {} },
    { name: 'in the overlap', first: { generation: 1 }, later: { revokePrevious: true } },
    { name: 'while pods come first', first: { generation: 1 }, later: { revokePrevious: true } },
  ])('revokes the former keys: $name', ({ first, later }) => {
    const story = begun();
    story.ask(first).at(1, false);
    story.ask(later).at(2, false);
    expect(story.shape).toBe('2:r2/s2 shown 2 below 2');
    const before = story.state;
    expect(story.at(3, true).state).toBe(before);
  });

  it('cuts who came with a former key also when its overlap has ended', () => {
    const story = begun();
    story.ask({ generation: 1, overlapMs: 1000 }).at(0, true);
    story.at(1, true);
    story.at(2000, true);
    expect(story.shape).toBe('2:r2/s2 shown 2');
    expect(story.ask({ revokePrevious: true }).at(3000, true).steps).toEqual(['revoked']);
    expect(story.shape).toBe('2:r2/s2 shown 2 below 2');
  });

  it('revokes and rotates when both are asked for in the middle of a rotation', () => {
    const story = begun();
    story.ask({ generation: 1 }).at(0, false);
    expect(story.ask({ generation: 2, revokePrevious: true }).at(1, false).steps).toEqual([
      'revoked',
      'rotated',
      'revoked',
    ]);
    expect(story.shape).toBe('3:r3/s3 shown 3 below 3');
  });

  it('a first stream with revokePrevious has nothing to revoke', () => {
    expect(begun({ revokePrevious: true }).at(1, true).steps).toEqual([]);
  });

  it('without an overlap the new keys are shown at once, and who is live stays', () => {
    const story = begun({ overlapMs: 0 });
    story.ask({ generation: 1 }).at(1, false);
    expect(story.shape).toBe('2:r2/s2 shown 2');
  });

  it('takes an edit of a Secret of the user for a rotation, and the same keys again for none', () => {
    const story = begun({ own: own('mine-1') });
    expect(story.shape).toBe('1:mine-1/mine-1-srt shown 1');
    expect(story.ask({ own: own('mine-1') }).at(1, true).steps).toEqual([]);
    expect(story.ask({ own: own('mine-2') }).at(2, true).steps).toEqual(['rotated']);
    expect(story.shape).toBe('2:mine-2/mine-2-srt after mine-1 shown 1');
  });

  it('rotates on the way to keys of the user and back', () => {
    const story = begun();
    story.ask({ own: own('mine-1') }).at(1, true);
    story.at(2, true);
    expect(story.shape).toBe('2:mine-1/mine-1-srt after r1 shown 2');
    story.ask({ own: undefined }).at(3, true);
    story.at(4, true);
    expect(story.shape).toBe('3:r2/s2 after mine-1 shown 3');
    expect(story.at(5, true).steps).toEqual([]);
  });

  it('takes keys of the user that are those in force for no rotation, and remembers whose they are', () => {
    const story = begun();
    story.ask({ own: own('r1', 's1') }).at(1, true);
    expect(story.shape).toBe('1:r1/s1 shown 1');
    expect(story.state?.progress.source).toBe('mine');
  });

  it('a generation that went back is noted, so that the next one counts again', () => {
    const story = begun({ generation: 5 });
    expect(story.ask({ generation: 3 }).at(1, true).steps).toEqual([]);
    expect(story.ask({ generation: 4 }).at(2, true).steps).toEqual(['rotated']);
  });

  it('comes to the same end whoever is asked at each step, once or several times', () => {
    const once = begun();
    const often = begun();
    for (const story of [once, often]) story.ask({ generation: 1, overlapMs: HOUR });
    for (const [ms, pods] of [
      [1, false],
      [2, true],
      [HOUR + 5, true],
    ] as const) {
      once.at(ms, pods);
      for (let i = 0; i < 3; i += 1) often.at(ms, pods);
    }
    expect(often.shape).toBe(once.shape);
  });
});
