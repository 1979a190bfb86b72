import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { codecFixture } from '../../test/support/codec-fixture.ts';
import { messages, PayloadRun, tsFixture } from '../../test/support/payload-run.ts';
import { counterErrors, tsPackets } from '../../test/support/ts-packets.ts';
import { TransportProgram } from '../adapt/media-to-ts.ts';
import { SrtPayloadToMedia } from '../adapt/srt-payload-to-media.ts';
import {
  audioTrack,
  type ConfigEvent,
  type FrameEvent,
  type MediaEvent,
  msOfTicks,
  ticksOfMs,
  videoTrack,
} from '../media/media-event.ts';
import { NO_METER } from '../runtime/meter.ts';
import { Hub, type HubSettings, type Seat } from './hub.ts';
import type { Publication } from './publication.ts';

const NO_LOG = { debug() {}, info() {}, warn() {}, error() {}, child: () => NO_LOG };
const SETTINGS: HubSettings = {
  maxBatch: 50,
  chunkSize: 65_536,
  gopCacheBytes: 10_000_000,
  gopCacheDuration: 30_000,
  unpublishGrace: 2_000,
  holdViewers: 15_000,
  waitForPublisher: 10_000,
  onDuplicate: 'RejectUnlessStale',
  staleAfter: 2_000,
  viewer: { queueBytes: 300, queueDuration: 4_000, evictAfter: 10_000 },
};
/** The fixture's keyframes begin in these packets. */
const [FIRST_KEY, SECOND_KEY] = new PayloadRun(messages(tsFixture('h264-aac'))).starts as [number, number];

/** A viewer of transport streams; its kernel takes nothing while `stuck`. */
class TsViewer {
  writableLength = 0;
  stuck = false;
  cuts = 0;
  readonly seat: Seat;
  #read: Buffer[] = [];

  constructor(hub: Hub) {
    this.seat = hub.seat('live/test', 'ts', this, {
      onReady: () => {},
      onCut: () => void this.cuts++,
      onEnd: () => {},
    });
    this.seat.take();
  }

  write(bytes: Buffer): void {
    if (this.stuck) this.writableLength += bytes.length;
    this.#read.push(bytes);
  }

