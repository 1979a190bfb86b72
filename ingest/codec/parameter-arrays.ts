import type { ByteWriter } from '../bytes/byte-writer.ts';

/** All that there are of its type, as configuration records say it. */
const IS_COMPLETE = 0x80;

/** The arrays of parameter sets, by NAL unit type, that end an hvcC and a vvcC (ISO 14496-15 §8.3.2.1, §11.2.4.2); empty ones are left out. */
export function writeParameterArrays(w: ByteWriter, arrays: readonly (readonly [number, readonly Buffer[]])[]): void {
  const present = arrays.filter(([, units]) => units.length > 0);
  w.u8(present.length);
  for (const [type, units] of present) {
    w.u8(IS_COMPLETE | type).u16(units.length);
    for (const unit of units) w.u16(unit.length).bytes(unit);
  }
}
