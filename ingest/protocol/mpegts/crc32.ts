const POLYNOMIAL = 0x04c11db7;

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 24;
  for (let bit = 0; bit < 8; bit++) crc = crc < 0 ? (crc << 1) ^ POLYNOMIAL : crc << 1;
  return crc >>> 0;
});

/** CRC-32/MPEG-2 of `bytes[from, to)` (ISO 13818-1 annex A): most significant bit first, nothing inverted. Over a section with its CRC: 0. */
export function crc32Mpeg(bytes: Uint8Array, from: number, to: number): number {
  let crc = -1;
  for (let at = from; at < to; at++) crc = (crc << 8) ^ TABLE[((crc >>> 24) ^ bytes[at]!) & 0xff]!;
  return crc >>> 0;
}
