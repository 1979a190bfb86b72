import { Fault } from '../../runtime/fault.ts';
import type { ReadAt, ScanOptions, SegmentScan } from './segment-scan.ts';

/**
 * Walks a fragmented MP4 segment of `size` bytes, trusting only what a CRC covers. Throws nothing but what `read` throws.
 */
export async function scanMp4(read: ReadAt, size: number, options: ScanOptions = {}): Promise<SegmentScan> {
  throw new Fault('ERR_FMP4_TRACK', `not written yet ${read} ${size} ${options}`);
}
