import {
  type ConfigEvent,
  type FrameEvent,
  isVideoTrack,
  msOfTicks,
  TICKS_PER_MS,
  TICKS_PER_SECOND,
  type Track,
  trackId,
} from '../media/media-event.ts';
import { encodeTables, type PesPacket, pesPacketCount, writeClock, writePes } from '../protocol/mpegts/muxer.ts';
import { PACKET_BYTES } from '../protocol/mpegts/packet.ts';
import type { ViewerEvent } from './media-to-rtmp.ts';
import { type TsPayload, tsPayloadOf } from './ts-payload.ts';

/** Added to outgoing times, so that the clock, which is behind them, begins above 0. */
const TIME_BASE = TICKS_PER_SECOND;
/** How far the program's clock is behind the frames: what tracks may be apart. 300 ms. */
const CLOCK_DELAY = 300 * TICKS_PER_MS;
/** The clock is told this often at least (ISO 13818-1 §2.7.2 wants 100 ms, DVB 40). */
const CLOCK_INTERVAL = 40 * TICKS_PER_MS;
/** Sound is told with every other frame or so. */
const SOUND_CLOCK_INTERVAL = 20 * TICKS_PER_MS;
/** Over this, media paused: nothing is filled in. Other tracks tell the clock when its own has been silent for half as long. */
const CLOCK_PAUSE = TICKS_PER_SECOND;
/** Tables come again at the first frame after this: with frames 40 ms apart no more than 100 ms lie between. */
const TABLES_AFTER = 60 * TICKS_PER_MS;
/** More tracks than this are left out: one PMT section holds them. */
const MAX_TRACKS = 32;
const FIRST_PID = 0x100;
/** Slots of the counters: the tables', then those of the tracks. */
const PAT = 0;
const PMT = 1;
const FIRST_TRACK = 2;

/** A track as it goes out. Immutable. */
interface MuxTrack {
  readonly track: Track;
  readonly slot: number;
  readonly pid: number;
  readonly streamId: number;
  readonly payload: TsPayload;
}

/** Where the packets go. */
interface Output {
  readonly bytes: Buffer;
  at: number;
  /** A frame's data before it is cut into packets. */
  scratch: Buffer;
}

/** Whether a transport stream can carry what this configuration announces. */
export function hasTsMapping({ codec, record }: ConfigEvent): boolean {
  return tsPayloadOf(codec, record) !== undefined;
}

/**
 * The state of one path's transport stream: which tracks have which PID, continuity counters, when tables and clock were last sent. All of it
 * follows from the events alone, so that it can be known without writing a packet: {@link advance} counts, and a {@link clone} taken before
 * can {@link write} the same events later, with counters that fit to what goes before and after.
 */
export class TransportProgram {
  #tracks: readonly MuxTrack[] = [];
  #tables: Buffer = Buffer.alloc(0);
  #version = 0;
  #clockTrack: MuxTrack | undefined;
  #counters = new Uint8Array(FIRST_TRACK + MAX_TRACKS);
  #tablesAt = Number.NEGATIVE_INFINITY;
  #clockAt: number | undefined;

  /** The same state: what happens to either is nothing to the other. */
  clone(): TransportProgram {
    const copy = new TransportProgram();
    copy.#tracks = this.#tracks;
    copy.#tables = this.#tables;
    copy.#version = this.#version;
    copy.#clockTrack = this.#clockTrack;
    copy.#counters = this.#counters.slice();
    copy.#tablesAt = this.#tablesAt;
    copy.#clockAt = this.#clockAt;
    return copy;
  }

  /** Another publication follows: other tracks; counters and times go on. */
  clear(): void {
    this.#describe([]);
  }

  /** Takes an event at its outgoing time in ms. Returns the number of packets it makes. */
  advance(event: ViewerEvent, timeMs: number): number {
    return this.#step(event, timeMs, undefined);
  }

  /** Writes `events` at their outgoing times, for which {@link advance} counted `packets`. */
  write(events: readonly ViewerEvent[], timesMs: readonly number[], packets: number): Buffer {
    const output = { bytes: Buffer.allocUnsafeSlow(packets * PACKET_BYTES), at: 0, scratch: Buffer.alloc(0) };
    for (let i = 0; i < events.length; i++) this.#step(events[i]!, timesMs[i]!, output);
    return output.bytes;
  }

