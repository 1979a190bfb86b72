import { beforeEach, describe, expect, it } from 'vitest';
import { line } from '../../test/support/adapted.ts';
import { codecFixture } from '../../test/support/codec-fixture.ts';
import { byteStreamSize, writeByteStream } from '../codec/annex-b.ts';
import { NAL_SYNTAX, type NalCodec } from '../codec/nal-syntax.ts';
import { joinNalUnits, nalUnits } from '../codec/nal-units.ts';
import { recordedSets } from '../codec/parameter-sets.ts';
import { type MediaEvent, videoTrack } from '../media/media-event.ts';
import { SourceClock } from './source-clock.ts';
import { TrackOutput } from './track-output.ts';
import { NalTrack } from './ts-video.ts';

let events: MediaEvent[] = [];
let skipped: string[] = [];
beforeEach(() => {
  events = [];
  skipped = [];
});

function track(codec: NalCodec): NalTrack {
  const sink = { onEvent: (event: MediaEvent) => void events.push(event) };
  const clock = new SourceClock((gap) => sink.onEvent(gap));
  const host = { sink, clock, onSkipped: (code: string) => void skipped.push(code), onConfigured: () => {} };
  return new NalTrack(codec, new TrackOutput(videoTrack(0), host));
}

/** A PES unit with these access units as a byte stream. Times in ms. */
function unit(accessUnits: readonly Buffer[], ms: number) {
  const data = Buffer.concat(accessUnits);
  const bytes = Buffer.alloc(byteStreamSize(data, 4) + 14);
  writeByteStream(bytes, 14, data, 4);
  const time = ms * 90;
  return { pts: time, dts: time, bytes, floor: 0, from: 14, to: bytes.length, arrivedAt: ms };
}

/** Delimiter and parameter sets, as a stream has them before a keyframe. */
const front = (codec: NalCodec, name: string): Buffer =>
  joinNalUnits([NAL_SYNTAX[codec].keyDelimiter, ...recordedSets(codec, codecFixture(name).record)!.sets], 4);
const delimiter = joinNalUnits([NAL_SYNTAX.h264.delimiter], 4);

