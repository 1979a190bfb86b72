import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { audioTrack, type MediaEvent, ticksOfMs, videoTrack } from '../media/media-event.ts';
import type { Log } from '../runtime/log.ts';
import { type CounterName, NO_METER } from '../runtime/meter.ts';
import { flushTickMs } from './flush-clock.ts';
import { Hub, type HubSettings, type Seat } from './hub.ts';
import type { Publication } from './publication.ts';
import type { PublisherHandler } from './stream.ts';

const NO_LOG: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => NO_LOG };

const SETTINGS: HubSettings = {
  maxBatch: 50,
  chunkSize: 65_536,
  gopCacheBytes: 100_000,
  gopCacheDuration: 30_000,
  unpublishGrace: 2_000,
  holdViewers: 15_000,
  waitForPublisher: 10_000,
  onDuplicate: 'RejectUnlessStale',
  staleAfter: 2_000,
  viewer: { queueBytes: 8_000, queueDuration: 4_000, evictAfter: 10_000 },
};

/** A kernel that takes everything, or nothing while `stuck`. Reads FLV tags as letters: V video header, A audio header, K key frame, p frame, a audio, M metadata as sent. */
class FakeViewer {
  writableLength = 0;
  stuck = false;
  read = '';
  times: number[] = [];
  ended: string | undefined;
  cuts: number[] = [];
  seat: Seat;
  #held: Buffer[] = [];

  constructor(hub: Hub, path = 'live/test') {
    this.seat = hub.seat(path, 'flv-base', this, {
      onReady: () => {},
      onCut: (frames) => this.cuts.push(frames),
      onEnd: (reason) => {
        this.ended = reason;
      },
    });
    this.seat.take();
  }

  write(bytes: Buffer): void {
    if (this.stuck) {
      this.writableLength += bytes.length;
      this.#held.push(bytes);
    } else {
      this.#parse(bytes);
    }
  }

  release(): void {
    this.stuck = false;
    this.writableLength = 0;
    for (const bytes of this.#held.splice(0)) this.#parse(bytes);
  }

  #parse(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; ) {
      const size = bytes.readUIntBE(at + 1, 3);
      const body = bytes.subarray(at + 11, at + 11 + size);
      this.times.push(bytes.readUIntBE(at + 4, 3));
      this.read += String.fromCharCode(body[body.length - 1]!);
      at += 11 + size + 4;
    }
  }
}

/** Events by letter, 40 ms apart. The letter is the payload's last byte, so that what comes out can be read. */
function event(letter: string, ms: number, size = 100): MediaEvent {
  const data = Buffer.alloc(size, letter);
  const common = { dts: ticksOfMs(ms), pts: ticksOfMs(ms), data, arrivedAt: performance.now() };
  switch (letter) {
    case 'V':
      return { kind: 'config', track: videoTrack(0), codec: 'h264', record: data, flvBody: data };
    case 'A':
      return { kind: 'config', track: audioTrack(0), codec: 'aac', record: data, flvBody: data };
    case 'M':
      return {
        kind: 'metadata',
        values: new Map<string, unknown>([
          ['width', 1280],
          ['audiocodecid', 10],
        ]),
        body: data,
      };
    case 'a':
      return { kind: 'frame', track: audioTrack(0), codec: 'aac', key: true, flvBody: data, ...common } as MediaEvent;
    default:
      return {
        kind: 'frame',
        track: videoTrack(0),
        codec: 'h264',
        key: letter === 'K',
        flvBody: data,
        ...common,
      } as MediaEvent;
  }
}

