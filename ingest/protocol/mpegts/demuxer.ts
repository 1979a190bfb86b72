import type { ProtocolFault } from '../protocol-error.ts';
import { NULL_PID, PACKET_BYTES, PACKET_HEADER_BYTES, PIDS } from './packet.ts';
import { PesAssembler, PesMemory, type PesUnit } from './pes.ts';
import { PAT_PID, type PmtStream, parseSection, SectionAssembler } from './psi.ts';
import { isVideoKind, kindOfStream, type StreamKind } from './stream-kind.ts';

/** Blocks in which units are put together, bytes: some tenths of a second each. */
const VIDEO_BLOCK_BYTES = 128 * 1024;
const AUDIO_BLOCK_BYTES = 8 * 1024;
/** More streams of one program than this are not read. */
const MAX_STREAMS = 64;
/** More programs than this are not looked at. */
const MAX_PROGRAMS = 64;
/** A table of more packets is not kept to be sent again: six hold the longest. */
const MAX_TABLE_PACKETS = 6;
/** A program that changes more often in a minute is not followed for the rest of it. */
const MAX_CHANGES = 100;
const CHANGES_MS = 60_000;
/** Lost packets of one PID in such a number leave its counter as it would be without a loss. */
const COUNTER_CYCLE = 16;

/** An elementary stream of the program that is read. */
export interface TsStream extends PmtStream {
  readonly kind: StreamKind;
}

/** Takes what {@link TsDemuxer} finds. */
export interface TsHandler {
  /** The program's streams are known or have changed. Those that go on keep their object. */
  onProgram(streams: readonly TsStream[]): void;
  onUnit(stream: TsStream, unit: PesUnit): void;
  /** Data of the stream is missing after its last unit; `partial`: the first that is incomplete, where it is known. */
  onDamage(stream: TsStream, partial: PesUnit | undefined): void;
  /** A unit of a video stream begins in the packet at `at`; `isRandomAccess`: the packet says that decoders can start here. */
  onVideoStart(stream: TsStream, bytes: Buffer, at: number, payload: number, isRandomAccess: boolean): void;
  /** The clock of the program is set: times need not go on from those before. */
  onDiscontinuity(): void;
  onSkipped(code: ProtocolFault): void;
}

/** One PID of the program. */
interface Lane {
  readonly stream: TsStream;
  readonly assembler: PesAssembler;
  readonly isVideo: boolean;
  /** Last continuity counter; -1: unknown. */
  counter: number;
  /** The last packet was filled up: the unit in it ends there. */
  isPadded: boolean;
  /** No packet has come since some were lost, which may be of this PID. */
  isUncertain: boolean;
}

/** A PID that carries tables. */
interface TablePid {
  readonly sections: SectionAssembler;
  counter: number;
  /** Packets of the section under way, and of the last whole one. */
  packets: Buffer[];
  whole: readonly Buffer[];
}

/** Slots of `#slots`: not read, tables, then lanes. */
const IGNORED = 0;
const TABLES = 1;
const FIRST_LANE = 2;

/** Reads the first program of a transport stream whose streams it knows (ISO 13818-1). Pure: whole packets in, units of elementary streams out. */
export class TsDemuxer {
  readonly #handler: TsHandler;
  /** What each PID is. */
  readonly #slots = new Uint8Array(PIDS);
  readonly #tables = new Map<number, TablePid>();
  #lanes: Lane[] = [];
  /** The program that is read, and its PMT as it is in force. */
  #program = -1;
  #pmtPid = -1;
  #pcrPid = NULL_PID;
  /** PMT PIDs by program, as the PAT has them. */
  #programs = new Map<number, number>();
  /** CRCs of the tables in force, by PID: what is repeated is not read again. */
  readonly #crcs = new Map<number, number>();
  /** {@link tables}, until they come anew. */
  #packets: Buffer | undefined;
  #changes = 0;
  /** Since when they are counted, ms. */
  #countedFrom = 0;
  readonly #memory = new PesMemory();
  #arrivedAt = 0;

  constructor(handler: TsHandler) {
    this.#handler = handler;
    this.#watchTables(PAT_PID);
  }

