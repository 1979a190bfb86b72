import { ByteWriter } from '../../ingest/bytes/byte-writer.ts';
import type { AmfInput } from '../../ingest/protocol/rtmp/amf-value.ts';
import { encodeAmf0 } from '../../ingest/protocol/rtmp/amf0.ts';
import { encodeChunks } from '../../ingest/protocol/rtmp/chunk-writer.ts';
import type { Random } from './random.ts';

const IDS = [2, 3, 4, 6, 63, 64, 319, 320, 65_599];
const TIMES = [0, 1, 40, 0xff_fffe, 0xff_ffff, 0x100_0000, 0x8000_0000, 0xffff_fff0, 0xffff_ffff];
const TYPES = [1, 2, 3, 4, 5, 6, 8, 9, 15, 17, 18, 20, 22, 99];
const NAMES = [
  'connect',
  'createStream',
  'publish',
  'play',
  'deleteStream',
  'closeStream',
  'FCPublish',
  'FCUnpublish',
  'releaseStream',
  'pause',
  'seek',
  '_result',
  '_checkbw',
  '',
];

/** Chunks with all header forms; most are right, so that readers get far. */
export function generateChunks(random: Random): Buffer {
  const w = new ByteWriter();
  const lengths = new Map<number, number>();
  for (let count = 1 + random.length(60); count > 0; count -= 1) {
    const id = random.pick(IDS);
    const format = lengths.has(id) ? random.below(4) : random.oneIn(30) ? random.below(4) : random.below(2);
    if (id < 64) w.u8((format << 6) | id);
    else if (id < 320 && random.oneIn(2)) w.u8(format << 6).u8(id - 64);
    else w.u8((format << 6) | 1).u16le(id - 64);
    const time = random.oneIn(2) ? random.pick(TIMES) : random.below(100);
    if (format < 3) w.u24(Math.min(time, 0xff_ffff));
    if (format < 2) {
      const type = random.pick(TYPES);
      const length =
        type < 7 ? random.pick([4, 4, 4, 5, 6, 0, 3]) : random.oneIn(20) ? random.below(0xff_ffff) : random.length(600);
      lengths.set(id, length);
      w.u24(length).u8(type);
    }
    if (format === 0) w.u32le(random.pick([0, 1, 2]));
    if (time >= 0xff_ffff && (format < 3 || random.oneIn(2))) w.u32(time);
    const left = lengths.get(id) ?? 0;
    const take = random.oneIn(8) ? random.below(300) : Math.min(128, left);
    w.bytes(generatePayload(random, take));
  }
  return w.finish();
}

/** Zeros, anything, or what begins like an extended time. */
function generatePayload(random: Random, length: number): Buffer {
  const bytes = random.oneIn(2) ? Buffer.alloc(length) : random.bytes(length);
  if (random.oneIn(3) && length >= 4) {
    bytes.writeUInt32BE(random.pick(TIMES));
    bytes.fill(0xdd, 1 + random.below(4));
  }
  return bytes;
}

/** What a client might say after the handshake, connect first as a rule. */
export function generateCommands(random: Random): Buffer {
  const parts: Buffer[] = [];
  const add = (type: number, streamId: number, body: Buffer): void => {
    parts.push(
      encodeChunks(
        [{ chunkStreamId: random.pick([3, 4, 8]), type, streamId, timestamp: random.below(1000), body }],
        128,
      ),
    );
  };
  if (!random.oneIn(10))
    add(20, 0, encodeAmf0('connect', 1, { app: random.pick(['live', 'a/b', '', '..']), tcUrl: 'rtmp://h/live' }));
  for (let count = random.length(40); count > 0; count -= 1) {
    const streamId = random.pick([0, 1, 1, 1, 2]);
    const kind = random.below(3);
    if (kind === 0) add(random.pick(TYPES), streamId, random.bytes(random.length(40)));
    else if (kind === 1) add(random.pick([8, 9, 18, 22]), streamId, random.bytes(random.length(300)));
    else {
      const args = Array.from({ length: random.below(4) }, () => generateValue(random, 0));
      const name = random.pick(NAMES);
      const stream = random.oneIn(2) ? ['test', 'live'] : args;
      add(
        20,
        streamId,
        encodeAmf0(name, random.below(5), null, ...(name === 'deleteStream' ? [random.below(3)] : stream)),
      );
    }
  }
  return Buffer.concat(parts);
}

function generateValue(random: Random, depth: number): AmfInput {
  switch (random.below(depth > 4 ? 5 : 8)) {
    case 0:
      return random.u32() / (1 + random.below(3));
    case 1:
      return random.oneIn(2);
    case 2:
      return random.pick(['live', 'test', '', '?key=1', '../x', 'a'.repeat(300), '\u0000']);
    case 3:
      return null;
    case 4:
      return undefined;
    case 5:
      return Array.from({ length: random.below(4) }, () => generateValue(random, depth + 1));
    default:
      return Object.fromEntries(
        Array.from({ length: random.below(4) }, (_, i) => [`k${i}`, generateValue(random, depth + 1)]),
      );
  }
}

