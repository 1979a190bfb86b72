import { FLV_DURATION_AT, FLV_FILESIZE_AT } from '../protocol/flv/file.ts';

const TICKS_PER_SECOND = 90_000;

/** Bytes to overwrite when all of a file is known. */
export interface Patch {
  readonly offset: number;
  readonly bytes: Buffer;
}

/** An FLV file's duration (90 kHz ticks) and size, which stand at its start and are known only at its end. */
export function flvPatches(durationTicks: number, fileBytes: number): readonly Patch[] {
  return [
    { offset: FLV_DURATION_AT, bytes: f64(durationTicks / TICKS_PER_SECOND) },
    { offset: FLV_FILESIZE_AT, bytes: f64(fileBytes) },
  ];
}

function f64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  return bytes;
}
