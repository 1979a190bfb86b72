import { BitReader } from '../bytes/bit-reader.ts';
import { ByteWriter } from '../bytes/byte-writer.ts';
import { attempt } from './attempt.ts';
import { rbspOf } from './nal-units.ts';

/** Profiles whose avcC ends with chroma format and bit depths (ISO 14496-15 §5.3.3.1.2). */
const HIGH_PROFILES = new Set([100, 110, 122, 144, 244, 44, 118, 128]);

/** An avcC payload with lengths of four bytes, out of NAL units; undefined where the SPS is cut short. */
export function avcRecordFrom(sps: readonly Buffer[], pps: readonly Buffer[]): Buffer | undefined {
  const first = sps[0];
  if (first === undefined || first.length < 4 || pps.length === 0) return undefined;
  const w = new ByteWriter();
  w.u8(1).bytes(first.subarray(1, 4)).u8(0xff);
  w.u8(0xe0 | sps.length);
  for (const unit of sps) w.u16(unit.length).bytes(unit);
  w.u8(pps.length);
  for (const unit of pps) w.u16(unit.length).bytes(unit);
  if (HIGH_PROFILES.has(first[1]!)) {
    const format = attempt(() => readFormat(new BitReader(rbspOf(first, 4))));
    if (format === undefined) return undefined;
    w.u8(0xfc | format.chroma)
      .u8(0xf8 | format.lumaDepth)
      .u8(0xf8 | format.chromaDepth)
      .u8(0);
  }
  return w.finish();
}

/** ISO 14496-10 §7.3.2.1.1, from seq_parameter_set_id on; depths minus 8. */
function readFormat(r: BitReader): { chroma: number; lumaDepth: number; chromaDepth: number } {
  r.ue();
  const chroma = r.ue() & 3;
  if (chroma === 3) r.skip(1);
  return { chroma, lumaDepth: r.ue() & 7, chromaDepth: r.ue() & 7 };
}
