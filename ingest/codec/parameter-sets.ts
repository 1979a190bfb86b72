import { parseAvcRecord } from './h264.ts';
import { parseHevcRecord } from './h265.ts';
import { parseVvcRecord } from './h266.ts';
import { joinNalUnits } from './nal-units.ts';

/** Codecs whose decoders can be told of a change by bytes in front of a keyframe. */
const INBAND = {
  h264(record: Buffer) {
    const avc = parseAvcRecord(record);
    return avc && joinNalUnits([...avc.sps, ...avc.pps], avc.lengthSize);
  },
  h265(record: Buffer) {
    const hevc = parseHevcRecord(record);
    return hevc && joinNalUnits([...hevc.vps, ...hevc.sps, ...hevc.pps], hevc.lengthSize);
  },
  h266(record: Buffer) {
    const vvc = parseVvcRecord(record);
    return vvc && joinNalUnits([...vvc.vps, ...vvc.sps, ...vvc.pps], vvc.lengthSize);
  },
} as const;

/**
 * The parameter sets of a configuration record in the form that stands in front of a keyframe's data, with the stream's own length
 * prefixes; undefined where the record is broken or the codec needs none (AV1, VP9 and VP8 keyframes bring their own).
 */
export function inbandParameterSets(codec: string, record: Buffer): Buffer | undefined {
  return codec in INBAND ? INBAND[codec as keyof typeof INBAND](record) : undefined;
}
