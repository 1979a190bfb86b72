import { aacProfileName, parseAacConfig } from './aac.ts';
import { type Ac3Format, parseAc3Record, parseEac3Record } from './ac3.ts';
import { av1CodecString, av1ProfileName, parseAv1Record } from './av1.ts';
import { normalizeFlacRecord, parseFlacInfo } from './flac.ts';
import { avcCodecString, avcProfileName, parseAvcRecord } from './h264.ts';
import { parseH264Sps } from './h264-sps.ts';
import { hevcCodecString, hevcProfileName, parseHevcRecord } from './h265.ts';
import { parseH265Sps } from './h265-sps.ts';
import { parseH266Sps, parseVvcRecord, vvcCodecString, vvcProfileName } from './h266.ts';
import { parseMp3Frame } from './mp3.ts';
import { OPUS_SAMPLE_RATE, opusPacketSamples, parseOpusHead } from './opus.ts';
import type { VideoFormat } from './video-format.ts';
import { parseVpRecord, vpCodecString } from './vp-record.ts';
import { parseVp8Key } from './vp8.ts';
import { parseVp9Key } from './vp9.ts';

/** What there is to say of a track. A field is absent where neither record nor frame tells. */
export interface CodecDescription {
  /** RFC 6381, as in `codecs=`: `avc1.64001f`, `mp4a.40.2`. */
  readonly codecString: string;
  /** For people: `High 4.1`, `HE-AAC`; empty where there is none. */
  readonly profile: string;
  /** Pixels. */
  readonly width?: number;
  readonly height?: number;
  /** Frames in a second, as the stream declares it. */
  readonly fps?: number;
  /** Hz and channels that come out of the decoder. */
  readonly sampleRate?: number;
  readonly channels?: number;
  /** Samples in an ordinary frame, at `sampleRate`. */
  readonly frameSamples?: number;
}

type Describe = (record: Buffer, frame: Buffer | undefined) => CodecDescription | undefined;

const DESCRIBE = {
  h264(record) {
    const avc = parseAvcRecord(record);
    return avc && { codecString: avcCodecString(avc), profile: avcProfileName(avc), ...parseH264Sps(avc.sps[0]!) };
  },
  h265(record) {
    const hevc = parseHevcRecord(record);
    return (
      hevc && { codecString: hevcCodecString(hevc), profile: hevcProfileName(hevc), ...parseH265Sps(hevc.sps[0]!) }
    );
  },
  h266(record) {
    const vvc = parseVvcRecord(record);
    if (vvc === undefined) return undefined;
    const max = vvc.ptl && { width: vvc.ptl.maxWidth, height: vvc.ptl.maxHeight };
    return { codecString: vvcCodecString(vvc), profile: vvcProfileName(vvc), ...(parseH266Sps(vvc.sps[0]!) ?? max) };
  },
  av1(record) {
    const av1 = parseAv1Record(record);
    if (av1 === undefined) return undefined;
    return { codecString: av1CodecString(av1), profile: av1ProfileName(av1), ...sizeOf(av1.sequence) };
  },
  vp9: (record, frame) => describeVp('vp09', record, frame && parseVp9Key(frame)),
  vp8: (record, frame) => describeVp('vp08', record, frame && parseVp8Key(frame)),
  aac(record) {
    const aac = parseAacConfig(record);
    if (aac === undefined) return undefined;
    const { sampleRate, channels, frameSamples } = aac;
    const codecString = `mp4a.40.${aac.objectType}`;
    return { codecString, profile: aacProfileName(aac), sampleRate, channels, frameSamples };
  },
  opus(record, frame) {
    const head = parseOpusHead(record);
    if (head === undefined) return undefined;
    const frameSamples = (frame && opusPacketSamples(frame)) || 960;
    return { codecString: 'opus', profile: '', sampleRate: OPUS_SAMPLE_RATE, channels: head.channels, frameSamples };
  },
  flac(record) {
    const info = parseFlacInfo(normalizeFlacRecord(record) ?? record);
    if (info === undefined) return undefined;
    const { sampleRate, channels, maxBlockSize, bitsPerSample } = info;
    return { codecString: 'fLaC', profile: `${bitsPerSample} bit`, sampleRate, channels, frameSamples: maxBlockSize };
  },
  ac3: (record) => describeAc3('ac-3', parseAc3Record(record)),
  eac3: (record) => describeAc3('ec-3', parseEac3Record(record)),
  mp3(record, frame) {
    const mp3 = parseMp3Frame(record) ?? (frame && parseMp3Frame(frame));
    if (mp3 === undefined) return undefined;
    const { sampleRate, channels, frameSamples } = mp3;
    // Object types 0x6b and 0x69: MPEG-1 and MPEG-2 audio.
    const codecString = mp3.version === 1 ? 'mp4a.6B' : 'mp4a.69';
    return { codecString, profile: `layer ${mp3.layer}`, sampleRate, channels, frameSamples };
  },
} as const satisfies Record<string, Describe>;

/** Codecs that can be described. */
export type DescribedCodec = keyof typeof DESCRIBE;

/**
 * Describes a track by its configuration record and, where it is at hand, by a frame: VP8 and VP9 have their size only in key frames,
 * Opus its frame length only in packets. Undefined where the record is broken; never throws.
 */
export function describeCodec(codec: DescribedCodec, record: Buffer, frame?: Buffer): CodecDescription | undefined {
  return DESCRIBE[codec](record, frame);
}

function describeVp(
  fourCc: 'vp08' | 'vp09',
  bytes: Buffer,
  key: VideoFormat | undefined,
): CodecDescription | undefined {
  const record = parseVpRecord(bytes);
  return record && { codecString: vpCodecString(fourCc, record), profile: `profile ${record.profile}`, ...sizeOf(key) };
}

function describeAc3(codecString: string, format: Ac3Format | undefined): CodecDescription | undefined {
  return format && { codecString, profile: '', ...format };
}

function sizeOf(format: VideoFormat | undefined): Partial<VideoFormat> {
  if (format === undefined) return {};
  const { width, height, fps } = format;
  return { width, height, ...(fps !== undefined && { fps }) };
}
