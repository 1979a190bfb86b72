import { describe, expect, it } from 'vitest';
import { audioTrack, type MediaEvent, type Track, ticks, ticksOfMs, videoTrack } from '../media/media-event.ts';
import { StreamMeter } from './session-view.ts';
import type { TrackFacts } from './track-meter.ts';

const VIDEO = videoTrack(0);
const AUDIO = audioTrack(0);
const NOTHING = Buffer.alloc(0);

const frame = (track: Track, ms: number, bytes: number, key = true): MediaEvent => ({
  kind: 'frame',
  track,
  dts: ticksOfMs(ms),
  pts: ticksOfMs(ms),
  key,
  data: Buffer.alloc(bytes),
  arrivedAt: 1_000_000 + ms,
});

/** 25 frames/s of 1,000 bytes with a keyframe every 2 s. */
function publishVideo(meter: StreamMeter, seconds: number): void {
  for (let n = 0; n < seconds * 25; n += 1) meter.onEvent(frame(VIDEO, n * 40, 1000, n % 50 === 0));
}

function meterWith(facts: TrackFacts = {}): StreamMeter {
  const meter = new StreamMeter(() => facts);
  meter.onEvent({ kind: 'config', track: AUDIO, codec: 'aac', record: NOTHING });
  meter.onEvent({ kind: 'config', track: VIDEO, codec: 'h264', record: NOTHING });
  return meter;
}

describe('StreamMeter', () => {
  it('tells frame rate, bit rate and group of pictures of the last seconds', () => {
    const meter = meterWith({ width: 1280, height: 720 });
    publishVideo(meter, 9);
    const view = meter.snapshot(1_000_000 + 9000);
    expect(view.tracks[0]).toMatchObject({
      kind: 'video',
      id: 0,
      codec: 'h264',
      width: 1280,
      height: 720,
      frames: 225,
      fps: 25,
      gop: { frames: 50, seconds: 2 },
      sinceKeyframeMs: 1000,
    });
    expect(view.tracks[0]!.bitsPerSecond).toBeCloseTo(200_000, -3);
    expect(view.frames).toBe(225);
    expect(view.sinceFrameMs).toBe(40);
  });

  it('shows video before audio, and says nothing of rates it cannot know', () => {
    const view = meterWith().snapshot(5);
    expect(view.tracks.map((track) => track.kind)).toEqual(['video', 'audio']);
    expect(view.tracks[0]).toMatchObject({ fps: 0, gop: null, sinceKeyframeMs: null, bitsPerSecond: 0 });
    expect(view.tracks[1]).not.toHaveProperty('fps');
    expect(view.sinceFrameMs).toBeNull();
  });

  it('falls to zero when nothing arrives any more', () => {
    const meter = meterWith();
    publishVideo(meter, 3);
    expect(meter.snapshot(1_000_000 + 20_000)).toMatchObject({ bitsPerSecond: 0, sinceFrameMs: 17_040 });
  });

  it('adds the tracks up', () => {
    const meter = meterWith();
    for (let n = 0; n < 500; n += 1) meter.onEvent(frame(AUDIO, n * 20, 100));
    publishVideo(meter, 10);
    const { tracks, bitsPerSecond } = meter.snapshot(1_000_000 + 10_000);
    expect(tracks[1]!.bitsPerSecond).toBeCloseTo(40_000, -3);
    expect(bitsPerSecond).toBe(tracks[0]!.bitsPerSecond + tracks[1]!.bitsPerSecond);
  });

  it('follows a change of codec and counts on', () => {
    const sizes: TrackFacts[] = [{ width: 1920 }, { width: 640 }];
    const meter = new StreamMeter(() => sizes.shift()!);
    meter.onEvent({ kind: 'config', track: VIDEO, codec: 'h264', record: NOTHING });
    meter.onEvent(frame(VIDEO, 0, 10));
    meter.onEvent({ kind: 'config', track: VIDEO, codec: 'h265', record: NOTHING });
    meter.onEvent(frame(VIDEO, 40, 10));
    expect(meter.snapshot(1_000_100).tracks).toMatchObject([{ codec: 'h265', width: 640, frames: 2 }]);
  });

  it('asks the first key frame, once, where the record does not tell the size', () => {
    const asked: (number | undefined)[] = [];
    const meter = new StreamMeter((_codec, _record, data) => {
      asked.push(data?.length);
      return data && { width: data.length, height: 1 };
    });
    meter.onEvent({ kind: 'config', track: VIDEO, codec: 'vp9', record: NOTHING });
    meter.onEvent(frame(VIDEO, 0, 7, false));
    for (const ms of [40, 80]) meter.onEvent(frame(VIDEO, ms, 640));
    expect(meter.snapshot(0).tracks).toMatchObject([{ codec: 'vp9', width: 640 }]);
    expect(asked).toEqual([undefined, 640]);
  });

  it('names codecs it does not know, sums up gaps, and shows the encoder', () => {
    const meter = new StreamMeter(() => ({}));
    meter.onEvent({ kind: 'config', track: AUDIO, codec: { unknown: 'flv-audio-11' }, record: NOTHING });
    meter.onEvent({ kind: 'gap', from: ticks(0), to: ticks(90_000), cause: 'loss' });
    meter.onEvent({ kind: 'gap', from: ticks(180_000), to: ticks(225_000), cause: 'clock' });
    meter.onEvent({ kind: 'metadata', values: new Map([['encoder', 'obs-output'.padEnd(1000, '!')]]), body: NOTHING });
    const view = meter.snapshot(0);
    expect(view.tracks[0]!.codec).toBe('flv-audio-11');
    expect(view.gaps).toEqual({ count: 2, seconds: 1.5 });
    expect(view.encoder).toMatch(/^obs-output!{190}$/);
  });
});
