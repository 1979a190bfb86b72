import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { run as runRtmp } from '../../test/support/adapted.ts';
import { codecFixture } from '../../test/support/codec-fixture.ts';
import { flvFixture } from '../../test/support/flv-fixture.ts';
import { fixtureNames, messages, PayloadRun, tsFixture } from '../../test/support/payload-run.ts';
import { counterErrors, type TsPacket, tsPackets } from '../../test/support/ts-packets.ts';
import { joinNalUnits, nalUnits } from '../codec/nal-units.ts';
import {
  audioTrack,
  type ConfigEvent,
  type FrameEvent,
  type MediaEvent,
  msOfTicks,
  ticksOfMs,
  videoTrack,
} from '../media/media-event.ts';
import { hasTsMapping, TransportProgram } from './media-to-ts.ts';

type Sent = ConfigEvent | FrameEvent;
const FIRST_MS = 1000;

/** Writes events in batches that end at `cuts`, each from a copy of the state before it. */
function mux(events: readonly Sent[], cuts: readonly number[] = [], program = new TransportProgram()): Buffer {
  const first = events.find((event) => event.kind === 'frame');
  const offset = FIRST_MS - (first ? msOfTicks(first.dts) : 0);
  const times = events.map((event) => (event.kind === 'frame' ? msOfTicks(event.dts) + offset : FIRST_MS));
  const ends = [...new Set([...cuts.filter((cut) => cut < events.length), events.length])].sort((a, b) => a - b);
  let from = 0;
  const batches = ends.map((to) => {
    const before = program.clone();
    let packets = 0;
    for (let i = from; i < to; i++) packets += program.advance(events[i]!, times[i]!);
    const bytes = before.write(events.slice(from, to), times.slice(from, to), packets);
    expect(bytes.length).toBe(188 * packets);
    from = to;
    return bytes;
  });
  return Buffer.concat(batches);
}

const sentOf = (events: readonly MediaEvent[]): Sent[] =>
  events.filter((event) => event.kind === 'config' || event.kind === 'frame');
/** Configurations first, as viewers are sent them: a program that lists a track late may number it otherwise. */
function eventsOf(name: string): Sent[] {
  const events = sentOf(new PayloadRun(messages(tsFixture(name))).events);
  return [...events.filter(({ kind }) => kind === 'config'), ...events.filter(({ kind }) => kind === 'frame')];
}
const framesOf = (events: readonly Sent[]): FrameEvent[] => events.filter((event) => event.kind === 'frame');

/** Frames with times from the first one on. */
function traces(events: readonly Sent[]): string[] {
  const frames = framesOf(events);
  const first = frames[0]!.dts;
  return frames
    .map(({ track, dts, pts, key, data }) => `${track} ${dts - first} ${pts - first} ${key} ${data.toString('hex')}`)
    .sort();
}

const VIDEO = 0x100;
const tables = (packets: readonly TsPacket[]): number[] => packets.flatMap(({ pid }, i) => (pid === 0 ? [i] : []));

