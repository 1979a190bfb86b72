import { RefusedHandshake } from './rejection.ts';

/** What a side can do (SRT draft §3.2.1.1.1). */
export const HANDSHAKE_FLAGS = {
  tsbpdSend: 0x01,
  tsbpdReceive: 0x02,
  crypt: 0x04,
  tooLateDrop: 0x08,
  periodicNak: 0x10,
  retransmitFlag: 0x20,
  /** File mode. */
  stream: 0x40,
  packetFilter: 0x80,
} as const;

/** The block that every handshake of version 5 has: HSREQ or HSRSP. */
export interface HsBlock {
  /** As 0x010503 for 1.5.3. */
  readonly version: number;
  /** `HANDSHAKE_FLAGS`. */
  readonly flags: number;
  /** How long its sender wants to hold back what it receives. */
  readonly receiveLatencyMs: number;
  /** The least that its sender wants its peer to hold back. */
  readonly sendLatencyMs: number;
}

/** Extension blocks of a conclusion that we know. */
export interface Extensions {
  readonly hs?: HsBlock;
  /** Key message, or the word that says why there is none. */
  readonly key?: Buffer;
  readonly streamId?: string;
  /** Name of the congestion control: `live`, or file mode. */
  readonly congestion?: string;
  /** Forward error correction is wanted. */
  readonly packetFilter?: true;
  /** Bonding is wanted. */
  readonly group?: true;
}

type BlockName = keyof Extensions;

const BLOCK = {
  hsRequest: 1,
  hsResponse: 2,
  keyRequest: 3,
  keyResponse: 4,
  streamId: 5,
  congestion: 6,
  packetFilter: 7,
  group: 8,
} as const;

const HS_BYTES = 12;
/** Bytes of a stream id, as in libsrt. */
const MAX_STREAM_ID_BYTES = 512;

/**
 * Blocks of a conclusion, `request` or `response` of it (SRT draft §3.2.1.1): type and length in 4-byte words, 16 bits each, then the data.
 * Unknown types are skipped; a block of type 0 without data is padding.
 * @throws RefusedHandshake ERR_SRT_HANDSHAKE, or ERR_SRT_STREAM_ID for one that is too long.
 */
export function parseExtensions(bytes: Buffer, side: 'request' | 'response'): Extensions {
  const found: { -readonly [K in keyof Extensions]: Extensions[K] } = {};
  const wanted = side === 'request' ? REQUEST_BLOCKS : RESPONSE_BLOCKS;
  for (let at = 0; at + 4 <= bytes.length; ) {
    const type = bytes.readUInt16BE(at);
    const length = bytes.readUInt16BE(at + 2) * 4;
    at += 4;
    if (type === 0 && length === 0) break;
    if (length > bytes.length - at) throw malformed(`a block of type ${type} goes past the end`);
    const data = bytes.subarray(at, at + length);
    at += length;
    const name = wanted.get(type);
    if (name === undefined) continue;
    if (found[name] !== undefined) throw malformed(`two blocks of type ${type}`);
    if (name === 'hs') found.hs = parseHs(data);
    else if (name === 'key') found.key = data;
    else if (name === 'streamId') found.streamId = parseStreamId(data);
    else if (name === 'congestion') found.congestion = parseText(data);
    else found[name] = true;
  }
  return found;
}

const CONFIG_BLOCKS: readonly (readonly [number, BlockName])[] = [
  [BLOCK.streamId, 'streamId'],
  [BLOCK.congestion, 'congestion'],
  [BLOCK.packetFilter, 'packetFilter'],
  [BLOCK.group, 'group'],
];
const REQUEST_BLOCKS: ReadonlyMap<number, BlockName> = new Map([
  [BLOCK.hsRequest, 'hs'],
  [BLOCK.keyRequest, 'key'],
  ...CONFIG_BLOCKS,
]);
const RESPONSE_BLOCKS: ReadonlyMap<number, BlockName> = new Map([
  [BLOCK.hsResponse, 'hs'],
  [BLOCK.keyResponse, 'key'],
  ...CONFIG_BLOCKS,
]);

/** Blocks in the order of libsrt, ready to follow the fixed part. */
export function encodeExtensions(
  extensions: Pick<Extensions, 'hs' | 'key' | 'streamId'>,
  side: 'request' | 'response',
): Buffer {
  const isRequest = side === 'request';
  const { hs, key, streamId } = extensions;
  const blocks: Buffer[] = [];
  if (hs) blocks.push(block(isRequest ? BLOCK.hsRequest : BLOCK.hsResponse, encodeHs(hs)));
  if (key) blocks.push(block(isRequest ? BLOCK.keyRequest : BLOCK.keyResponse, key));
  if (streamId) blocks.push(block(BLOCK.streamId, swapWords(Buffer.from(streamId))));
  return Buffer.concat(blocks);
}

function block(type: number, data: Buffer): Buffer {
  const bytes = Buffer.alloc(4 + data.length);
  bytes.writeUInt16BE(type, 0);
  bytes.writeUInt16BE(data.length / 4, 2);
  data.copy(bytes, 4);
  return bytes;
}

/**
 *   0 version · 4 flags · 8 receive latency, latency asked of the peer (16 bits each, ms)
 */
function parseHs(data: Buffer): HsBlock {
  if (data.length < HS_BYTES) throw malformed(`the SRT block has ${data.length} bytes`);
  return {
    version: data.readUInt32BE(0),
    flags: data.readUInt32BE(4),
    receiveLatencyMs: data.readUInt16BE(8),
    sendLatencyMs: data.readUInt16BE(10),
  };
}

function encodeHs({ version, flags, receiveLatencyMs, sendLatencyMs }: HsBlock): Buffer {
  const data = Buffer.alloc(HS_BYTES);
  data.writeUInt32BE(version, 0);
  data.writeUInt32BE(flags, 4);
  data.writeUInt16BE(receiveLatencyMs, 8);
  data.writeUInt16BE(sendLatencyMs, 10);
  return data;
}

function parseStreamId(data: Buffer): string {
  if (data.length > MAX_STREAM_ID_BYTES) {
    const what = `stream id: it is longer than ${MAX_STREAM_ID_BYTES} bytes`;
    throw new RefusedHandshake('ERR_SRT_STREAM_ID', 'badRequest', what);
  }
  return parseText(data);
}

/** Texts are padded with NUL and stored as words of x86: each four bytes stand in reverse. */
function parseText(data: Buffer): string {
  const text = swapWords(data);
  let end = text.length;
  while (end > 0 && text[end - 1] === 0) end -= 1;
  return text.toString('utf8', 0, end);
}

/** A copy padded to whole words, the bytes of each word in reverse. */
function swapWords(bytes: Buffer): Buffer {
  const words = Buffer.alloc(Math.ceil(bytes.length / 4) * 4);
  bytes.copy(words);
  return words.swap32();
}

function malformed(what: string): RefusedHandshake {
  return new RefusedHandshake('ERR_SRT_HANDSHAKE', 'rogue', what);
}
