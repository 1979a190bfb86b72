import { Fault } from '../../runtime/fault.ts';
import type { ReadAt, ScanOptions, SegmentScan } from '../fmp4/segment-scan.ts';

/** Walks an FLV segment of `size` bytes, trusting only what a CRC covers. Throws nothing but what `read` throws. */
export async function scanFlv(read: ReadAt, size: number, options: ScanOptions = {}): Promise<SegmentScan> {
  throw new Fault('ERR_FLV_FILE', `not written yet ${read} ${size} ${options}`);
}
