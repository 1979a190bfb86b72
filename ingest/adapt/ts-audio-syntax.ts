import { AC3_HEADER_BYTES, ac3FrameBytes, isEac3Continuation, parseAc3Frame, parseEac3Frame } from '../codec/ac3.ts';
import { ADTS_HEADER_BYTES, aacConfigOf, readAdtsHeader } from '../codec/adts.ts';
import { type LatmConfig, LOAS_HEADER_BYTES, loasFrameBytes, readLatm } from '../codec/latm.ts';
import { mp3RecordFrom, parseMp3Frame } from '../codec/mp3.ts';
import type { AudioCodec } from '../media/media-event.ts';

/** A frame as its header describes it. */
export interface AudioFrame {
  /** Bytes of the whole frame, and where its data begins in it. */
  readonly bytes: number;
  readonly dataFrom: number;
  readonly sampleRate: number;
  /** Samples at that rate. */
  readonly samples: number;
  /** The same for all frames of one configuration. */
  readonly format: number;
  /** The data where it does not stand in the stream as it is; empty where it cannot be read. */
  readonly data?: Buffer;
}

/** How one codec's frames are found in a stream. */
export interface AudioSyntax {
  readonly codec: AudioCodec;
  /** Bytes that `read` needs at least. */
  readonly headerBytes: number;
  /** The frame that begins at `bytes[at]`, of which what is before `to` has come; undefined where none does. */
  read(bytes: Buffer, at: number, to: number): AudioFrame | undefined;
  /** The configuration record of the stream that the frame with this data is of. */
  recordOf(data: Buffer, frame: AudioFrame): Buffer | undefined;
}

/** AAC with ADTS headers (ISO 14496-3 §1.A.3.2). Its frames go on without the header. */
export const ADTS: AudioSyntax = {
  codec: 'aac',
  headerBytes: ADTS_HEADER_BYTES,
  read(bytes, at) {
    const header = readAdtsHeader(bytes, at);
    if (header === undefined) return undefined;
    const { headerBytes, frameBytes, sampleRate, samples, format } = header;
    return { bytes: frameBytes, dataFrom: headerBytes, sampleRate, samples, format };
  },
  recordOf: (data, { format }) => aacConfigOf(format, data),
};

/** AAC in LATM with LOAS headers (ISO 14496-3 §1.7), for one stream: its frames may rely on the configuration of earlier ones. */
export function latmSyntax(): AudioSyntax {
  let config: LatmConfig | undefined;
  let format = 0;
  return {
    codec: 'aac',
    headerBytes: LOAS_HEADER_BYTES,
    read(bytes, at, to) {
      const size = loasFrameBytes(bytes, at);
      if (size === undefined) return undefined;
      const end = at + size;
      const element = end <= to ? readLatm(bytes.subarray(at + LOAS_HEADER_BYTES, end), config) : undefined;
      if (element !== undefined && !config?.record.equals(element.config.record)) format++;
      config = element?.config ?? config;
      const { sampleRate = 1, samples = 0 } = config ?? {};
      return { bytes: size, dataFrom: size, sampleRate, samples, format, data: element?.data ?? NOTHING };
    },
    recordOf: () => config?.record,
  };
}

const NOTHING = Buffer.alloc(0);

/** MPEG audio, of which only layer III has a place in the media model. */
export const MPEG_AUDIO: AudioSyntax = {
  codec: 'mp3',
  headerBytes: 4,
  read(bytes, at, to) {
    if (bytes[at] !== 0xff) return undefined;
    const header = parseMp3Frame(bytes.subarray(at, Math.min(at + 4, to)));
    if (header === undefined || header.frameBytes < 4) return undefined;
    const { frameBytes, sampleRate, frameSamples, channels, layer } = header;
    return { bytes: frameBytes, dataFrom: 0, sampleRate, samples: frameSamples, format: 10 * layer + channels };
  },
  recordOf: (data, { format }) => (format > 30 ? mp3RecordFrom(data) : undefined),
};

/** AC-3 and E-AC-3 (ETSI TS 102 366), of which each frame says which it is. */
export function ac3Syntax(codec: 'ac3' | 'eac3'): AudioSyntax {
  const parse = codec === 'ac3' ? parseAc3Frame : parseEac3Frame;
  return {
    codec,
    headerBytes: AC3_HEADER_BYTES,
    read(bytes, at, to) {
      const first = ac3FrameBytes(bytes, at);
      if (first === undefined) return undefined;
      const format = parse(bytes.subarray(at, Math.min(at + first, to)));
      if (format === undefined) return undefined;
      let size = first;
      while (codec === 'eac3' && at + size < to) {
        // What follows may belong to it: not known before its header has come.
        if (at + size + AC3_HEADER_BYTES > to) return frameOf(size + AC3_HEADER_BYTES, format);
        const next = ac3FrameBytes(bytes, at + size);
        if (next === undefined || !isEac3Continuation(bytes, at + size)) break;
        size += next;
      }
      return frameOf(size, format);
    },
    recordOf: (data) => parse(data)?.record,
  };
}

function frameOf(
  bytes: number,
  { sampleRate, frameSamples, channels }: { sampleRate: number; frameSamples: number; channels: number },
): AudioFrame {
  return { bytes, dataFrom: 0, sampleRate, samples: frameSamples, format: channels };
}