describe('TransportProgram', () => {
  it.each(fixtureNames('ts'))('%s: demultiplexed again it is the same, however it was cut into batches', (name) => {
    const events = eventsOf(name);
    fc.assert(
      fc.property(fc.array(fc.nat(events.length)), (cuts) => {
        const stream = mux(events, cuts);
        expect(counterErrors(tsPackets(stream))).toEqual([]);
        const again = new PayloadRun(messages(stream));
        expect(again.skipped).toEqual([]);
        expect(traces(sentOf(again.events))).toEqual(traces(events));
      }),
      { numRuns: 20 },
    );
  });

  it('the bytes do not depend on where batches end', () => {
    const events = eventsOf('two-sounds');
    const all = events.map((_, i) => i);
    expect(mux(events, all).equals(mux(events))).toBe(true);
  });

  it('what RTMP brought goes out, parameter sets before each keyframe', () => {
    const tags = flvFixture('h264-aac').map(({ type, timestamp, body }) => [type, timestamp, body] as const);
    const events = sentOf(runRtmp(tags).events);
    const again = new PayloadRun(messages(mux(events)));
    expect(traces(sentOf(again.events))).toEqual(traces(events));
    const keyframe = tsPackets(mux(events)).find(({ pid, hasStart }) => pid === VIDEO && hasStart)!;
    // Delimiter first, then SPS and PPS.
    const types = [...keyframe.bytes.toString('hex').matchAll(/00000001(..)/g)].map(
      ([, type]) => Number.parseInt(type!, 16) & 31,
    );
    expect(types.slice(0, 3)).toEqual([9, 7, 8]);
    expect(keyframe.isRandomAccess).toBe(true);
  });

  it('tables come before each keyframe and at least every 100 ms; the clock every 40 ms, behind what is sent', () => {
    const events = eventsOf('h264-aac');
    const packets = tsPackets(mux(events));
    packets.forEach(({ pid, isRandomAccess }, i) => {
      if (pid === VIDEO && isRandomAccess) expect([packets[i - 2]!.pid, packets[i - 1]!.pid]).toEqual([0, 0x1000]);
    });
    let clock = Number.NaN;
    let tablesAt = Number.NaN;
    for (const packet of packets) {
      if (packet.clock !== undefined) {
        if (!Number.isNaN(clock)) expect(packet.clock - clock).toBeGreaterThan(0);
        if (!Number.isNaN(clock)) expect(packet.clock - clock).toBeLessThanOrEqual(3600);
        clock = packet.clock;
      }
      if (packet.pid !== 0) continue;
      if (!Number.isNaN(tablesAt) && !Number.isNaN(clock)) expect(clock - tablesAt).toBeLessThanOrEqual(9000);
      tablesAt = clock;
    }
    const firstDts = FIRST_MS * 90 + 90_000;
    expect(packets.find((packet) => packet.clock !== undefined)!.clock).toBe(firstDts - 27_000);
  });

  it('fills the clock in between pictures that are far apart, and not over a pause', () => {
    const [config, frame] = eventsOf('h264-refresh') as [ConfigEvent, FrameEvent];
    const at = (ms: number): FrameEvent => ({ ...frame, dts: ticksOfMs(ms), pts: ticksOfMs(ms) });
    const clocks = (events: Sent[]): number[] => tsPackets(mux(events)).flatMap((packet) => packet.clock ?? []);
    const steps = (values: number[]): number[] => values.slice(1).map((value, i) => (value - values[i]!) / 90);
    expect(steps(clocks([config, at(0), at(100), at(1101)]))).toEqual([
      expect.closeTo(33.3, 1),
      expect.closeTo(33.3, 1),
      expect.closeTo(33.3, 1),
      1001,
    ]);
  });

  it('sound alone carries the clock itself; beside a picture that has stopped it tells the time', () => {
    const events = eventsOf('h264-aac');
    const sound = tsPackets(mux(events.filter(({ track }) => track === audioTrack(0))));
    const own = sound.filter((packet) => packet.clock !== undefined);
    expect(own.length).toBeGreaterThan(8);
    expect(new Set(own.map(({ pid }) => pid))).toEqual(new Set([VIDEO]));
    const stopped = [
      ...events.slice(0, 4),
      ...Array.from({ length: 50 }, (_, i) => ({
        ...framesOf(events).find(({ track }) => track === audioTrack(0))!,
        ...{ dts: ticksOfMs(1400 + 21 * i), pts: ticksOfMs(1400 + 21 * i) },
      })),
    ];
    const configured = [
      ...events.filter((event) => event.kind === 'config'),
      ...stopped.filter((event) => event.kind === 'frame'),
    ];
    const clocks = tsPackets(mux(configured)).filter(({ clock, hasPayload }) => clock !== undefined && !hasPayload);
    expect(clocks.length).toBeGreaterThan(0);
  });

  it('leaves out codecs without a form, and says which', () => {
    const tags = flvFixture('av1-flac').map(({ type, timestamp, body }) => [type, timestamp, body] as const);
    const events = sentOf(runRtmp(tags).events);
    expect(mux(events)).toHaveLength(0);
    const configs = events.filter((event) => event.kind === 'config');
    expect(configs.map((config) => hasTsMapping(config))).toEqual([false, false]);
    const mapped = eventsOf('two-sounds').filter((event) => event.kind === 'config');
    expect(mapped.map((config) => hasTsMapping(config))).toEqual([true, true, true]);
  });

  it('another track makes another program: its tables have another version', () => {
    const versions = (events: Sent[]): number[] => {
      const packets = tsPackets(mux(events));
      return tables(packets).map((i) => (packets[i + 1]!.bytes[10]! >> 1) & 31);
    };
    const events = eventsOf('two-sounds');
    const configs = events.filter((event) => event.kind === 'config');
    const frames = framesOf(events);
    const late = [configs[0]!, ...frames.slice(0, 5), configs[1]!, ...frames.slice(5), configs[1]!];
    expect([...new Set(versions(late as Sent[]))]).toEqual([1, 2]);
  });

  it('lengths of two bytes, and delimiters that the publisher sent, make no difference', () => {
    const { record, frames } = codecFixture('h264-baseline');
    const config = { kind: 'config', track: videoTrack(0), codec: 'h264', record } as const;
    const frame = (data: Buffer): FrameEvent => ({
      kind: 'frame',
      track: videoTrack(0),
      codec: 'h264',
      dts: ticksOfMs(0),
      pts: ticksOfMs(0),
      key: true,
      data,
      arrivedAt: 0,
    });
    const plain = mux([config, frame(frames[0]!)]);
    const units = [...nalUnits(frames[0]!, 4)];
    const short = { ...config, record: Buffer.from(record) };
    short.record[4] = 0xfd;
    expect(mux([short, frame(joinNalUnits(units, 2))]).equals(plain)).toBe(true);
    const delimited = joinNalUnits([Buffer.from([9, 0x10]), ...units], 4);
    expect(mux([config, frame(delimited)]).equals(plain)).toBe(true);
  });

  it('goes over the 33-bit wrap', () => {
    const events = eventsOf('h264-aac');
    const program = new TransportProgram();
    const late = 2 ** 33 / 90 - 1300;
    const packets = events.map((event) => {
      const ms = event.kind === 'frame' ? msOfTicks(event.dts) - 1400 + late : late;
      const before = program.clone();
      return before.write([event], [Math.round(ms)], program.advance(event, Math.round(ms)));
    });
    const again = new PayloadRun(messages(Buffer.concat(packets)));
    expect(traces(sentOf(again.events)).length).toBe(framesOf(events).length);
    expect(again.gaps).toEqual([]);
    const dts = again.frames.filter(({ track }) => track === 0).map((frame) => frame.dts);
    expect(dts.slice(1).map((value, i) => value - dts[i]!)).toEqual(Array(9).fill(3600));
  });
});
