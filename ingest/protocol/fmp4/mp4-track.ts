import { parseAc3Frame, parseEac3Frame } from '../../codec/ac3.ts';
import { av1RecordFrom, parseAv1Record } from '../../codec/av1.ts';
import { type CodecDescription, type DescribedCodec, describeCodec } from '../../codec/describe.ts';
import { normalizeFlacRecord, parseFlacInfo } from '../../codec/flac.ts';
import { DEFAULT_OPUS_HEAD } from '../../codec/opus.ts';
import { normalizeVpRecord, vpRecordFrom } from '../../codec/vp-record.ts';
import { parseVp8Key } from '../../codec/vp8.ts';
import { parseVp9Key } from '../../codec/vp9.ts';
import { encodeConfigBox, sampleEntryType } from './config-box.ts';
import type { HdrMetadata } from './hdr-metadata.ts';
import type { SampleEntry } from './sample-entry.ts';

/** The codecs with an ISO-BMFF mapping here. */
export type Mp4Codec = DescribedCodec;

/** A track of the file. */
export interface Mp4Track {
  /** `track_ID`, from 1. */
  readonly id: number;
  readonly codec: Mp4Codec;
  /** The codec's configuration record as in `ConfigEvent.record`; empty where the codec has none. */
  readonly record: Buffer;
  /** Data of the track's first key frame. VP8, VP9, AC-3, E-AC-3, MP3 and AV1 with an empty record cannot be described without it. */
  readonly firstFrame?: Buffer;
  /** HDR metadata of a video track. */
  readonly hdr?: HdrMetadata;
}

/** Whether the track's record (and first frame, where needed) says all that the header needs. */
export function isDescribable(track: Mp4Track): boolean {
  return describeTrack(track, false) !== undefined;
}

/** The sample entry of a track; undefined where its record or first frame does not say enough. */
export function describeTrack(track: Mp4Track, inBandParameterSets: boolean): SampleEntry | undefined {
  const { codec, firstFrame, hdr } = track;
  const record = recordOf(track);
  if (record === undefined) return undefined;
  const told = describeCodec(codec, record, firstFrame);
  if (told === undefined) return undefined;
  const type = sampleEntryType(codec, inBandParameterSets);
  const config = encodeConfigBox(codec, record, told.sampleRate ?? 0);
  if (isAudio(codec)) {
    const { sampleRate, channels } = told;
    if (sampleRate === undefined) return undefined;
    return { kind: 'audio', type, sampleRate, channels: channels ?? 0, bitsPerSample: bitsOf(track, record), config };
  }
  const size = sizeOf(codec, told);
  return size && { kind: 'video', type, ...size, config, ...(hdr !== undefined && { hdr }) };
}

/** The configuration record as its box holds it, made from the first frame where the publisher sent none. */
function recordOf({ codec, record, firstFrame }: Mp4Track): Buffer | undefined {
  switch (codec) {
    case 'h264':
    case 'h265':
    case 'h266':
    case 'aac':
      return record.length > 0 ? record : undefined;
    case 'av1':
      return parseAv1Record(record)?.sequence !== undefined ? record : firstFrame && av1RecordFrom(firstFrame);
    case 'vp9': {
      const key = firstFrame && parseVp9Key(firstFrame);
      return normalizeVpRecord(record) ?? (key && vpRecordFrom(key));
    }
    case 'vp8': {
      const key = firstFrame && parseVp8Key(firstFrame);
      return normalizeVpRecord(record) ?? (key && vpRecordFrom(key));
    }
    case 'opus':
      return record.length > 0 ? record : DEFAULT_OPUS_HEAD;
    case 'flac':
      return normalizeFlacRecord(record);
    case 'ac3':
      return record.length > 0 ? record : firstFrame && parseAc3Frame(firstFrame)?.record;
    case 'eac3':
      return record.length > 0 ? record : firstFrame && parseEac3Frame(firstFrame)?.record;
    case 'mp3':
      return record.length > 0 ? record : firstFrame?.subarray(0, MP3_HEAD_BYTES);
  }
}

const MP3_HEAD_BYTES = 4;
const DEFAULT_BITS = 16;

function isAudio(codec: Mp4Codec): boolean {
  return AUDIO_CODECS.has(codec);
}

const AUDIO_CODECS = new Set<Mp4Codec>(['aac', 'opus', 'flac', 'ac3', 'eac3', 'mp3']);

/** Width and height; 0 where a parameter set that decoders read for themselves does not tell them to us. */
function sizeOf(codec: Mp4Codec, told: CodecDescription): { width: number; height: number } | undefined {
  const { width, height } = told;
  if (width !== undefined && height !== undefined) return { width: field16(width), height: field16(height) };
  return codec === 'vp8' || codec === 'vp9' ? undefined : { width: 0, height: 0 };
}

function field16(value: number): number {
  return Math.min(value, 0xffff);
}

function bitsOf({ codec }: Mp4Track, record: Buffer): number {
  return (codec === 'flac' ? parseFlacInfo(record)?.bitsPerSample : undefined) ?? DEFAULT_BITS;
}
