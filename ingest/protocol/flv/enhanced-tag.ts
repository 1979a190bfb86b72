import type { ByteReader } from '../../bytes/byte-reader.ts';
import type { ByteWriter } from '../../bytes/byte-writer.ts';
import { ProtocolError } from '../protocol-error.ts';

/**
 * How a multitrack message is laid out (E-RTMP v2, AvMultitrackType): one track; many tracks of one codec; many tracks, each with its own.
 */
export type Multitrack = 'one' | 'many' | 'manyCodecs';
const MULTITRACK: readonly Multitrack[] = ['one', 'many', 'manyCodecs'];

/** One track's share of an enhanced message. */
export interface EnhancedPart {
  /** 0…255; 0 where the message is not multitrack. */
  readonly trackId: number;
  /** As the big-endian number it is on the wire. */
  readonly fourCc: number;
  /** What follows, a view. */
  readonly data: Buffer;
}

/** The grammar that enhanced audio and video messages share. */
export interface EnhancedTag {
  /** The packet type proper: neither Multitrack nor ModEx. */
  readonly packetType: number;
  /** TimestampOffsetNano: 0…999,999 ns to be added to the presentation time. */
  readonly nanos: number;
  readonly multitrack: Multitrack | undefined;
  readonly parts: readonly EnhancedPart[];
}

const PACKET_MODEX = 7;
const MODEX_NANOS = 0;
const MAX_NANOS = 999_999;
/** Most tracks in one message: as many as there are ids. Bounds what zero-sized parts can make us allocate. */
const MAX_PARTS = 256;

/**
 * Reads the packet type modifiers (ModEx) that may stand behind the first byte (E-RTMP v2 §"ExVideoTagHeader").
 * @throws NeedMoreBytes
 */
export function readModifiers(r: ByteReader, firstPacketType: number): { packetType: number; nanos: number } {
  let packetType = firstPacketType;
  let nanos = 0;
  while (packetType === PACKET_MODEX) {
    let size = r.u8() + 1;
    if (size === 256) size = r.u16() + 1;
    const data = r.view(size);
    const next = r.u8();
    packetType = next & 15;
    if (next >> 4 === MODEX_NANOS && size >= 3) nanos = data.readUIntBE(0, 3);
  }
  return { packetType, nanos: nanos <= MAX_NANOS ? nanos : 0 };
}

/**
 * Reads FourCCs, track ids and sizes up to the end of the message. `multitrackType` is the packet type that means Multitrack: 6 in video,
 * 5 in audio. @throws NeedMoreBytes, ProtocolError ERR_FLV_MULTITRACK
 */
export function readParts(r: ByteReader, packetType: number, multitrackType: number, nanos: number): EnhancedTag {
  if (packetType !== multitrackType) {
    const fourCc = r.u32();
    return { packetType, nanos, multitrack: undefined, parts: [{ trackId: 0, fourCc, data: r.rest() }] };
  }
  const byte = r.u8();
  const multitrack = MULTITRACK[byte >> 4];
  const inner = byte & 15;
  if (multitrack === undefined || inner === multitrackType || inner === PACKET_MODEX) {
    throw new ProtocolError('ERR_FLV_MULTITRACK', `multitrack type ${byte >> 4} with packet type ${inner}`);
  }
  const shared = multitrack === 'manyCodecs' ? undefined : r.u32();
  const parts: EnhancedPart[] = [];
  do {
    if (parts.length === MAX_PARTS) throw new ProtocolError('ERR_FLV_MULTITRACK', `more than ${MAX_PARTS} tracks`);
    const fourCc = shared ?? r.u32();
    const trackId = r.u8();
    const data = r.view(multitrack === 'one' ? r.left : r.u24());
    parts.push({ trackId, fourCc, data });
  } while (r.left > 0);
  return { packetType: inner, nanos, multitrack, parts };
}

/** Writes an enhanced message: the reverse of `readModifiers` and `readParts`. `high` is what the first byte has above its packet type. */
export function writeEnhanced(w: ByteWriter, high: number, multitrackType: number, tag: EnhancedTag): void {
  const outer = tag.multitrack === undefined ? tag.packetType : multitrackType;
  if (tag.nanos > 0) {
    w.u8(high | PACKET_MODEX).u8(2);
    w.u24(tag.nanos).u8((MODEX_NANOS << 4) | outer);
  } else {
    w.u8(high | outer);
  }
  if (tag.multitrack !== undefined) w.u8((MULTITRACK.indexOf(tag.multitrack) << 4) | tag.packetType);
  const isShared = tag.multitrack !== 'manyCodecs';
  if (isShared) w.u32(tag.parts[0]!.fourCc);
  for (const { fourCc, trackId, data } of tag.parts) {
    if (!isShared) w.u32(fourCc);
    if (tag.multitrack !== undefined) w.u8(trackId);
    if (tag.multitrack !== undefined && tag.multitrack !== 'one') w.u24(data.length);
    w.bytes(data);
  }
}