  get read(): Buffer {
    return Buffer.concat(this.#read);
  }
}

describe('viewers of transport streams', () => {
  let hub: Hub;
  beforeEach(() => {
    vi.useFakeTimers({
      toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'clearImmediate', 'performance', 'Date'],
    });
    let epoch = 0;
    hub = new Hub({
      settings: SETTINGS,
      claim: () => ({ pub: 'abcdefgh', epoch: ++epoch }),
      taps: [],
      log: NO_LOG,
      meter: NO_METER,
    });
  });
  afterEach(() => {
    hub.close();
    vi.useRealTimers();
  });

  function publish(): Publication {
    let accepted: Publication | undefined;
    hub.publish(
      { path: 'live/test', protocol: 'srt', connId: 'c1' },
      { onAccepted: (publication) => (accepted = publication), onRefused: () => {}, onReplaced: () => {} },
    );
    return accepted!;
  }

  /** Sends a transport stream in messages of two packets, some of them. */
  function transport(
    publication: Publication,
    bytes: Buffer,
  ): { send: (from: number, to: number) => void; end: () => void } {
    const media = new SrtPayloadToMedia(publication, { onSkipped: () => {} });
    return {
      send: (from, to) => {
        for (const message of messages(bytes.subarray(from, to), 376)) {
          media.push(message, performance.now());
          vi.advanceTimersByTime(20);
        }
      },
      end: () => media.end('unpublish'),
    };
  }

  const bytes = tsFixture('h264-aac');

  it('who was there before the publisher gets the very bytes, private packets and all', () => {
    const viewer = new TsViewer(hub);
    const { send, end } = transport(publish(), bytes);
    send(0, bytes.length);
    end();
    vi.advanceTimersByTime(100);
    expect(viewer.read.equals(bytes)).toBe(true);
  });

  it('who comes late starts on the newest keyframe, tables first, and then gets the very bytes', () => {
    const { send, end } = transport(publish(), bytes);
    send(0, SECOND_KEY + 4 * 188);
    const viewer = new TsViewer(hub);
    vi.advanceTimersByTime(20);
    send(SECOND_KEY + 4 * 188, bytes.length);
    end();
    vi.advanceTimersByTime(100);
    const [tables, rest] = [viewer.read.subarray(0, 376), viewer.read.subarray(376)];
    expect(tsPackets(tables).map(({ pid }) => pid)).toEqual([0, 0x1000]);
    expect(rest.equals(bytes.subarray(SECOND_KEY))).toBe(true);
    expect(counterErrors(tsPackets(viewer.read))).toEqual([]);
    const { frames } = new PayloadRun(messages(viewer.read));
    expect(frames[0]).toMatchObject({ track: videoTrack(0), key: true });
  });

  it('who comes between keyframes that are not kept waits for the next', () => {
    const small = { ...SETTINGS, gopCacheBytes: 10 };
    hub.close();
    hub = new Hub({
      settings: small,
      claim: () => ({ pub: 'abcdefgh', epoch: 1 }),
      taps: [],
      log: NO_LOG,
      meter: NO_METER,
    });
    const { send } = transport(publish(), bytes);
    send(0, SECOND_KEY - 2 * 188);
    const viewer = new TsViewer(hub);
    vi.advanceTimersByTime(20);
    expect(viewer.read).toHaveLength(0);
    send(SECOND_KEY - 2 * 188, bytes.length);
    vi.advanceTimersByTime(100);
    expect(viewer.read.subarray(376).equals(bytes.subarray(SECOND_KEY))).toBe(true);
  });

  it('packets of anything else count: no more of them is kept for joiners than is allowed', () => {
    const publication = publish();
    const { send } = transport(publication, bytes);
    send(0, SECOND_KEY + 4 * 188);
    const stuffing = { data: Buffer.alloc(188 * 7 * 1000, 0xff), isStart: false, tables: Buffer.alloc(0) };
    for (let i = 0; i < 8; i++) publication.onTransport(stuffing);
    const viewer = new TsViewer(hub);
    vi.advanceTimersByTime(20);
    expect(viewer.read).toHaveLength(0);
  });

  it('who is too slow goes on at a keyframe, tables first', () => {
    const viewer = new TsViewer(hub);
    const { send, end } = transport(publish(), bytes);
    send(0, FIRST_KEY + 2 * 188);
    viewer.stuck = true;
    send(FIRST_KEY + 2 * 188, SECOND_KEY + 2 * 188);
    const taken = viewer.read.length;
    expect(viewer.cuts).toBeGreaterThan(0);
    viewer.stuck = false;
    viewer.writableLength = 0;
    send(SECOND_KEY + 2 * 188, bytes.length);
    end();
    vi.advanceTimersByTime(100);
    expect(viewer.read.subarray(0, taken).equals(bytes.subarray(0, taken))).toBe(true);
    expect(tsPackets(viewer.read.subarray(taken, taken + 376)).map(({ pid }) => pid)).toEqual([0, 0x1000]);
    expect(viewer.read.subarray(taken + 376).equals(bytes.subarray(SECOND_KEY))).toBe(true);
  });

  it('sound alone is joined anywhere, tables first', () => {
    const program = new TransportProgram();
    const sound = new PayloadRun(messages(bytes)).events.filter(
      (event) => (event.kind === 'config' || event.kind === 'frame') && event.track === audioTrack(0),
    ) as (ConfigEvent | FrameEvent)[];
    const times = sound.map((event) => (event.kind === 'frame' ? msOfTicks(event.dts) : 0));
    const before = program.clone();
    const stream = before.write(
      sound,
      times,
      sound.reduce((sum, event, i) => sum + program.advance(event, times[i]!), 0),
    );
    const { send } = transport(publish(), stream);
    send(0, 20 * 188);
    const viewer = new TsViewer(hub);
    vi.advanceTimersByTime(20);
    send(20 * 188, stream.length);
    const [tables, rest] = [viewer.read.subarray(0, 376), viewer.read.subarray(376)];
    expect(tsPackets(tables).map(({ pid }) => pid)).toEqual([0, 0x1000]);
    expect(rest.length).toBeGreaterThan(stream.length / 4);
    expect(rest.equals(stream.subarray(-rest.length))).toBe(true);
  });

  it('a stream that does not mark its keyframes is joined behind one', () => {
    // No random access flags, and nothing of the picture in the packet that begins it.
    const { frames, record } = codecFixture('h264-baseline');
    const publication = publish();
    publication.onTransport({ data: bytes.subarray(0, 188), isStart: false, tables: Buffer.alloc(0) });
    const common = { track: videoTrack(0), codec: 'h264' } as const;
    publication.onEvent({ kind: 'config', ...common, record });
    const viewer = new TsViewer(hub);
    vi.advanceTimersByTime(20);
    const at = { dts: ticksOfMs(0), pts: ticksOfMs(0), arrivedAt: performance.now() };
    publication.onTransport({ data: bytes.subarray(188, 376), isStart: false, tables: bytes.subarray(0, 376) });
    publication.onEvent({ kind: 'frame', ...common, ...at, key: true, data: frames[0]! });
    publication.onTransport({ data: bytes.subarray(376, 564), isStart: false, tables: bytes.subarray(0, 376) });
    vi.advanceTimersByTime(20);
    expect(viewer.read.equals(bytes.subarray(0, 564))).toBe(true); // two packets of tables, then what follows the keyframe
  });

  describe('of publications that are none', () => {
    const { events } = new PayloadRun(messages(tsFixture('h264-aac')));
    const isSent = ({ kind }: MediaEvent): boolean => kind === 'config' || kind === 'frame';
    const sent = [...events.filter(({ kind }) => kind === 'config'), ...events.filter(({ kind }) => kind === 'frame')];
    const frames = events.filter((event) => event.kind === 'frame');

    function send(publication: Publication, some: readonly MediaEvent[]): void {
      for (const event of some) {
        if (isSent(event)) publication.onEvent(event);
        vi.advanceTimersByTime(20);
      }
    }

    const dataOf = (all: readonly FrameEvent[]): string[] =>
      all.map(({ track, data }) => `${track} ${data.toString('hex')}`).sort();

    it('one is made, the same for all, with counters that go on for each', () => {
      const publication = publish();
      send(publication, sent.slice(0, 6));
      const [first, second] = [new TsViewer(hub), new TsViewer(hub)];
      vi.advanceTimersByTime(20);
      send(publication, sent.slice(6, 20));
      first.seat.leave();
      send(publication, sent.slice(20, 24));
      const late = new TsViewer(hub);
      send(publication, sent.slice(24));
      vi.advanceTimersByTime(100);
      for (const viewer of [first, second, late]) expect(counterErrors(tsPackets(viewer.read))).toEqual([]);
      expect(second.read.subarray(0, first.read.length).equals(first.read)).toBe(true);
      expect(second.read.subarray(-late.read.length).equals(late.read)).toBe(true);
      expect(tsPackets(late.read)[0]!.pid).toBe(0);
      expect(dataOf(new PayloadRun(messages(second.read)).frames)).toEqual(dataOf(frames));
    });

    it('tracks keep their distance to the tick', () => {
      const viewer = new TsViewer(hub);
      send(publish(), sent);
      vi.advanceTimersByTime(100);
      const again = new PayloadRun(messages(viewer.read)).frames;
      const shift = again[0]!.dts - frames[0]!.dts;
      const times = (all: readonly FrameEvent[], by: number): string[] =>
        all.map(({ track, dts, pts }) => `${track} ${dts - by} ${pts - by}`).sort();
      expect(times(again, shift)).toEqual(times(frames, 0));
      expect(shift % 90).toBe(0);
    });

    it('another publication goes on in the same stream, whatever came before', () => {
      const viewer = new TsViewer(hub);
      const first = publish();
      send(first, sent);
      first.onEvent({ kind: 'end', cause: 'lost' });
      const second = transport(publish(), bytes);
      second.send(0, bytes.length);
      second.end();
      vi.advanceTimersByTime(200);
      const third = publish();
      send(third, sent);
      vi.advanceTimersByTime(100);
      const at = viewer.read.indexOf(bytes.subarray(0, 1880));
      expect(at).toBeGreaterThan(0);
      expect(viewer.read.subarray(at, at + bytes.length).equals(bytes)).toBe(true);
      const made = viewer.read.subarray(at + bytes.length);
      expect(tsPackets(made)[0]!.pid).toBe(0);
      expect(dataOf(new PayloadRun(messages(made)).frames)).toEqual(dataOf(frames));
      const last = new PayloadRun(messages(made)).frames[0]!;
      expect(msOfTicks(last.dts)).toBeGreaterThan(1000);
    });
  });
});
