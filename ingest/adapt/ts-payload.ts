import { ADTS_HEADER_BYTES, adtsHeaderOf, writeAdtsHeader } from '../codec/adts.ts';
import { byteStreamSize, writeByteStream } from '../codec/annex-b.ts';
import { NAL_SYNTAX, type NalCodec } from '../codec/nal-syntax.ts';
import { joinNalUnits, type NalLengthSize } from '../codec/nal-units.ts';
import { parseOpusHead } from '../codec/opus.ts';
import { recordedSets } from '../codec/parameter-sets.ts';
import type { Codec, FrameEvent } from '../media/media-event.ts';
import { opusHeaderBytes, writeOpusHeader } from '../protocol/mpegts/opus-unit.ts';
import { EXTENSION_OPUS, TAG_DVB_EXTENSION, TAG_REGISTRATION } from '../protocol/mpegts/stream-kind.ts';

/** How one track's frames become the data of PES packets. Made for one configuration record. */
export interface TsPayload {
  /** stream_type, descriptors and stream id of the PES packets; of the last, the number of the stream is still to be added. */
  readonly type: number;
  readonly descriptors: Buffer;
  readonly streamId: number;
  /** Bytes that {@link write} makes of a frame. */
  size(frame: FrameEvent): number;
  /** Writes them at `out[0…)`. */
  write(out: Buffer, frame: FrameEvent): void;
}

const VIDEO_ID = 0xe0;
const AUDIO_ID = 0xc0;
const PRIVATE_ID = 0xbd;
const NO_DESCRIPTORS = Buffer.alloc(0);

/** What carries the codec in a transport stream; undefined where there is no mapping that players know (VP8, VP9, AV1, FLAC), or none for this record. */
export function tsPayloadOf(codec: Codec, record: Buffer): TsPayload | undefined {
  switch (codec) {
    case 'h264':
      return nalPayload(codec, record, 0x1b, NO_DESCRIPTORS);
    case 'h265':
      return nalPayload(codec, record, 0x24, registration('HEVC'));
    case 'h266':
      return nalPayload(codec, record, 0x33, registration('VVC '));
    case 'aac':
      return aacPayload(record);
    case 'mp3': {
      const isMpeg1 = (record[1]! & 0x18) === 0x18;
      return wholeFrames(isMpeg1 ? 0x03 : 0x04, NO_DESCRIPTORS, AUDIO_ID);
    }
    case 'ac3':
      return wholeFrames(0x81, registration('AC-3'), PRIVATE_ID);
    case 'eac3':
      return wholeFrames(0x87, registration('EAC3'), PRIVATE_ID);
    case 'opus':
      return opusPayload(record);
    default:
      return undefined;
  }
}

/** ISO 13818-1 §2.6.8. */
function registration(name: string): Buffer {
  return Buffer.concat([Buffer.from([TAG_REGISTRATION, 4]), Buffer.from(name, 'latin1')]);
}

function wholeFrames(type: number, descriptors: Buffer, streamId: number): TsPayload {
  return {
    ...{ type, descriptors, streamId },
    size: ({ data }) => data.length,
    write: (out, { data }) => void data.copy(out),
  };
}

function aacPayload(record: Buffer): TsPayload | undefined {
  const header = adtsHeaderOf(record);
  if (header === undefined) return undefined;
  return {
    ...{ type: 0x0f, descriptors: NO_DESCRIPTORS, streamId: AUDIO_ID },
    size: ({ data }) => ADTS_HEADER_BYTES + data.length,
    write: (out, { data }) => void data.copy(out, writeAdtsHeader(out, 0, header, data.length)),
  };
}

function opusPayload(record: Buffer): TsPayload | undefined {
  const head = parseOpusHead(record);
  if (head === undefined || head.channels > 8) return undefined;
  const code = head.mappingFamily === 255 ? 0 : head.channels;
  const descriptors = Buffer.concat([registration('Opus'), Buffer.from([TAG_DVB_EXTENSION, 2, EXTENSION_OPUS, code])]);
  return {
    ...{ type: 0x06, descriptors, streamId: PRIVATE_ID },
    size: ({ data }) => opusHeaderBytes(data.length) + data.length,
    write: (out, { data }) => void data.copy(out, writeOpusHeader(out, 0, data.length)),
  };
}

/** A byte stream: an access unit delimiter first, which decoders rely on, and parameter sets before each keyframe that has none. */
function nalPayload(codec: NalCodec, record: Buffer, type: number, descriptors: Buffer): TsPayload | undefined {
  const recorded = recordedSets(codec, record);
  if (recorded === undefined) return undefined;
  const { lengthSize } = recorded;
  const sets = joinNalUnits(recorded.sets, 4);
  const { delimiter, keyDelimiter } = NAL_SYNTAX[codec];
  const begin = { key: joinNalUnits([keyDelimiter], 4), other: joinNalUnits([delimiter], 4) };
  return {
    ...{ type, descriptors, streamId: VIDEO_ID },
    size({ data, key }) {
      const { bodyFrom, hasSets } = frontOf(codec, data, lengthSize, key);
      const front = begin.key.length + (hasSets ? 0 : sets.length);
      return front + byteStreamSize(data.subarray(bodyFrom), lengthSize);
    },
    write(out, { data, key }) {
      const { bodyFrom, hasSets } = frontOf(codec, data, lengthSize, key);
      let at = writeByteStream(out, 0, key ? begin.key : begin.other, 4);
      if (!hasSets) at = writeByteStream(out, at, sets, 4);
      writeByteStream(out, at, data.subarray(bodyFrom), lengthSize);
    },
  };
}

/** What stands in front of an access unit's slices already: a delimiter gives way to ours, and only keyframes need parameter sets. */
function frontOf(codec: NalCodec, data: Buffer, lengthSize: NalLengthSize, key: boolean) {
  const syntax = NAL_SYNTAX[codec];
  let bodyFrom = 0;
  for (let at = 0; at + lengthSize + syntax.headerBytes < data.length; ) {
    const role = syntax.roleOf(data, at + lengthSize);
    const next = at + lengthSize + data.readUIntBE(at, lengthSize);
    if (at === 0 && role === 'delimiter') bodyFrom = Math.min(next, data.length);
    else if (role === 'parameters') return { bodyFrom, hasSets: true };
    else if (role !== 'front') break;
    if (!key) break;
    at = next;
  }
  return { bodyFrom, hasSets: !key };
}
