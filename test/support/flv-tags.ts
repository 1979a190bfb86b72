import { readFileSync } from 'node:fs';
import type { MediaMessage } from '../../ingest/protocol/rtmp/media-message.ts';

const FILE_HEADER = Buffer.from([0x46, 0x4c, 0x56, 1, 5, 0, 0, 0, 9, 0, 0, 0, 0]);
const TAG_HEADER_BYTES = 11;
const AUDIO = 8;
const VIDEO = 9;
const SCRIPT = 18;

/** The tags of an FLV file, as the RTMP messages they would be. Written apart from the server's reader. */
export function readFlvTags(file: string): MediaMessage[] {
  const bytes = readFileSync(file);
  const tags: MediaMessage[] = [];
  for (let at = FILE_HEADER.length; at + TAG_HEADER_BYTES <= bytes.length; ) {
    const length = bytes.readUIntBE(at + 1, 3);
    const type = bytes.readUInt8(at) & 0x1f;
    const timestamp = bytes.readUIntBE(at + 4, 3) + bytes.readUInt8(at + 7) * 2 ** 24;
    const body = bytes.subarray(at + TAG_HEADER_BYTES, at + TAG_HEADER_BYTES + length);
    if (type === AUDIO || type === VIDEO || type === SCRIPT) tags.push({ type, timestamp, body });
    at += TAG_HEADER_BYTES + length + 4;
  }
  return tags;
}

/** An FLV file of these tags. */
export function writeFlvTags(tags: readonly MediaMessage[]): Buffer {
  const parts: Buffer[] = [FILE_HEADER];
  for (const { type, timestamp, body } of tags) {
    const header = Buffer.alloc(TAG_HEADER_BYTES);
    header.writeUInt8(type, 0);
    header.writeUIntBE(body.length, 1, 3);
    header.writeUIntBE(timestamp & 0xff_ffff, 4, 3);
    header.writeUInt8(timestamp >>> 24, 7);
    const trailer = Buffer.alloc(4);
    trailer.writeUInt32BE(TAG_HEADER_BYTES + body.length);
    parts.push(header, body, trailer);
  }
  return Buffer.concat(parts);
}

/** What a tag is: `header` configures a decoder, `end` ends a sequence; both carry no frame. `metadata` is of one track (HDR) or of the file. */
export function kindOfFlvTag({ type, body }: MediaMessage): 'header' | 'media' | 'end' | 'metadata' {
  const first = body[0] ?? 0;
  if (type === SCRIPT) return 'metadata';
  if (type === VIDEO) {
    if ((first & 0x80) === 0) return (first & 0x0f) === 7 ? (AVC_KINDS[body[1] ?? 1] ?? 'media') : 'media';
    return VIDEO_KINDS[innerPacketType(body, 6)] ?? 'media';
  }
  if (first >> 4 === 9) return AUDIO_KINDS[innerPacketType(body, 5)] ?? 'media';
  return first >> 4 === 10 && body[1] === 0 ? 'header' : 'media';
}

/** By AVC packet type, and by E-RTMP's video and audio packet types. */
const AVC_KINDS = ['header', 'media', 'end'] as const;
const VIDEO_KINDS = ['header', 'media', 'end', 'media', 'metadata'] as const;
const AUDIO_KINDS = ['header', 'media', 'end', 'media', 'header'] as const;

/** The packet type, of the first track where the message is a multitrack one. */
function innerPacketType(body: Buffer, multitrack: number): number {
  const outer = (body[0] ?? 0) & 0x0f;
  return outer === multitrack ? (body[1] ?? 0) & 0x0f : outer;
}

/** The media of several files one after the other, as one encoder that changes its settings sends it: each with its own headers, times going on. */
export function spliceFlv(files: readonly string[]): MediaMessage[] {
  const all: MediaMessage[] = [];
  let base = 0;
  for (const [index, file] of files.entries()) {
    const tags = readFlvTags(file).filter((tag) => kindOfFlvTag(tag) !== 'end' && !(index > 0 && tag.type === SCRIPT));
    for (const tag of tags) all.push({ ...tag, timestamp: base + tag.timestamp });
    base = Math.max(...all.map((tag) => tag.timestamp)) + 40;
  }
  return all;
}