describe('relay', () => {
  let hub: Hub;
  let counts: Map<CounterName, number>;
  beforeEach(() => {
    vi.useFakeTimers({
      toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'clearImmediate', 'performance', 'Date'],
    });
    counts = new Map();
    let epoch = 0;
    hub = new Hub({
      settings: SETTINGS,
      claim: () => ({ pub: 'abcdefgh', epoch: ++epoch }),
      taps: [],
      log: NO_LOG,
      meter: { ...NO_METER, count: (name, _label, by = 1) => void counts.set(name, (counts.get(name) ?? 0) + by) },
    });
  });
  afterEach(() => {
    hub.close();
    vi.useRealTimers();
  });

  function publish(handler: Partial<PublisherHandler> = {}): {
    publication: Publication | undefined;
    refused: boolean;
    replaced: string | undefined;
  } {
    const result: ReturnType<typeof publish> = { publication: undefined, refused: false, replaced: undefined };
    hub.publish(
      { path: 'live/test', protocol: 'rtmp', connId: 'c1' },
      {
        onAccepted: (publication) => {
          result.publication = publication;
        },
        onRefused: () => {
          result.refused = true;
        },
        onReplaced: (cause) => {
          result.replaced = cause;
        },
        ...handler,
      },
    );
    return result;
  }

  /** Sends events by letter, 40 ms of media and of time apart. */
  function send(publication: Publication | undefined, letters: string, fromMs = 0, size?: number): void {
    [...letters].forEach((letter, i) => {
      publication!.onEvent(event(letter, fromMs + i * 40, size));
      vi.advanceTimersByTime(40);
    });
  }

  it('gives a viewer that waits the headers, then all from the first key frame', () => {
    const viewer = new FakeViewer(hub);
    const { publication } = publish();
    send(publication, 'AVaKapap');
    expect(viewer.read).toBe('VAKapap');
  });

  it('starts a late joiner on the newest key frame, headers first, and then sends what all get', () => {
    const { publication } = publish();
    send(publication, 'AVKapapKap');
    const viewer = new FakeViewer(hub);
    send(publication, 'ap', 400);
    expect(viewer.read).toBe('VAKapap');
    expect(viewer.times.slice(2)).toEqual([280, 320, 360, 400, 440].map((ms) => 1000 + ms - 80));
  });

  it('starts a joiner anywhere in a stream of audio alone', () => {
    const { publication } = publish();
    send(publication, 'Aaaa');
    const viewer = new FakeViewer(hub);
    send(publication, 'aa', 400);
    expect(viewer.read).toBe('Aaa');
  });

  it('makes a joiner wait for the next key frame when the GOP is too large to keep', () => {
    const { publication } = publish();
    send(publication, 'VKppp', 0, 30_000);
    const viewer = new FakeViewer(hub);
    send(publication, 'pp', 400);
    expect(viewer.read).toBe('');
    send(publication, 'Kp', 600);
    expect(viewer.read).toBe('VKp');
  });

  it('passes a new configuration on in its place, and lets joiners wait for its key frame', () => {
    const { publication } = publish();
    const early = new FakeViewer(hub);
    send(publication, 'VKpVpKp');
    expect(early.read).toBe('VKpVpKp');
    const late = new FakeViewer(hub);
    send(publication, 'p', 400);
    expect(late.read).toBe('VKpp');
  });

  it('cuts a slow viewer to the next key frame, counts what it lost, and disturbs nobody', () => {
    const { publication } = publish();
    const slow = new FakeViewer(hub);
    const good = new FakeViewer(hub);
    send(publication, 'VKp');
    slow.stuck = true;
    const letters = `${'p'.repeat(9)}K${'p'.repeat(9)}`.repeat(3);
    send(publication, letters, 400, 1000);
    slow.release();
    send(publication, 'ppKp', 4000);
    expect(good.read).toBe(`VKp${letters}ppKp`);
    // The frame the kernel had been handed when it got stuck still arrives; then nothing but whole GOPs.
    expect(slow.read).toMatch(/^VKpp(Kp*)+$/);
    expect(slow.cuts.length).toBeGreaterThan(0);
    expect(counts.get('headwater_viewer_dropped_frames_total')).toBe(good.read.length - slow.read.length);
    expect(slow.ended).toBeUndefined();
  });

  it('what is no frame counts too: data without end is kept for nobody who joins late or does not take it', () => {
    const { publication } = publish();
    send(publication, 'VKp');
    const slow = new FakeViewer(hub);
    send(publication, 'p', 120);
    slow.stuck = true;
    for (let i = 0; i < 64; i += 1) {
      const data = Buffer.alloc(10_000, 'd');
      publication!.onEvent({ kind: 'opaque', scheme: 'rtmp-data', dts: ticksOfMs(160), data });
      vi.advanceTimersByTime(1);
    }
    const late = new FakeViewer(hub);
    vi.advanceTimersByTime(SETTINGS.maxBatch);
    expect(late.read).toBe('');
    slow.release();
    send(publication, 'pKp', 200);
    expect(late.read).toBe('VKp');
    expect(slow.cuts).toEqual([1]);
    // What its kernel had been handed still arrives, and no more of it.
    expect(slow.read).toMatch(/^VKppd{0,8}Kp$/);
  });

  it('closes a viewer that takes nothing for evictAfter', () => {
    const { publication } = publish();
    const slow = new FakeViewer(hub);
    send(publication, 'VKp');
    slow.stuck = true;
    send(publication, 'p'.repeat(240), 400);
    expect(slow.ended).toBeUndefined();
    send(publication, 'p'.repeat(20), 10_400);
    expect(slow.ended).toBe('stalled');
    expect(hub.viewerCount).toBe(0);
  });

  it('sends the messages of the connection between batches, never inside one', () => {
    const { publication } = publish();
    const viewer = new FakeViewer(hub);
    const written: number[] = [];
    viewer.write = (bytes) => {
      written.push(bytes.length);
      viewer.writableLength = bytes.length > 100_000 ? bytes.length : 0;
    };
    publication!.onEvent(event('V', 0));
    publication!.onEvent(event('K', 0, 600_000));
    vi.advanceTimersByTime(10);
    viewer.seat.viewer.sendControl(Buffer.alloc(7));
    for (let i = 0; i < 4; i++) {
      viewer.writableLength = 0;
      vi.advanceTimersByTime(30);
    }
    expect(written).toEqual([115, 261_884, 261_884, 600_015 - 2 * 261_884, 7]);
  });

  it('keeps viewers over a lost connection; times go on', () => {
    const viewer = new FakeViewer(hub);
    const first = publish();
    send(first.publication, 'VKp');
    first.publication!.onEvent({ kind: 'end', cause: 'lost' });
    vi.advanceTimersByTime(5_000);
    const second = publish();
    send(second.publication, 'VpKp', 900_000);
    expect(viewer.read).toBe('VKpVKp');
    expect(viewer.ended).toBeUndefined();
    expect(viewer.times).toEqual([...viewer.times].sort((a, b) => a - b));
    expect(viewer.times.at(-2)! - viewer.times[2]!).toBeGreaterThanOrEqual(5_000);
  });

  it('ends viewers soon after the publisher said goodbye, later when it was lost', () => {
    const viewer = new FakeViewer(hub);
    const first = publish();
    send(first.publication, 'VK');
    first.publication!.onEvent({ kind: 'end', cause: 'unpublish' });
    vi.advanceTimersByTime(1_999);
    expect(viewer.ended).toBeUndefined();
    vi.advanceTimersByTime(1);
    expect(viewer.ended).toBe('ended');
    const second = new FakeViewer(hub);
    const again = publish();
    send(again.publication, 'VK');
    again.publication!.onEvent({ kind: 'end', cause: 'lost' });
    vi.advanceTimersByTime(14_900);
    expect(second.ended).toBeUndefined();
    vi.advanceTimersByTime(200);
    expect(second.ended).toBe('ended');
    expect(hub.streams.size).toBe(0);
  });

  it('ends a viewer for whom nobody publishes', () => {
    const viewer = new FakeViewer(hub);
    vi.advanceTimersByTime(10_000);
    expect(viewer.ended).toBe('not-found');
    expect(hub.streams.size).toBe(0);
  });

  it('holds a second publisher, and refuses it once the first is seen alive', () => {
    const first = publish();
    send(first.publication, 'VK');
    const second = publish();
    expect(second).toMatchObject({ publication: undefined, refused: false });
    send(first.publication, 'p', 80);
    expect(second.refused).toBe(true);
    expect(first.replaced).toBeUndefined();
  });

  it('gives way to a held newcomer when the first is silent', () => {
    const first = publish();
    send(first.publication, 'VK');
    const second = publish();
    vi.advanceTimersByTime(2_000);
    expect(first.replaced).toBe('timeout');
    expect(second.publication).toBeDefined();
  });

  it('accepts a held newcomer at once when the first one leaves', () => {
    const first = publish();
    send(first.publication, 'VK');
    const second = publish();
    first.publication!.onEvent({ kind: 'end', cause: 'lost' });
    expect(second.publication).toBeDefined();
    expect(hub.streams.get('live/test')!.publication).toBe(second.publication);
  });

  it.each(['RejectUnlessStale', 'TakeOver'] as const)(
    'stays one path for all when a publisher is replaced and nobody watches (%s)',
    (onDuplicate) => {
      hub = new Hub({
        settings: { ...SETTINGS, onDuplicate },
        claim: () => ({ pub: 'abcdefgh', epoch: 1 }),
        taps: [],
        log: NO_LOG,
        meter: NO_METER,
      });
      const first = publish();
      send(first.publication, 'VK');
      const second = publish();
      vi.advanceTimersByTime(2_000);
      expect(first.replaced).toBe(onDuplicate === 'TakeOver' ? 'takeover' : 'timeout');
      expect(hub.streams.get('live/test')?.publication).toBe(second.publication);
      send(second.publication, 'VK');
      const viewer = new FakeViewer(hub);
      send(second.publication, 'p', 80);
      expect(viewer.read).toBe('VKp');
    },
  );

  it('finishes a message that is partly written before it says that the stream has ended', () => {
    const viewer = new FakeViewer(hub);
    const { publication } = publish();
    const written: number[] = [];
    viewer.write = (bytes) => {
      written.push(bytes.length);
      viewer.writableLength = bytes.length > 100_000 ? bytes.length : 0;
    };
    publication!.onEvent(event('V', 0));
    publication!.onEvent(event('K', 0, 600_000));
    vi.advanceTimersByTime(10);
    viewer.seat.viewer.sendControl(Buffer.alloc(7));
    hub.close();
    viewer.seat.viewer.sendControl(Buffer.alloc(9));
    expect(written).toEqual([115, 261_884, 600_015 - 261_884, 7, 9]);
  });

  it('lets times go on when the next publication begins with something older than its first frame', () => {
    const viewer = new FakeViewer(hub);
    const first = publish();
    send(first.publication, 'AVKa');
    first.publication!.onEvent({ kind: 'end', cause: 'lost' });
    const second = publish();
    send(second.publication, 'AVK', 5_000);
    second.publication!.onEvent(event('a', 2_500));
    vi.advanceTimersByTime(40);
    expect(viewer.read).toBe('VAKaVAKa');
    expect(Math.min(...viewer.times.slice(4))).toBeGreaterThanOrEqual(Math.max(...viewer.times.slice(0, 4)));
  });

  it.each([
    ['sound before the picture', 'MAaaa', 'VKpa', 'MVAKpa'],
    ['the picture before sound', 'MVKpKp', 'Aap', 'MVKpAap'],
  ])('lets a viewer wait for what metadata promises: %s', (_, first, then, read) => {
    const viewer = new FakeViewer(hub);
    const { publication } = publish();
    send(publication, first);
    expect(viewer.read).toBe('');
    send(publication, then, first.length * 40);
    expect(viewer.read).toBe(read);
  });

  it.each([
    ['picture', 'MA', 'a', /^\tAa+$/],
    ['sound', 'MVK', 'p', /^\tVKp+$/],
  ])('does not wait for ever for a promised %s, nor repeat the promise to players', (_, headers, frame, read) => {
    const [early, late] = [new FakeViewer(hub), () => new FakeViewer(hub)];
    const { publication } = publish();
    send(publication, headers);
    send(publication, frame.repeat(48), 120);
    expect(early.read).toBe('');
    send(publication, frame.repeat(4), 120 + 48 * 40);
    expect(early.read).toMatch(read);
    const joiner = late();
    send(publication, frame, 120 + 52 * 40);
    expect(joiner.read).toMatch(read);
  });

  it('sends a promise again when it is kept in the end', () => {
    const { publication } = publish();
    send(publication, `MA${'a'.repeat(60)}`);
    const early = new FakeViewer(hub);
    send(publication, 'aVKpa', 62 * 40);
    expect(early.read).toBe('\tAaVKpa');
    const late = new FakeViewer(hub);
    send(publication, 'p', 67 * 40);
    expect(late.read).toBe('MVAKpap');
  });

  it('goes on when a tap throws: for viewers, and for the other taps', () => {
    const seen: string[] = [];
    const failing = {
      onEvent: vi.fn(() => {
        throw new Error('a fault of ours');
      }),
    };
    hub = new Hub({
      settings: SETTINGS,
      claim: () => ({ pub: 'abcdefgh', epoch: 1 }),
      taps: [() => failing, () => ({ onEvent: (each) => void seen.push(each.kind) })],
      log: NO_LOG,
      meter: NO_METER,
    });
    const viewer = new FakeViewer(hub);
    const { publication } = publish();
    send(publication, 'VKp');
    expect(viewer.read).toBe('VKp');
    expect(seen).toEqual(['config', 'frame', 'frame']);
    expect(failing.onEvent).toHaveBeenCalledOnce();
  });

  it('coalesces more as viewers grow', () => {
    expect([1, 8, 104, 200, 400].map((viewers) => flushTickMs(viewers, 50))).toEqual([0, 0, 25, 50, 50]);
  });
});
