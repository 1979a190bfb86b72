import { crc32 } from 'node:zlib';
import type { ScannedHeader } from './fragment-walk.ts';
import { HEADER_UUID } from './integrity-box.ts';
import { parseDescription } from './segment-description.ts';
import { type ReadAt, readExactly } from './segment-scan.ts';

const BOX_HEAD_BYTES = 8;
const CRC_BYTES = 4;
const MAX_FTYP_BYTES = 1024;
/** A header of many hundred tracks stays below it. */
const MAX_MOOV_BYTES = 4 * 1024 * 1024;

/** Reads and checks `ftyp moov` at the start of a file of `size` bytes; a string says why it is not whole. */
export async function readInitSegment(read: ReadAt, size: number): Promise<ScannedHeader | string> {
  const ftypBytes = await boxBytes(read, 0, size, 'ftyp', MAX_FTYP_BYTES);
  if (typeof ftypBytes === 'string') return ftypBytes;
  const moovBytes = await boxBytes(read, ftypBytes, size, 'moov', MAX_MOOV_BYTES);
  if (typeof moovBytes === 'string') return moovBytes;
  const bytes = ftypBytes + moovBytes;
  const header = await readExactly(read, 0, bytes, size);
  if (header === undefined) return 'the header is cut off';
  const boxAt = lastChild(header, ftypBytes + BOX_HEAD_BYTES);
  if (boxAt === undefined) return 'the header has no description';
  if (crc32(header.subarray(0, bytes - CRC_BYTES)) !== header.readUInt32BE(bytes - CRC_BYTES)) {
    return 'wrong CRC of the header';
  }
  const jsonAt = boxAt + BOX_HEAD_BYTES + HEADER_UUID.length;
  const description = parseDescription(header.toString('utf8', jsonAt, bytes - CRC_BYTES));
  if (description === undefined) return 'the description in the header cannot be read';
  return { bytes, crc: tracksCrc(header, ftypBytes, boxAt), description };
}

/**
 * CRC-32 of a header without what differs between segments of the same tracks: the size of `moov` and the description at `descriptionAt`.
 * `moovAt`: where `moov` starts.
 */
export function tracksCrc(header: Buffer, moovAt: number, descriptionAt: number): number {
  return crc32(header.subarray(moovAt + CRC_BYTES, descriptionAt), crc32(header.subarray(0, moovAt)));
}

async function boxBytes(read: ReadAt, at: number, size: number, type: string, limit: number): Promise<number | string> {
  const head = await readExactly(read, at, BOX_HEAD_BYTES, size);
  if (head === undefined) return 'the header is cut off';
  const bytes = head.readUInt32BE(0);
  if (head.toString('latin1', 4, 8) !== type || bytes < BOX_HEAD_BYTES || bytes > limit) return `no ${type} at ${at}`;
  return at + bytes > size ? 'the header is cut off' : bytes;
}

/** Offset of the last box from `at` on, when it is our description. */
function lastChild(header: Buffer, at: number): number | undefined {
  for (let child = at; child + BOX_HEAD_BYTES <= header.length; ) {
    const bytes = header.readUInt32BE(child);
    if (bytes < BOX_HEAD_BYTES || child + bytes > header.length) return undefined;
    const uuidAt = child + BOX_HEAD_BYTES;
    const isOurs =
      bytes >= BOX_HEAD_BYTES + HEADER_UUID.length + CRC_BYTES &&
      header.toString('latin1', child + 4, uuidAt) === 'uuid' &&
      header.subarray(uuidAt, uuidAt + HEADER_UUID.length).equals(HEADER_UUID);
    if (child + bytes === header.length) return isOurs ? child : undefined;
    child += bytes;
  }
  return undefined;
}