  #step(event: ViewerEvent, timeMs: number, out: Output | undefined): number {
    if (event.kind === 'config') this.#configure(event);
    return event.kind === 'frame' ? this.#frame(event, timeMs, out) : 0;
  }

  #configure({ track, codec, record }: ConfigEvent): void {
    const before = this.#tracks.find((known) => known.track === track);
    const payload = tsPayloadOf(codec, record);
    if (payload === undefined) {
      if (before !== undefined) this.#describe(this.#tracks.filter((known) => known !== before));
      return;
    }
    if (before === undefined && this.#tracks.length === MAX_TRACKS) return;
    const slot = before?.slot ?? this.#freeSlot();
    const streamId = payload.streamId + (payload.streamId === 0xbd ? 0 : Math.min(trackId(track), 15));
    const changed: MuxTrack = { track, slot, pid: FIRST_PID + slot - FIRST_TRACK, streamId, payload };
    const tracks = [...this.#tracks.filter((known) => known !== before), changed].sort((a, b) => a.track - b.track);
    const isSame = before?.payload.type === payload.type && before.payload.descriptors.equals(payload.descriptors);
    if (isSame) this.#tracks = tracks;
    else this.#describe(tracks);
    this.#clockTrack = tracks[0];
  }

  #freeSlot(): number {
    let slot = FIRST_TRACK;
    while (this.#tracks.some((known) => known.slot === slot)) slot++;
    return slot;
  }

  /** The program changes: its next tables have another version, and come before the next frame. */
  #describe(tracks: readonly MuxTrack[]): void {
    this.#tracks = tracks;
    this.#clockTrack = tracks[0];
    this.#version = (this.#version + 1) & 31;
    const streams = tracks.map(({ pid, payload: { type, descriptors } }) => ({ pid, type, descriptors }));
    this.#tables = encodeTables(streams, this.#clockTrack?.pid, this.#version);
    this.#tablesAt = Number.NEGATIVE_INFINITY;
  }

  #frame(frame: FrameEvent, timeMs: number, out: Output | undefined): number {
    const track = this.#tracks.find((known) => known.track === frame.track);
    if (track === undefined) return 0;
    // Outgoing times are whole milliseconds; what was rounded away comes back.
    const dts = timeMs * TICKS_PER_MS + (frame.dts - msOfTicks(frame.dts) * TICKS_PER_MS) + TIME_BASE;
    const pts = dts + Math.max(0, frame.pts - frame.dts);
    const isKeyframe = frame.key && isVideoTrack(frame.track);
    let packets = 0;
    const sinceTables = dts - this.#tablesAt;
    if (isKeyframe || sinceTables >= TABLES_AFTER || sinceTables < -TICKS_PER_SECOND) {
      packets += this.#sendTables(out);
      this.#tablesAt = dts;
    }
    const clock = dts - CLOCK_DELAY;
    packets += this.#sendClock(track, clock, out);
    const tellsClock = this.#isClockDue(track, clock);
    if (tellsClock) this.#clockAt = clock;
    const { pid, streamId } = track;
    const pes = { ...{ pid, streamId, pts, dts }, clock: tellsClock ? clock : undefined, isRandomAccess: isKeyframe };
    return packets + this.#sendPes(track, pes, frame, out);
  }

  /** Whether the frame's own packet tells the clock: with every picture, and with sound where there is no other. */
  #isClockDue(track: MuxTrack, clock: number): boolean {
    if (track !== this.#clockTrack) return false;
    const interval = isVideoTrack(track.track) ? 1 : SOUND_CLOCK_INTERVAL;
    return this.#clockAt === undefined || clock - this.#clockAt >= interval;
  }

  /** Tells the clock in packets of its own: between pictures that are far apart, and with other tracks while its own is silent. */
  #sendClock(track: MuxTrack, clock: number, out: Output | undefined): number {
    const own = this.#clockTrack!;
    const since = this.#clockAt === undefined ? 0 : clock - this.#clockAt;
    if (track !== own) {
      if (since < CLOCK_PAUSE / 2) return 0;
      this.#clockAt = clock;
      return this.#writeClock(own, clock, out);
    }
    if (since <= CLOCK_INTERVAL || since > CLOCK_PAUSE) return 0;
    const steps = Math.ceil(since / CLOCK_INTERVAL);
    for (let i = 1; i < steps; i++) this.#writeClock(own, this.#clockAt! + Math.round((i * since) / steps), out);
    return steps - 1;
  }

  #writeClock({ pid, slot }: MuxTrack, clock: number, out: Output | undefined): number {
    if (out !== undefined) out.at = writeClock(out.bytes, out.at, pid, clock, this.#counters[slot]! - 1);
    return 1;
  }

  #sendTables(out: Output | undefined): number {
    const packets = this.#tables.length / PACKET_BYTES;
    for (let i = 0; i < packets; i++) {
      const counter = this.#take(i === 0 ? PAT : PMT, 1);
      if (out === undefined) continue;
      this.#tables.copy(out.bytes, out.at, i * PACKET_BYTES, (i + 1) * PACKET_BYTES);
      out.bytes[out.at + 3]! |= counter;
      out.at += PACKET_BYTES;
    }
    return packets;
  }

  #sendPes({ slot, payload }: MuxTrack, pes: PesPacket, frame: FrameEvent, out: Output | undefined): number {
    const size = payload.size(frame);
    const packets = pesPacketCount(pes, size);
    const counter = this.#take(slot, packets);
    if (out === undefined) return packets;
    if (out.scratch.length < size) out.scratch = Buffer.allocUnsafe(2 * size);
    payload.write(out.scratch, frame);
    out.at = writePes(out.bytes, out.at, pes, counter, out.scratch, 0, size);
    return packets;
  }

  /** The counter of the first of `packets`. */
  #take(slot: number, packets: number): number {
    const counter = this.#counters[slot]!;
    this.#counters[slot] = (counter + packets) & 15;
    return counter;
  }
}
