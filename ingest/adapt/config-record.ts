import { parseAacConfig } from '../codec/aac.ts';
import { parseAc3Frame, parseEac3Frame } from '../codec/ac3.ts';
import { av1RecordFrom, parseAv1Record } from '../codec/av1.ts';
import { normalizeFlacRecord, parseFlacInfo } from '../codec/flac.ts';
import { parseAvcRecord } from '../codec/h264.ts';
import { parseHevcRecord } from '../codec/h265.ts';
import { parseVvcRecord } from '../codec/h266.ts';
import { mp3RecordFrom, parseMp3Frame } from '../codec/mp3.ts';
import { DEFAULT_OPUS_HEAD, parseOpusHead } from '../codec/opus.ts';
import { normalizeVpRecord, vpRecordFrom } from '../codec/vp-record.ts';
import { parseVp8Key } from '../codec/vp8.ts';
import { parseVp9Key } from '../codec/vp9.ts';
import type { Codec } from '../media/media-event.ts';

/** A codec with its configuration record; `later`: the record has to be made of the first frame a decoder can start with. */
export type ReadConfig = { readonly codec: Codec; readonly record: Buffer | 'later' };

const NO_RECORD = Buffer.alloc(0);

/** Reads what a sequence start announces; undefined where no decoder could start with it. */
export function readConfig(codec: Codec, payload: Buffer): ReadConfig | undefined {
  switch (codec) {
    case 'h264':
      if (parseAvcRecord(payload)) return { codec, record: payload };
      // OBS before 29.1 sent HEVC under AVC's codec id.
      return parseHevcRecord(payload) && { codec: 'h265', record: payload };
    case 'h265':
      return parseHevcRecord(payload) && { codec, record: payload };
    case 'h266':
      return parseVvcRecord(payload) && { codec, record: payload };
    case 'av1':
      if (payload.length > 0 && parseAv1Record(payload) === undefined) return undefined;
      return { codec, record: parseAv1Record(payload)?.sequence ? payload : 'later' };
    case 'vp9':
    case 'vp8':
      return { codec, record: normalizeVpRecord(payload) ?? 'later' };
    case 'aac':
      return parseAacConfig(payload) && { codec, record: payload };
    case 'opus':
      if (payload.length === 0) return { codec, record: DEFAULT_OPUS_HEAD };
      return parseOpusHead(payload) && { codec, record: payload };
    case 'flac': {
      const record = normalizeFlacRecord(payload);
      return record && { codec, record };
    }
    default:
      return { codec, record: 'later' };
  }
}

/** Makes the record of a codec whose sequence start has none, or had none; undefined where this frame does not tell. */
export function recordFromFrame(codec: Codec, frame: Buffer): Buffer | undefined {
  switch (codec) {
    case 'av1':
      return av1RecordFrom(frame);
    case 'vp9': {
      const key = parseVp9Key(frame);
      return key && vpRecordFrom(key);
    }
    case 'vp8': {
      const key = parseVp8Key(frame);
      return key && vpRecordFrom(key);
    }
    case 'opus':
      return DEFAULT_OPUS_HEAD;
    case 'ac3':
      return parseAc3Frame(frame)?.record;
    case 'eac3':
      return parseEac3Frame(frame)?.record;
    case 'mp3':
      return parseMp3Frame(frame) && mp3RecordFrom(frame);
    default:
      return typeof codec === 'string' ? undefined : NO_RECORD;
  }
}

/** Whether two records of one codec ask for the same decoder, though they may differ in what they say of the stream's size or rate. */
export function isSameRecord(codec: Codec, a: Buffer, b: Buffer): boolean {
  switch (codec) {
    case 'eac3':
      return a.subarray(2).equals(b.subarray(2)); // in front of it stands the bit rate, which may vary
    case 'flac': {
      // ffmpeg ends with a sequence start that has frame sizes, length and MD5 filled in: no reason to start a segment.
      const [before, after] = [parseFlacInfo(a), parseFlacInfo(b)];
      if (before === undefined || after === undefined) return false;
      return (
        before.sampleRate === after.sampleRate &&
        before.channels === after.channels &&
        before.bitsPerSample === after.bitsPerSample &&
        before.maxBlockSize === after.maxBlockSize
      );
    }
    default:
      return a.equals(b);
  }
}

/** Whether both name the same codec. */
export function isSameCodec(a: Codec | undefined, b: Codec): boolean {
  if (a === undefined || typeof a === 'string' || typeof b === 'string') return a === b;
  return a.unknown === b.unknown;
}
