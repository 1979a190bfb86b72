import { describe, expect, it } from 'vitest';
import { MARK_END, markClock, markedCycle, readMark, writeMark } from './marked-media.ts';
import { loopClip, makeClip, paced } from './synthetic-media.ts';

describe('a clip', () => {
  it('loops with exact times: 40 ms between video frames across the seam, also over 2³²', async () => {
    const clip = await makeClip();
    const fromMs = 2 ** 32 - 4000;
    const messages = [...loopClip(clip, { fromMs, rounds: 2 })];
    const video = messages.filter((m) => m.type === 9).slice(1);
    const steps = new Set(video.slice(1).map((m, i) => (m.timestamp - video[i]!.timestamp) >>> 0));
    expect([...steps]).toEqual([40]);
    expect(video).toHaveLength(400);
    const audio = messages.filter((m) => m.type === 8).slice(1);
    expect(audio).toHaveLength(750);
    expect(new Set(audio.slice(1).map((m, i) => (m.timestamp - audio[i]!.timestamp) >>> 0))).toEqual(new Set([21, 22]));
    expect(video[0]!.body[0]).toBe(0x17);
    expect(video[200]!.body[0]).toBe(0x17);
  });
});

describe('paced', () => {
  it('ends when aborted, whatever is left', async () => {
    const stop = new AbortController();
    const endless = (function* () {
      for (let timestamp = 0; ; timestamp += 1) yield { type: 8 as const, timestamp, body: Buffer.alloc(4) };
    })();
    let seen = 0;
    for await (const _ of paced(endless, { signal: stop.signal })) if (++seen === 20) stop.abort();
    expect(seen).toBe(20);
  });
});

describe('marked media', () => {
  it('has the wanted rate, and a mark can be read back', () => {
    const cycle = markedCycle({ bitsPerSecond: 2_700_000 });
    expect((cycle.bytes * 8 * 1000) / cycle.durationMs / 2_700_000).toBeCloseTo(1, 2);
    const frame = cycle.frames.find((m) => m.type === 9)!;
    const copy = Buffer.concat([Buffer.alloc(12), frame.body]);
    const sentAtMs = markClock();
    writeMark(copy, 12, { frame: 4711, sentAtMs });
    const mark = readMark(copy.subarray(12))!;
    expect(mark.frame).toBe(4711);
    expect(mark.sentAtMs).toBeCloseTo(sentAtMs, 2);
    expect(readMark(cycle.frames.find((m) => m.type === 8)!.body)).toBeNull();
    expect(MARK_END).toBeLessThan(128);
  });

  it('is made of whole NAL units', () => {
    for (const { body } of markedCycle().frames.filter((m) => m.type === 9)) {
      let at = 5;
      while (at < body.length) at += 4 + body.readUInt32BE(at);
      expect(at).toBe(body.length);
    }
  });
});
