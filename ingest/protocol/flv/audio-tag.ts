import { ByteReader, NeedMoreBytes } from '../../bytes/byte-reader.ts';
import { ByteWriter } from '../../bytes/byte-writer.ts';
import { ProtocolError } from '../protocol-error.ts';
import { type Multitrack, readModifiers, readParts, writeEnhanced } from './enhanced-tag.ts';
import { type AudioFourCc, audioFourCc, fourCcNumber } from './four-cc.ts';

/** Codecs of FLV's first years, by number: PCM (0, 3), ADPCM (1), Nellymoser (4–6), A-law (7), µ-law (8), Speex (11). */
export type LegacyAudioCodec = `flv-audio-${number}`;

/** What an audio message holds (E-RTMP v2 AudioPacketType). */
export type AudioPacket = 'sequenceStart' | 'codedFrames' | 'sequenceEnd' | 'multichannelConfig';
const PACKETS: readonly (AudioPacket | undefined)[] = [
  'sequenceStart',
  'codedFrames',
  'sequenceEnd',
  undefined,
  'multichannelConfig',
];

/** One track's share of an audio message. */
export interface AudioPart {
  /** 0…255. */
  readonly trackId: number;
  /** Undefined: a FourCC that Enhanced RTMP does not define. */
  readonly codec: AudioFourCc | LegacyAudioCodec | undefined;
  /** Configuration record, coded frame or channel layout: a view. */
  readonly data: Buffer;
}

/** The body of an audio message, or of an FLV audio tag. */
export interface AudioTag {
  /** Undefined: the header of Enhanced RTMP. Else FLV's own first byte: format, rate, sample size, channels. */
  readonly legacyByte: number | undefined;
  readonly packet: AudioPacket;
  /** 0…999,999 ns to be added to the presentation time. */
  readonly nanos: number;
  readonly multitrack: Multitrack | undefined;
  readonly parts: readonly AudioPart[];
}

const MULTITRACK_PACKET = 5;
const EX_HEADER = 9;
const AAC = 10;
/** FLV's sound formats that have a FourCC now: MP3 (2; 14 at 8 kHz), AAC, and Opus, a private id of Chinese servers, without a header of its own. */
const NAMED = new Map<number, AudioFourCc>([
  [2, '.mp3'],
  [AAC, 'mp4a'],
  [13, 'Opus'],
  [14, '.mp3'],
]);
/** 12 and 15 are what drones send by mistake. */
const LEGACY = new Set([0, 1, 3, 4, 5, 6, 7, 8, 11]);

/**
 * Parses an audio message body (FLV 10.1 §E.4.2, E-RTMP v2 §"Enhanced Audio"). Payloads are views of it.
 * @throws ProtocolError ERR_FLV_TRUNCATED, ERR_FLV_UNSUPPORTED, ERR_FLV_MULTITRACK
 */
export function parseAudioTag(body: Buffer): AudioTag {
  try {
    const r = new ByteReader(body);
    const first = r.u8();
    return first >> 4 === EX_HEADER ? readEnhanced(r, first) : readLegacy(r, first);
  } catch (error) {
    if (error instanceof NeedMoreBytes) throw new ProtocolError('ERR_FLV_TRUNCATED', 'audio', { cause: error });
    throw error;
  }
}

function readLegacy(r: ByteReader, first: number): AudioTag {
  const format = first >> 4;
  const codec = NAMED.get(format) ?? (LEGACY.has(format) ? (`flv-audio-${format}` as const) : undefined);
  if (codec === undefined) throw new ProtocolError('ERR_FLV_UNSUPPORTED', `sound format ${format}`);
  const type = format === AAC ? r.u8() : 1;
  if (type > 1) throw new ProtocolError('ERR_FLV_UNSUPPORTED', `AAC packet type ${type}`);
  const parts = [{ trackId: 0, codec, data: r.rest() }];
  return { legacyByte: first, packet: PACKETS[type]!, nanos: 0, multitrack: undefined, parts };
}

function readEnhanced(r: ByteReader, first: number): AudioTag {
  const { packetType, nanos } = readModifiers(r, first & 15);
  const tag = readParts(r, packetType, MULTITRACK_PACKET, nanos);
  const packet = PACKETS[tag.packetType];
  if (packet === undefined) throw new ProtocolError('ERR_FLV_UNSUPPORTED', `audio packet type ${tag.packetType}`);
  const parts = tag.parts.map(({ trackId, fourCc, data }) => ({ trackId, codec: audioFourCc(fourCc), data }));
  return { legacyByte: undefined, packet, nanos, multitrack: tag.multitrack, parts };
}

/** Encodes a tag body: the reverse of `parseAudioTag`, for tags whose codecs are known. */
export function encodeAudioTag(tag: AudioTag): Buffer {
  const w = new ByteWriter(tag.parts.reduce((sum, { data }) => sum + data.length + 8, 7));
  const packetType = PACKETS.indexOf(tag.packet);
  if (tag.legacyByte !== undefined) {
    w.u8(tag.legacyByte);
    if (tag.legacyByte >> 4 === AAC) w.u8(packetType);
    return w.bytes(tag.parts[0]!.data).finish();
  }
  const { nanos, multitrack } = tag;
  const parts = tag.parts.map(({ trackId, codec, data }) => ({ trackId, fourCc: fourCcNumber(codec!), data }));
  writeEnhanced(w, EX_HEADER << 4, MULTITRACK_PACKET, { packetType, nanos, multitrack, parts });
  return w.finish();
}
