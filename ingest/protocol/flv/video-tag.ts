import { ByteReader, NeedMoreBytes } from '../../bytes/byte-reader.ts';
import { ByteWriter } from '../../bytes/byte-writer.ts';
import { ProtocolError } from '../protocol-error.ts';
import { type Multitrack, readModifiers, readParts, writeEnhanced } from './enhanced-tag.ts';
import { fourCcNumber, hasCompositionTime, type VideoFourCc, videoFourCc } from './four-cc.ts';

/** Codecs of FLV's first years, by number: Sorenson H.263 (2), Screen (3, 6), VP6 (4, 5). */
export type LegacyVideoCodec = `flv-video-${number}`;

/** What a video message holds (E-RTMP v2 VideoPacketType, by number). A `command` is a hint for seeking players without a body. */
export type VideoPacket =
  | 'sequenceStart'
  | 'codedFrames'
  | 'sequenceEnd'
  | 'codedFramesX'
  | 'metadata'
  | 'mpeg2tsSequenceStart'
  | 'command';
const PACKETS: readonly VideoPacket[] = [
  'sequenceStart',
  'codedFrames',
  'sequenceEnd',
  'codedFramesX',
  'metadata',
  'mpeg2tsSequenceStart',
];

/** One track's share of a video message. */
export interface VideoPart {
  /** 0…255. */
  readonly trackId: number;
  /** Undefined: a FourCC that Enhanced RTMP does not define. */
  readonly codec: VideoFourCc | LegacyVideoCodec | undefined;
  /** PTS − DTS in whole ms; negative ones exist. */
  readonly compositionMs: number;
  /** Configuration record, coded frame or AMF: a view. */
  readonly data: Buffer;
}

/** The body of a video message, or of an FLV video tag. */
export interface VideoTag {
  /** Has the header of Enhanced RTMP; else FLV's own. */
  readonly isEnhanced: boolean;
  /** 1 key, 2 inter, 3 disposable, 4 generated key, 5 command; 0 is seen with metadata. */
  readonly frameType: number;
  readonly packet: VideoPacket;
  /** 0…999,999 ns to be added to the presentation time. */
  readonly nanos: number;
  readonly multitrack: Multitrack | undefined;
  readonly parts: readonly VideoPart[];
}

const MULTITRACK_PACKET = 6;
const COMMAND_FRAME = 5;
/** Legacy codec ids whose tags have AVC's layout: 12 and 13 are private ids of Chinese servers and old ffmpeg forks. */
const AVC_LAYOUT = new Map<number, VideoFourCc>([
  [7, 'avc1'],
  [12, 'hvc1'],
  [13, 'av01'],
]);
const AVC_LAYOUT_ID = new Map([...AVC_LAYOUT].map(([id, fourCc]) => [fourCc, id]));
const FIRST_LEGACY = 2;
const LAST_LEGACY = 6;

/**
 * Parses a video message body (FLV 10.1 §E.4.3, E-RTMP v2 §"Enhanced Video"). Payloads are views of it.
 * @throws ProtocolError ERR_FLV_TRUNCATED, ERR_FLV_UNSUPPORTED, ERR_FLV_MULTITRACK
 */
export function parseVideoTag(body: Buffer): VideoTag {
  try {
    const r = new ByteReader(body);
    const first = r.u8();
    return (first & 0x80) !== 0 ? readEnhanced(r, first) : readLegacy(r, first);
  } catch (error) {
    if (error instanceof NeedMoreBytes) throw new ProtocolError('ERR_FLV_TRUNCATED', 'video', { cause: error });
    throw error;
  }
}