/** AMF0 by its markers, with wrong counts, references and ends here and there. */
export function generateAmf0(random: Random): Buffer {
  if (random.oneIn(100)) return generateNested(random);
  const w = new ByteWriter();
  for (let count = 1 + random.below(4); count > 0; count -= 1) writeAmf0(w, random, 0);
  return w.finish();
}

/** Arrays, objects or AMF3 arrays in one another, up to 20,000 deep. */
function generateNested(random: Random): Buffer {
  const opener = Buffer.from(
    random.pick(['0a00000001', '03000161', '0800000001000161', '10000143000161', '11090301']),
    'hex',
  );
  const levels = random.length(20_000);
  return Buffer.concat(Array.from({ length: levels }, () => opener));
}

function writeAmf0(w: ByteWriter, random: Random, depth: number): void {
  const marker = random.oneIn(40)
    ? random.below(256)
    : random.pick([0, 1, 2, 3, 5, 6, 7, 8, 10, 11, 12, 13, 15, 16, 17]);
  w.u8(marker);
  const text = random.bytes(random.length(20));
  const count = depth > 40 ? 0 : random.length(6);
  switch (marker) {
    case 0:
      w.f64(random.u32());
      break;
    case 1:
      w.u8(random.below(3));
      break;
    case 2:
      w.u16(text.length).bytes(text);
      break;
    case 7:
      w.u16(random.below(4));
      break;
    case 3:
    case 8:
    case 16:
      if (marker === 8) w.u32(random.oneIn(2) ? count : random.u32());
      if (marker === 16) w.u16(text.length).bytes(text);
      for (let i = 0; i < count; i += 1) {
        w.u16(1).u8(97 + random.below(4));
        writeAmf0(w, random, depth + 1);
      }
      if (!random.oneIn(20)) w.u16(0).u8(9);
      break;
    case 10:
      w.u32(random.oneIn(20) ? random.u32() : count);
      for (let i = 0; i < count; i += 1) writeAmf0(w, random, depth + 1);
      break;
    case 11:
      w.f64(random.u32()).u16(0);
      break;
    case 12:
    case 15:
      w.u32(text.length).bytes(text);
      break;
    case 17:
      w.bytes(generateAmf3(random, depth + 1));
      break;
  }
}

/** One AMF3 value by its markers. */
export function generateAmf3(random: Random, depth: number): Buffer {
  const w = new ByteWriter();
  writeAmf3(w, random, depth);
  return w.finish();
}

function writeAmf3(w: ByteWriter, random: Random, depth: number): void {
  const marker = random.oneIn(40) ? random.below(256) : random.below(depth > 40 ? 7 : 18);
  w.u8(marker);
  const count = random.length(5);
  const item = (): void => writeAmf3(w, random, depth + 1);
  const text = (): void => {
    if (random.oneIn(4)) w.u8(random.below(4) << 1);
    else writeText(w, random.bytes(random.length(8)));
  };
  if (marker === 4) w.u8(random.below(128));
  else if (marker === 5) w.f64(random.u32());
  else if (marker === 6) text();
  else if (marker > 6 && random.oneIn(5)) w.u8(random.below(5) << 1);
  else if (marker === 7 || marker === 11 || marker === 12) writeText(w, random.bytes(count));
  else if (marker === 8) w.u8(1).f64(random.u32());
  else if (marker === 9) {
    w.u8((count << 1) | 1);
    for (let i = random.below(3); i > 0; i -= 1) {
      writeText(w, Buffer.from('n'));
      item();
    }
    w.u8(1);
    for (let i = 0; i < count; i += 1) item();
  } else if (marker === 10) {
    if (random.oneIn(4)) w.u8((random.below(3) << 2) | 1);
    else {
      w.u8((count << 4) | random.pick([3, 3, 11, 7]));
      text();
      for (let i = 0; i < count; i += 1) text();
    }
    for (let i = 0; i < count; i += 1) item();
    w.u8(1);
  } else if (marker >= 13 && marker <= 17) {
    w.u8((count << 1) | 1).u8(0);
    if (marker === 16) text();
    if (marker < 15) w.fill(count * 4, random.u32());
    else if (marker === 15) w.fill(count * 8, random.u32());
    else for (let i = 0; i < count * (marker === 17 ? 2 : 1); i += 1) item();
  }
}

function writeText(w: ByteWriter, bytes: Buffer): void {
  w.u8((bytes.length << 1) | 1).bytes(bytes);
}