describe('NalTrack', () => {
  it.each<[NalCodec, string, Buffer]>([
    ['h264', 'h264-baseline', Buffer.from([])],
    ['h264', 'h264-baseline', Buffer.from([0x41])],
    ['h265', 'h265-main10', Buffer.from([0x02, 0x01])],
  ])(
    '%s: a unit that ends too soon is told by its own bytes, not by what lies behind them (%s, %#)',
    (codec, name, cut) => {
      const keyframe = codecFixture(name).frames[0]!;
      const traces = ['00', 'ff', '65', '88', '26'].map((behind) => {
        events = [];
        const { bytes, ...rest } = unit([front(codec, name), keyframe, joinNalUnits([cut], 4)], 0);
        track(codec).onUnit({ ...rest, bytes: Buffer.concat([bytes, Buffer.alloc(8, behind, 'hex')]) });
        return events.map((event) => line(event) + (event.kind === 'frame' ? event.data.toString('hex') : '')).join();
      });
      expect(new Set(traces).size).toBe(1);
      expect(traces[0]).toContain('v0 K 0');
    },
  );

  it.each<[NalCodec, string]>([
    ['h264', 'h264-baseline'],
    ['h264', 'h264-high422-interlaced'],
    ['h265', 'h265-main10'],
    ['h265', 'h265-main-open-gop'],
    ['h266', 'h266-main10'],
  ])('%s: %s comes back as it is in MP4', (codec, name) => {
    const { frames } = codecFixture(name);
    const nals = track(codec);
    for (const [i, frame] of frames.entries())
      nals.onUnit(unit([...(i === 0 ? [front(codec, name)] : []), frame], 40 * i));
    const sent = events.flatMap((event) => (event.kind === 'frame' ? [event.data] : []));
    // ffmpeg leaves parameter sets and delimiters in some.
    const { roleOf } = NAL_SYNTAX[codec];
    const isKept = (each: Buffer): boolean => !['parameters', 'delimiter'].includes(roleOf(each, 0));
    const want = frames.map((frame) => joinNalUnits([...nalUnits(frame, 4)].filter(isKept), 4));
    expect(sent.map((data) => data.toString('hex'))).toEqual(want.map((data) => data.toString('hex')));
    expect(skipped).toEqual([]);
  });

  it('waits for a keyframe with all parameter sets', () => {
    const { frames } = codecFixture('h264-baseline');
    const nals = track('h264');
    nals.onUnit(unit([frames[1]!], 0));
    nals.onUnit(unit([delimiter, frames[0]!], 40)); // a keyframe without
    nals.onUnit(unit([front('h264', 'h264-baseline')], 80)); // without a picture
    nals.onUnit(unit([frames[1]!], 120));
    nals.onUnit(unit([frames[0]!], 160));
    nals.onUnit(unit([frames[1]!], 200));
    expect(events.map(line)).toEqual(['v0 config h264', 'v0 K 160', 'v0 p 200']);
    expect(skipped).toEqual(Array(3).fill('ERR_TS_NO_KEYFRAME'));
  });

  it('several pictures in one PES packet are several frames', () => {
    const { frames } = codecFixture('h264-baseline');
    const nals = track('h264');
    nals.onUnit(unit([front('h264', 'h264-baseline'), frames[0]!], 0));
    nals.onUnit(unit([delimiter, frames[1]!], 40));
    nals.onUnit(unit([delimiter, frames[1]!, delimiter, frames[1]!, frames[1]!], 80));
    expect(events.map(line)).toEqual(['v0 config h264', 'v0 K 0', 'v0 p 40', 'v0 p 80', 'v0 p 120', 'v0 p 160']);
    for (const event of events) if (event.kind === 'frame' && !event.key) expect(event.data).toEqual(frames[1]);
  });

  it('the two fields of a picture stay together', () => {
    const { frames } = codecFixture('h264-high422-interlaced');
    const nals = track('h264');
    nals.onUnit(unit([front('h264', 'h264-high422-interlaced'), frames[0]!], 0));
    nals.onUnit(unit([delimiter, frames[1]!, delimiter, frames[1]!], 40));
    expect(events.map(line)).toEqual(['v0 config h264', 'v0 K 0', 'v0 p 40']);
  });

  it('other parameter sets begin another configuration, with a keyframe', () => {
    const nals = track('h264');
    const [small, large] = ['h264-baseline', 'h264-high-cropped'].map((name) => codecFixture(name));
    nals.onUnit(unit([front('h264', 'h264-baseline'), small!.frames[0]!], 0));
    nals.onUnit(unit([front('h264', 'h264-high-cropped'), small!.frames[1]!], 40));
    nals.onUnit(unit([front('h264', 'h264-high-cropped'), large!.frames[0]!], 80));
    expect(events.map(line)).toEqual(['v0 config h264', 'v0 K 0', 'v0 p 40', 'v0 config h264', 'v0 K 80']);
    // Until then they stay in the frames.
    const types = events.flatMap((event) =>
      event.kind === 'frame' ? [[...nalUnits(event.data, 4)].map((each) => each[0]! & 31)] : [],
    );
    expect(types.map((each) => each.includes(7))).toEqual([false, true, false]);
  });

  it('a stream that only refreshes its picture starts at a recovery point, after five seconds without an IDR', () => {
    const { frames } = codecFixture('h264-refresh');
    const recovery = frames[9]!;
    const nals = track('h264');
    for (let ms = 0; ms <= 6000; ms += 400) nals.onUnit(unit([front('h264', 'h264-refresh'), recovery], ms));
    expect(events.map(line).slice(0, 2)).toEqual(['v0 config h264', 'v0 K 5200']);
  });

  it('one without IDR or recovery points starts at a picture of intra slices with parameter sets, as late', () => {
    const { frames } = codecFixture('h264-baseline');
    // The IDR picture's slices as those of another: all of them are I slices.
    const intra = Buffer.from(frames[0]!);
    for (const each of nalUnits(intra, 4)) if ((each[0]! & 31) === 5) each[0] = 0x41;
    const nals = track('h264');
    for (let ms = 0; ms <= 6000; ms += 400) {
      nals.onUnit(unit([front('h264', 'h264-baseline'), ms % 800 === 0 ? intra : frames[1]!], ms));
    }
    expect(events.map(line).slice(0, 3)).toEqual(['v0 config h264', 'v0 K 5600', 'v0 p 6000']);
  });

  it('what it lost is declared from the first damaged frame on', () => {
    const { frames } = codecFixture('h264-baseline');
    const nals = track('h264');
    nals.onUnit(unit([front('h264', 'h264-baseline'), frames[0]!], 0));
    nals.onDamage(unit([frames[1]!], 40));
    nals.onDamage(undefined);
    nals.onUnit(unit([frames[1]!], 120));
    nals.onDamage(undefined);
    nals.output.end();
    expect(events.map(line)).toEqual(['v0 config h264', 'v0 K 0', 'gap loss 40-120', 'v0 p 120', 'gap loss 120-120']);
  });

  it('units without time or without any NAL unit are skipped', () => {
    const nals = track('h264');
    nals.onUnit({ ...unit([front('h264', 'h264-baseline')], 0), pts: undefined, dts: undefined });
    nals.onUnit({ ...unit([front('h264', 'h264-baseline')], 0), to: 14 });
    expect(skipped).toEqual(['ERR_TS_PES', 'ERR_TS_PES']);
  });
});
