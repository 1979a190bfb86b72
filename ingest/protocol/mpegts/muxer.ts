import { crc32Mpeg } from './crc32.ts';
import { PACKET_BYTES, PACKET_HEADER_BYTES, SYNC_BYTE } from './packet.ts';
import { PAT_PID } from './psi.ts';

/** Bytes of a packet behind its header. */
const ROOM = PACKET_BYTES - PACKET_HEADER_BYTES;
/** Start code, stream id, length, flags and header length; each time adds five. */
const PES_HEADER = 9;
const TIME_BYTES = 5;
/** Adaptation fields, their length byte included, that hold flags alone, and flags with a clock reference. */
const FLAGS_FIELD = 2;
const CLOCK_FIELD = 8;
const FLAG_RANDOM_ACCESS = 0x40;
const FLAG_CLOCK = 0x10;
const NO_NETWORK_CLOCK = 0x1fff;

const PROGRAM = 1;
const TRANSPORT_STREAM = 1;
const PMT_PID = 0x1000;

/** A stream as the PMT lists it. */
export interface MuxStream {
  readonly pid: number;
  readonly type: number;
  /** Whole descriptors, one behind the other. */
  readonly descriptors: Buffer;
}

/** A PES packet to be written. Times: 90 kHz, of which 33 bits go on the wire. */
export interface PesPacket {
  readonly pid: number;
  readonly streamId: number;
  readonly pts: number;
  readonly dts: number;
  /** The program's clock when it is sent, where the packet is to say it. */
  readonly clock: number | undefined;
  readonly isRandomAccess: boolean;
}

/** How many transport packets a PES packet with `bytes` of data takes. */
export function pesPacketCount(packet: PesPacket, bytes: number): number {
  const first = ROOM - fieldBytes(packet);
  const size = pesHeaderBytes(packet) + bytes;
  return size <= first ? 1 : 1 + Math.ceil((size - first) / ROOM);
}

function fieldBytes({ clock, isRandomAccess }: PesPacket): number {
  return clock !== undefined ? CLOCK_FIELD : isRandomAccess ? FLAGS_FIELD : 0;
}

function pesHeaderBytes({ pts, dts }: PesPacket): number {
  return PES_HEADER + (pts === dts ? TIME_BYTES : 2 * TIME_BYTES);
}

/**
 * Writes a PES packet (ISO 13818-1 §2.4.3.6) with the data `bytes[from, to)`, in as many transport packets as {@link pesPacketCount} says, the
 * first of them with continuity counter `counter`. Returns where it ends. Its length is told wherever 16 bits hold it: players then show the
 * frame without waiting for the next.
 */
export function writePes(
  out: Buffer,
  start: number,
  packet: PesPacket,
  counter: number,
  bytes: Buffer,
  from: number,
  to: number,
): number {
  const headerBytes = pesHeaderBytes(packet);
  let at = start;
  let field = fieldBytes(packet);
  let data = from;
  let left = headerBytes + to - from;
  for (let cc = counter; left > 0; cc++) {
    const isFirst = at === start;
    const padding = Math.max(0, ROOM - field - left);
    writeHeader(out, at, packet.pid, isFirst, field + padding > 0 ? 3 : 1, cc);
    let put = at + PACKET_HEADER_BYTES;
    if (field + padding > 0) put = writeField(out, put, packet, field, padding);
    if (isFirst) put = writePesHeader(out, put, packet, headerBytes - 6 + to - from);
    at += PACKET_BYTES;
    const taken = at - put;
    bytes.copy(out, put, data, data + taken);
    data += taken;
    left -= taken + (isFirst ? headerBytes : 0);
    field = 0;
  }
  return at;
}

/** Writes a packet of `pid` that says the program's clock and holds nothing else. `counter`: that of the packet before it. */
export function writeClock(out: Buffer, at: number, pid: number, clock: number, counter: number): number {
  writeHeader(out, at, pid, false, 2, counter);
  const packet = { clock, isRandomAccess: false };
  writeField(out, at + PACKET_HEADER_BYTES, packet, CLOCK_FIELD, ROOM - CLOCK_FIELD);
  return at + PACKET_BYTES;
}

function writeHeader(out: Buffer, at: number, pid: number, isStart: boolean, control: number, counter: number): void {
  out[at] = SYNC_BYTE;
  out[at + 1] = (isStart ? 0x40 : 0) | (pid >> 8);
  out[at + 2] = pid;
  out[at + 3] = (control << 4) | (counter & 15);
}

