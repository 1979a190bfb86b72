import { parseAvcRecord } from './h264.ts';
import { parseHevcRecord } from './h265.ts';
import { parseVvcRecord } from './h266.ts';
import { joinNalUnits, type NalLengthSize } from './nal-units.ts';

/** Codecs whose decoders can be told of a change by bytes in front of a keyframe. */
const SETS = {
  h264(record: Buffer) {
    const avc = parseAvcRecord(record);
    return avc && { sets: [...avc.sps, ...avc.pps], lengthSize: avc.lengthSize };
  },
  h265(record: Buffer) {
    const hevc = parseHevcRecord(record);
    return hevc && { sets: [...hevc.vps, ...hevc.sps, ...hevc.pps], lengthSize: hevc.lengthSize };
  },
  h266(record: Buffer) {
    const vvc = parseVvcRecord(record);
    return vvc && { sets: [...vvc.vps, ...vvc.sps, ...vvc.pps], lengthSize: vvc.lengthSize };
  },
} as const;

/** The parameter sets of a configuration record, and how long the length prefixes of its stream's NAL units are. */
export interface RecordedSets {
  readonly sets: readonly Buffer[];
  readonly lengthSize: NalLengthSize;
}

/** Reads them; undefined where the record is broken or the codec has none (AV1, VP9 and VP8 keyframes bring their own). */
export function recordedSets(codec: string, record: Buffer): RecordedSets | undefined {
  return codec in SETS ? SETS[codec as keyof typeof SETS](record) : undefined;
}

/** Them in the form that stands in front of a keyframe's data, with the stream's own length prefixes; undefined as with {@link recordedSets}. */
export function inbandParameterSets(codec: string, record: Buffer): Buffer | undefined {
  const recorded = recordedSets(codec, record);
  return recorded && joinNalUnits(recorded.sets, recorded.lengthSize);
}
