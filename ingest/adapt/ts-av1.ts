import { findNalUnits } from '../codec/annex-b.ts';
import { av1RecordFrom, isAv1Key, withoutTemporalDelimiter } from '../codec/av1.ts';
import { rbspOf } from '../codec/nal-units.ts';
import type { PesUnit } from '../protocol/mpegts/pes.ts';
import type { TrackOutput } from './track-output.ts';
import type { TsTrack } from './ts-track.ts';

/**
 * AV1, one temporal unit a PES packet. AOM's draft ("Carriage of AV1 in MPEG-2 TS") puts start codes before the OBUs and emulation prevention
 * into them; ffmpeg 9 sends them as they are. The first bytes tell which: no OBU begins with a zero byte.
 */
export class Av1Track implements TsTrack {
  readonly output: TrackOutput;
  readonly #bounds: number[] = [];

  constructor(output: TrackOutput) {
    this.output = output;
  }

  onUnit(unit: PesUnit): void {
    if (unit.dts === undefined || unit.from === unit.to) {
      this.output.skip('ERR_TS_PES');
      return;
    }
    const data = withoutTemporalDelimiter(this.#obusOf(unit));
    if (data.length === 0) return;
    const key = isAv1Key(data);
    if (key) {
      const record = av1RecordFrom(data);
      if (record !== undefined) this.output.configure('av1', record);
    }
    if (this.output.config === undefined) this.output.skip('ERR_TS_NO_KEYFRAME');
    else this.output.frame({ dts: unit.dts, pts: unit.pts!, key, data, arrivedAt: unit.arrivedAt });
  }

  onDamage(partial: PesUnit | undefined): void {
    this.output.lose(partial?.dts);
  }

  #obusOf({ bytes, from, to }: PesUnit): Buffer {
    if (bytes[from] !== 0) return bytes.subarray(from, to);
    const count = findNalUnits(bytes, from, to, this.#bounds);
    const obus: Buffer[] = [];
    for (let i = 0; i < count; i++) {
      obus.push(rbspOf(bytes.subarray(this.#bounds[2 * i]!, this.#bounds[2 * i + 1]!), 0));
    }
    return Buffer.concat(obus);
  }
}
