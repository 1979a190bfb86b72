import { avcRecordFrom } from './h264-record.ts';
import { hevcRecordFrom } from './h265-record.ts';
import { vvcRecordFrom } from './h266-record.ts';
import { NAL_SYNTAX, type NalCodec } from './nal-syntax.ts';

/** Types of VPS, SPS and PPS; H.264 has no VPS. */
const TYPES = { h264: [-1, 7, 8], h265: [32, 33, 34], h266: [14, 15, 16] } as const;
/** Sets of one type that a record may hold: what H.264's has bits for, SPSs being the fewest. */
const MAX_SETS = 31;
/** Longest parameter set that is kept: real ones have some tens of bytes. */
const MAX_SET_BYTES = 4096;

/** The parameter sets that a stream brings in-band, and the configuration record they make. */
export class ParameterCollection {
  readonly #codec: NalCodec;
  /** By id, for each of the types. */
  readonly #sets = [new Map<number, Buffer>(), new Map<number, Buffer>(), new Map<number, Buffer>()] as const;
  #record: Buffer | undefined;
  #isChanged = false;

  constructor(codec: NalCodec) {
    this.#codec = codec;
  }

  /** Keeps a parameter set unless it is known: a copy. What cannot be one is not kept. */
  note(unit: Buffer): void {
    const { typeOf, parameterSetId, headerBytes } = NAL_SYNTAX[this.#codec];
    if (unit.length <= headerBytes || unit.length > MAX_SET_BYTES) return;
    const sets = this.#sets[TYPES[this.#codec].indexOf(typeOf(unit, 0) as never)];
    const id = parameterSetId(unit);
    if (sets === undefined || id === undefined || id > 0xff) return;
    if (sets.get(id)?.equals(unit)) return;
    if (!sets.has(id) && sets.size === MAX_SETS) return;
    sets.set(id, Buffer.from(unit));
    this.#isChanged = true;
  }

  /** Whether all of the unit's bytes are in {@link record} as it was made last. */
  has(unit: Buffer): boolean {
    return this.#record?.includes(unit) ?? false;
  }

  /** The record of what is known; the same Buffer as long as nothing changes; undefined while it is incomplete. */
  get record(): Buffer | undefined {
    if (!this.#isChanged) return this.#record;
    this.#isChanged = false;
    const [vps, sps, pps] = this.#sets.map((sets) => [...sets].sort(([a], [b]) => a - b).map(([, unit]) => unit));
    const make = {
      h264: () => avcRecordFrom(sps!, pps!),
      h265: () => hevcRecordFrom(vps!, sps!, pps!),
      h266: () => vvcRecordFrom(vps!, sps!, pps!),
    };
    const record = make[this.#codec]();
    if (record !== undefined && !this.#record?.equals(record)) this.#record = record;
    return this.#record;
  }
}