  /** The packets of PAT and PMT as they came last: what a decoder needs before any other. Empty while no program is known. */
  get tables(): Buffer {
    if (this.#packets === undefined) {
      const [pat, pmt] = [PAT_PID, this.#pmtPid].map((pid) => this.#tables.get(pid)?.whole ?? []);
      this.#packets = pmt!.length === 0 ? Buffer.alloc(0) : Buffer.concat([...pat!, ...pmt!]);
    }
    return this.#packets;
  }

  /** Takes the whole packets in `bytes[from, to)`, which arrived at `arrivedAt` (`performance.now()`, ms). */
  push(bytes: Buffer, from: number, to: number, arrivedAt: number): void {
    this.#arrivedAt = arrivedAt;
    for (let at = from; at < to; at += PACKET_BYTES) {
      const slot = this.#slots[((bytes[at + 1]! & 0x1f) << 8) | bytes[at + 2]!]!;
      if (slot >= FIRST_LANE) this.#media(this.#lanes[slot - FIRST_LANE]!, bytes, at);
      else if (slot === TABLES) this.#table(bytes, at);
      else if ((bytes[at + 3]! & 0x20) !== 0) this.#pcrOnly(bytes, at);
    }
  }

  /**
   * Up to `bytes` bytes are missing here. Continuity counters tell whose they were, but not of streams that had not begun; and where so many
   * are missing that a counter may have come round, every unit that is under way is lost.
   */
  lost(bytes: number): void {
    for (const table of this.#tables.values()) table.sections.reset();
    // One packet may be cut at either end.
    const mayComeRound = bytes + 2 * (PACKET_BYTES - 1) >= COUNTER_CYCLE * PACKET_BYTES;
    for (const lane of this.#lanes) {
      lane.isUncertain = true;
      if (!mayComeRound && lane.counter >= 0) continue;
      lane.counter = -1;
      lane.assembler.damage('ERR_TS_CONTINUITY');
    }
  }

  /** Nothing follows. */
  end(): void {
    for (const { assembler, isPadded, isUncertain } of this.#lanes) {
      if (isUncertain) assembler.damage('ERR_TS_CONTINUITY');
      else assembler.end(isPadded);
    }
  }

  #media(lane: Lane, bytes: Buffer, at: number): void {
    const flags = bytes[at + 1]!;
    const control = bytes[at + 3]!;
    const hasStart = (flags & 0x40) !== 0;
    let payload = at + PACKET_HEADER_BYTES;
    let isRandomAccess = false;
    let isDiscontinuous = false;
    let isPadded = false;
    if ((control & 0x20) !== 0) {
      const length = bytes[payload]!;
      if (length > 0) {
        const adaptation = bytes[payload + 1]!;
        isRandomAccess = (adaptation & 0x40) !== 0;
        isDiscontinuous = (adaptation & 0x80) !== 0;
        if (isDiscontinuous) this.#discontinuity(lane.stream.pid);
        isPadded = length > fieldBytes(bytes, payload + 1);
      } else isPadded = true;
      payload += 1 + length;
    }
    if ((control & 0x10) === 0) return; // the counter stands still
    const end = at + PACKET_BYTES;
    if ((flags & 0x80) !== 0 || payload > end) {
      lane.counter = -1;
      lane.assembler.damage('ERR_TS_CONTINUITY');
      return;
    }
    const counter = control & 15;
    if (counter !== ((lane.counter + 1) & 15) && lane.counter >= 0 && !(isDiscontinuous && hasStart)) {
      if (counter === lane.counter && lane.assembler.endsWith(bytes, payload, end)) return;
      lane.assembler.damage('ERR_TS_CONTINUITY');
    }
    lane.counter = counter;
    lane.isPadded = isPadded;
    lane.isUncertain = false;
    if ((control & 0xc0) !== 0) {
      lane.assembler.damage('ERR_TS_SCRAMBLED');
      return;
    }
    if (!hasStart) {
      lane.assembler.append(bytes, payload, end, this.#arrivedAt);
      return;
    }
    if (lane.isVideo) this.#handler.onVideoStart(lane.stream, bytes, at, payload, isRandomAccess);
    lane.assembler.begin(bytes, payload, end, this.#arrivedAt);
  }

  /** A PID that is not read may carry the clock all the same. */
  #pcrOnly(bytes: Buffer, at: number): void {
    const pid = ((bytes[at + 1]! & 0x1f) << 8) | bytes[at + 2]!;
    if (pid === this.#pcrPid && bytes[at + 4]! > 0 && (bytes[at + 5]! & 0x80) !== 0) this.#discontinuity(pid);
  }

  #discontinuity(pid: number): void {
    if (pid === this.#pcrPid) this.#handler.onDiscontinuity();
  }

  #table(bytes: Buffer, at: number): void {
    const pid = ((bytes[at + 1]! & 0x1f) << 8) | bytes[at + 2]!;
    const table = this.#tables.get(pid)!;
    const control = bytes[at + 3]!;
    if ((control & 0x10) === 0 || (control & 0xc0) !== 0) return;
    const payload = at + PACKET_HEADER_BYTES + ((control & 0x20) !== 0 ? 1 + bytes[at + 4]! : 0);
    const end = at + PACKET_BYTES;
    const counter = control & 15;
    if ((bytes[at + 1]! & 0x80) !== 0 || payload >= end) return;
    const hasStart = (bytes[at + 1]! & 0x40) !== 0;
    // Some multiplexers never count in tables: what begins a section is read all the same.
    if (counter === table.counter && !hasStart) return;
    if (counter !== ((table.counter + 1) & 15)) table.sections.reset();
    table.counter = counter;
    if (hasStart) table.packets = [];
    if (table.packets.length < MAX_TABLE_PACKETS) table.packets.push(bytes.subarray(at, end));
    table.sections.push(bytes, payload, end, hasStart, (section) => this.#section(pid, section));
  }

  #section(pid: number, section: Buffer): void {
    const crc = section.length >= 4 ? section.readUInt32BE(section.length - 4) : 0;
    if (this.#crcs.get(pid) === crc) {
      this.#keepPackets(pid);
      return;
    }
    const read = parseSection(section);
    if (read.kind === 'broken') this.#handler.onSkipped('ERR_TS_TABLE');
    if (read.kind === 'pat' && pid === PAT_PID) {
      this.#crcs.set(pid, crc);
      this.#keepPackets(pid);
      this.#onPat(new Map(read.programs.slice(0, MAX_PROGRAMS).map(({ program, pmtPid }) => [program, pmtPid])));
    }
    if (read.kind === 'pmt' && this.#programs.get(read.program) === pid) {
      // One PID may carry the tables of several programs: only that of the one which is read needs no second look.
      if (this.#program !== -1 && this.#program !== read.program) return;
      this.#onPmt(pid, crc, read.program, read.pcrPid, read.streams);
    }
  }

  #keepPackets(pid: number): void {
    const table = this.#tables.get(pid)!;
    table.whole = table.packets;
    this.#packets = undefined;
  }

  #onPat(programs: Map<number, number>): void {
    for (const pid of this.#programs.values()) this.#forgetTables(pid);
    this.#programs = programs;
    if (programs.get(this.#program) !== this.#pmtPid) {
      this.#program = -1;
      this.#pmtPid = -1;
    }
    for (const pid of programs.values()) this.#watchTables(pid);
  }

  #onPmt(pid: number, crc: number, program: number, pcrPid: number, all: readonly PmtStream[]): void {
    const streams: TsStream[] = [];
    for (const stream of all) {
      const kind = kindOfStream(stream);
      const isTaken = this.#slots[stream.pid] === TABLES || streams.some(({ pid }) => pid === stream.pid);
      if (kind !== undefined && !isTaken && streams.length < MAX_STREAMS) streams.push({ ...stream, kind });
    }
    if (streams.length === 0 && this.#program === -1) return; // another program may have what this one lacks
    if (this.#arrivedAt - this.#countedFrom >= CHANGES_MS) {
      this.#countedFrom = this.#arrivedAt;
      this.#changes = 0;
    }
    if (++this.#changes > MAX_CHANGES) {
      if (this.#changes === MAX_CHANGES + 1) this.#handler.onSkipped('ERR_TS_TABLE');
      return;
    }
    this.#crcs.set(pid, crc);
    this.#keepPackets(pid);
    this.#program = program;
    this.#pmtPid = pid;
    this.#pcrPid = pcrPid;
    this.#openLanes(streams);
  }

  /** Streams that are in the program still go on as they are. */
  #openLanes(streams: readonly TsStream[]): void {
    const before = this.#lanes;
    for (const { stream } of before) this.#slots[stream.pid] = IGNORED;
    this.#lanes = streams.map((stream) => {
      const known = before.find((lane) => lane.stream.pid === stream.pid && lane.stream.kind === stream.kind);
      return known ?? this.#lane(stream);
    });
    for (const lane of before) if (!this.#lanes.includes(lane)) lane.assembler.end(lane.isPadded);
    this.#lanes.forEach(({ stream }, index) => {
      this.#slots[stream.pid] = FIRST_LANE + index;
    });
    const isSame = before.length === this.#lanes.length && before.every((lane, i) => lane === this.#lanes[i]);
    if (!isSame) this.#handler.onProgram(this.#lanes.map(({ stream }) => stream));
  }