/** An adaptation field (§2.4.3.4) of `field` + `padding` bytes, its length byte included. */
function writeField(
  out: Buffer,
  at: number,
  packet: Pick<PesPacket, 'clock' | 'isRandomAccess'>,
  field: number,
  padding: number,
): number {
  const end = at + field + padding;
  out[at] = field + padding - 1;
  if (field + padding === 1) return end;
  const { clock, isRandomAccess } = packet;
  out[at + 1] = field === 0 ? 0 : (isRandomAccess ? FLAG_RANDOM_ACCESS : 0) | (clock !== undefined ? FLAG_CLOCK : 0);
  let put = at + 2;
  if (field === CLOCK_FIELD) {
    const base = wrap33(clock!);
    out.writeUInt32BE(Math.floor(base / 2), put);
    out[put + 4] = (base % 2 === 1 ? 0x80 : 0) | 0x7e; // six reserved bits; the extension is 0
    out[put + 5] = 0;
    put += 6;
  }
  out.fill(0xff, put, end);
  return end;
}

function writePesHeader(out: Buffer, at: number, { streamId, pts, dts }: PesPacket, length: number): number {
  const hasDts = pts !== dts;
  out.writeUInt32BE(0x100 | streamId, at);
  out.writeUInt16BE(length > 0xffff ? 0 : length, at + 4);
  out[at + 6] = 0x84; // data alignment
  out[at + 7] = hasDts ? 0xc0 : 0x80;
  out[at + 8] = hasDts ? 2 * TIME_BYTES : TIME_BYTES;
  writeTime(out, at + PES_HEADER, hasDts ? 3 : 2, pts);
  if (!hasDts) return at + PES_HEADER + TIME_BYTES;
  writeTime(out, at + PES_HEADER + TIME_BYTES, 1, dts);
  return at + PES_HEADER + 2 * TIME_BYTES;
}

/** §2.4.3.7: 33 bits among markers. */
function writeTime(out: Buffer, at: number, prefix: number, time: number): void {
  const value = wrap33(time);
  const low = value % 0x4000_0000;
  out[at] = (prefix << 4) | (Math.floor(value / 0x4000_0000) << 1) | 1;
  out[at + 1] = low >> 22;
  out[at + 2] = ((low >> 14) & 0xfe) | 1;
  out[at + 3] = low >> 7;
  out[at + 4] = ((low << 1) & 0xfe) | 1;
}

function wrap33(time: number): number {
  return ((time % 2 ** 33) + 2 ** 33) % 2 ** 33;
}

/** The packets of PAT and PMT for a program with these streams, all counters 0: the first is the PAT's, the others the PMT's. */
export function encodeTables(streams: readonly MuxStream[], clockPid: number | undefined, version: number): Buffer {
  const pat = Buffer.from([PROGRAM >> 8, PROGRAM, 0xe0 | (PMT_PID >> 8), PMT_PID & 0xff]);
  const loop = streams.map(({ pid, type, descriptors }) => {
    const head = Buffer.from([type, 0xe0 | (pid >> 8), pid & 0xff, 0xf0, 0]);
    head.writeUInt16BE(0xf000 | descriptors.length, 3);
    return Buffer.concat([head, descriptors]);
  });
  const head = Buffer.alloc(4);
  head.writeUInt16BE(0xe000 | (clockPid ?? NO_NETWORK_CLOCK));
  head.writeUInt16BE(0xf000, 2);
  return Buffer.concat([
    packSection(PAT_PID, section(0, TRANSPORT_STREAM, version, pat)),
    packSection(PMT_PID, section(2, PROGRAM, version, Buffer.concat([head, ...loop]))),
  ]);
}

/** §2.4.4: table id, length, id, version, the only section of its table, CRC. */
function section(table: number, id: number, version: number, body: Buffer): Buffer {
  const out = Buffer.alloc(8 + body.length + 4);
  out[0] = table;
  out.writeUInt16BE(0xb000 | (out.length - 3), 1);
  out.writeUInt16BE(id, 3);
  out[5] = 0xc1 | ((version & 31) << 1);
  body.copy(out, 8);
  out.writeUInt32BE(crc32Mpeg(out, 0, out.length - 4), out.length - 4);
  return out;
}

function packSection(pid: number, bytes: Buffer): Buffer {
  const count = Math.ceil((bytes.length + 1) / ROOM);
  const out = Buffer.alloc(count * PACKET_BYTES, 0xff);
  let from = 0;
  for (let i = 0; i < count; i++) {
    const at = i * PACKET_BYTES;
    writeHeader(out, at, pid, i === 0, 1, 0);
    let put = at + PACKET_HEADER_BYTES;
    if (i === 0) out[put++] = 0; // pointer field
    from += bytes.copy(out, put, from, from + at + PACKET_BYTES - put);
  }
  return out;
}