function readLegacy(r: ByteReader, first: number): VideoTag {
  const frameType = first >> 4;
  const id = first & 15;
  if (frameType === COMMAND_FRAME) return command(false);
  const fourCc = AVC_LAYOUT.get(id);
  if (fourCc === undefined) {
    if (id < FIRST_LEGACY || id > LAST_LEGACY) throw new ProtocolError('ERR_FLV_UNSUPPORTED', `video codec id ${id}`);
    return legacy(frameType, 'codedFrames', { trackId: 0, codec: `flv-video-${id}`, compositionMs: 0, data: r.rest() });
  }
  const type = r.u8();
  const packet = PACKETS[type];
  if (packet === undefined || type > 2) throw new ProtocolError('ERR_FLV_UNSUPPORTED', `AVC packet type ${type}`);
  // Some encoders end a sequence with the two bytes alone.
  const compositionMs = packet === 'sequenceEnd' && r.left < 3 ? 0 : r.i24();
  return legacy(frameType, packet, { trackId: 0, codec: fourCc, compositionMs, data: r.rest() });
}

function legacy(frameType: number, packet: VideoPacket, part: VideoPart): VideoTag {
  return { isEnhanced: false, frameType, packet, nanos: 0, multitrack: undefined, parts: [part] };
}

function command(isEnhanced: boolean): VideoTag {
  return { isEnhanced, frameType: COMMAND_FRAME, packet: 'command', nanos: 0, multitrack: undefined, parts: [] };
}

function readEnhanced(r: ByteReader, first: number): VideoTag {
  const frameType = (first >> 4) & 7;
  const { packetType, nanos } = readModifiers(r, first & 15);
  if (frameType === COMMAND_FRAME && PACKETS[packetType] !== 'metadata') return command(true);
  const tag = readParts(r, packetType, MULTITRACK_PACKET, nanos);
  const packet = PACKETS[tag.packetType];
  if (packet === undefined) throw new ProtocolError('ERR_FLV_UNSUPPORTED', `video packet type ${tag.packetType}`);
  const parts = tag.parts.map(({ trackId, fourCc, data }): VideoPart => {
    const codec = videoFourCc(fourCc);
    // A track that has nothing in this message is legal, and then has no composition time either.
    if (packet !== 'codedFrames' || codec === undefined || !hasCompositionTime(codec) || data.length === 0) {
      return { trackId, codec, compositionMs: 0, data };
    }
    if (data.length < 3) throw new ProtocolError('ERR_FLV_TRUNCATED', 'composition time');
    return { trackId, codec, compositionMs: data.readIntBE(0, 3), data: data.subarray(3) };
  });
  return { isEnhanced: true, frameType, packet, nanos, multitrack: tag.multitrack, parts };
}

/** Encodes a tag body: the reverse of `parseVideoTag`, for tags whose codecs are known and which are no commands. */
export function encodeVideoTag(tag: VideoTag): Buffer {
  const w = new ByteWriter(tag.parts.reduce((sum, { data }) => sum + data.length + 11, 7));
  if (!tag.isEnhanced) {
    const { codec, compositionMs, data } = tag.parts[0]!;
    const id = AVC_LAYOUT_ID.get(codec as VideoFourCc);
    w.u8((tag.frameType << 4) | (id ?? Number(codec!.slice('flv-video-'.length))));
    if (id !== undefined) w.u8(PACKETS.indexOf(tag.packet)).u24(compositionMs);
    return w.bytes(data).finish();
  }
  const parts = tag.parts.map(({ trackId, codec, compositionMs, data }) => {
    const isTimed = tag.packet === 'codedFrames' && hasCompositionTime(codec as VideoFourCc);
    const timed =
      isTimed && (data.length > 0 || compositionMs !== 0)
        ? new ByteWriter(data.length + 3).u24(compositionMs).bytes(data).finish()
        : data;
    return { trackId, fourCc: fourCcNumber(codec!), data: timed };
  });
  const { nanos, multitrack } = tag;
  const packetType = PACKETS.indexOf(tag.packet);
  writeEnhanced(w, 0x80 | (tag.frameType << 4), MULTITRACK_PACKET, { packetType, nanos, multitrack, parts });
  return w.finish();
}
