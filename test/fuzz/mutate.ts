import type { Random } from './random.ts';

/** Lengths, counts and times where parsers go wrong. */
const EDGES = [
  0, 1, 2, 3, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0xff_fffe, 0xff_ffff, 0x100_0000, 0x7fff_ffff,
  0x8000_0000, 0xffff_fffe, 0xffff_ffff,
];
const MAX_BYTES = 128 * 1024;

type Mutation = (bytes: Buffer, random: Random, others: readonly Buffer[]) => Buffer;

const flipBit: Mutation = (bytes, random) => {
  const at = random.below(bytes.length);
  bytes[at] = (bytes[at] as number) ^ (1 << random.below(8));
  return bytes;
};

const setByte: Mutation = (bytes, random) => {
  bytes[random.below(bytes.length)] = random.oneIn(2) ? random.u32() : random.pick(EDGES);
  return bytes;
};

const setEdge: Mutation = (bytes, random) => {
  const width = random.pick([2, 3, 4]);
  if (bytes.length < width) return bytes;
  bytes.writeUIntBE(random.pick(EDGES) % 256 ** width, random.below(bytes.length - width + 1), width);
  return bytes;
};

const nudge: Mutation = (bytes, random) => {
  const at = random.below(bytes.length);
  bytes[at] = (bytes[at] as number) + random.pick([-1, 1, -4, 4, 11, -11]);
  return bytes;
};

const truncate: Mutation = (bytes, random) => bytes.subarray(0, random.below(bytes.length));

const remove: Mutation = (bytes, random) => {
  const at = random.below(bytes.length);
  return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random.length(64))]);
};

const insert: Mutation = (bytes, random) => {
  const at = random.below(bytes.length);
  const some = random.oneIn(2)
    ? random.bytes(1 + random.length(64))
    : Buffer.alloc(1 + random.length(64), random.u32());
  return Buffer.concat([bytes.subarray(0, at), some, bytes.subarray(at)]);
};

const repeat: Mutation = (bytes, random) => {
  const at = random.below(bytes.length);
  const part = bytes.subarray(at, at + 1 + random.length(200));
  const times = 1 + random.length(Math.min(2000, MAX_BYTES / part.length));
  return Buffer.concat([bytes.subarray(0, at), ...Array.from({ length: times }, () => part), bytes.subarray(at)]);
};

const splice: Mutation = (bytes, random, others) => {
  const other = random.pick(others);
  return Buffer.concat([bytes.subarray(0, random.below(bytes.length)), other.subarray(random.below(other.length + 1))]);
};

const MUTATIONS: readonly Mutation[] = [
  flipBit,
  setByte,
  setByte,
  setEdge,
  setEdge,
  nudge,
  truncate,
  remove,
  insert,
  repeat,
  splice,
];

/** A copy of `seed` with one to eight changes; `others` are what parts may be taken of. */
export function mutate(seed: Buffer, random: Random, others: readonly Buffer[]): Buffer {
  let bytes: Buffer = Buffer.from(seed);
  for (let changes = 1 + random.length(8); changes > 0 && bytes.length > 0; changes -= 1) {
    bytes = random.pick(MUTATIONS)(bytes, random, others);
  }
  return bytes.length > MAX_BYTES ? bytes.subarray(0, MAX_BYTES) : bytes;
}