  #lane(stream: TsStream): Lane {
    const isVideo = isVideoKind(stream.kind);
    const handler = {
      onUnit: (unit: PesUnit) => this.#handler.onUnit(stream, unit),
      onDamage: (partial: PesUnit | undefined, code: ProtocolFault) => {
        this.#handler.onSkipped(code);
        this.#handler.onDamage(stream, partial);
      },
    };
    const assembler = isVideo
      ? new PesAssembler(handler, 'next', VIDEO_BLOCK_BYTES, this.#memory)
      : new PesAssembler(handler, 'counted', AUDIO_BLOCK_BYTES, this.#memory);
    return { stream, assembler, isVideo, counter: -1, isPadded: false, isUncertain: false };
  }

  #watchTables(pid: number): void {
    if (this.#tables.has(pid) || pid === NULL_PID) return;
    if (this.#slots[pid] !== IGNORED) return;
    this.#tables.set(pid, { sections: new SectionAssembler(), counter: -1, packets: [], whole: [] });
    this.#slots[pid] = TABLES;
  }

  #forgetTables(pid: number): void {
    if (pid === PAT_PID || !this.#tables.delete(pid)) return;
    this.#crcs.delete(pid);
    this.#slots[pid] = IGNORED;
  }
}

/** Bytes of the adaptation field whose flags are at `at`, without its stuffing (ISO 13818-1 §2.4.3.4). */
function fieldBytes(bytes: Buffer, at: number): number {
  const flags = bytes[at]!;
  let size = 1;
  if ((flags & 0x10) !== 0) size += 6;
  if ((flags & 0x08) !== 0) size += 6;
  if ((flags & 0x04) !== 0) size += 1;
  if ((flags & 0x02) !== 0) size += 1 + bytes[at + size]!;
  if ((flags & 0x01) !== 0) size += 1 + bytes[at + size]!;
  return size;
}
