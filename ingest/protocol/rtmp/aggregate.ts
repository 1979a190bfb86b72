import { ByteReader } from '../../bytes/byte-reader.ts';

const TAG_HEADER_BYTES = 11;

/**
 * The messages in an aggregate (RTMP 1.0 §7.1.6), a row of FLV tags each followed by a back pointer:
 *
 *   type u8 | size u24 | time u24, its top byte u8 | stream u24 | body | back pointer u32
 *
 * Times are counted from the aggregate's own: that of the first tag stands for `timestamp`. Bodies are views of `body`.
 * Returns false if a tag goes past the end; those before it have been emitted. A last back pointer may be missing.
 */
export function splitAggregate(
  timestamp: number,
  body: Buffer,
  emit: (type: number, timestamp: number, body: Buffer) => void,
): boolean {
  const r = new ByteReader(body);
  let offset: number | undefined;
  while (r.left > 0) {
    if (r.left < TAG_HEADER_BYTES) return false;
    const type = r.u8() & 0x1f;
    const size = r.u24();
    const low = r.u24();
    const time = r.u8() * 0x100_0000 + low;
    r.skip(3);
    if (size > r.left) return false;
    offset ??= timestamp - time;
    emit(type, (time + offset) >>> 0, r.view(size));
    r.skip(Math.min(4, r.left));
  }
  return true;
}
