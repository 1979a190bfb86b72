import { crc32 } from 'node:zlib';
import type { FragmentMark } from './integrity-box.ts';
import type { StoredDescription } from './segment-description.ts';

/** Reads `length` bytes at `offset` of the file; fewer only at its end. */
export type ReadAt = (offset: number, length: number) => Buffer | Promise<Buffer>;

/** A fragment whose CRC is right, with what its mark says; `sequence` from 1 in the file. */
export interface ScannedFragment extends FragmentMark {
  readonly offset: number;
  /** With its mark: the next fragment starts at offset + bytes. */
  readonly bytes: number;
}

/** Bytes that belong to no whole fragment, and why. */
export interface Damage {
  readonly offset: number;
  readonly bytes: number;
  readonly why: string;
}

/** What a scan found in a segment file, fragmented MP4 or FLV. */
export interface SegmentScan {
  /** Bytes of the header (`ftyp moov`; in FLV up to and with the mark after the sequence headers); 0 when it is missing or damaged: then nothing of the file is usable. */
  readonly headerBytes: number;
  /** CRC-32 of those bytes as they are in the file. */
  readonly headerCrc: number;
  readonly description: StoredDescription | undefined;
  /** In file order. Without `salvage` they lie gapless after the header. */
  readonly fragments: readonly ScannedFragment[];
  /** Bytes from the file's start that are whole: cut here to keep a playable file. 0 without a header. */
  readonly validBytes: number;
  /** What is not whole, in file order; empty for an intact file. */
  readonly damage: readonly Damage[];
}

/** How to scan. */
export interface ScanOptions {
  /** Go on past damaged bytes, looking for later whole fragments; else the first damage ends the scan. */
  readonly salvage?: boolean;
}

/** Bytes per read of a scan: its whole memory. */
const WINDOW_BYTES = 1024 * 1024;

/** `length` bytes at `offset` of a file of `size` bytes; undefined where they go past its end. `length` must have met a limit before. */
export async function readExactly(
  read: ReadAt,
  offset: number,
  length: number,
  size: number,
): Promise<Buffer | undefined> {
  if (offset + length > size) return undefined;
  const bytes = await read(offset, length);
  return bytes.length === length ? bytes : undefined;
}

/** CRC-32 of `length` bytes at `offset`, going on from `crc`; undefined where the file ends before. */
export async function sumBytes(read: ReadAt, offset: number, length: number, crc: number): Promise<number | undefined> {
  let sum = crc;
  for (let done = 0; done < length; ) {
    const bytes = await read(offset + done, Math.min(WINDOW_BYTES, length - done));
    if (bytes.length === 0) return undefined;
    sum = crc32(bytes, sum);
    done += bytes.length;
  }
  return sum;
}

/** Offset of the first `pattern` at or after `from` in a file of `size` bytes. */
export async function findBytes(
  read: ReadAt,
  pattern: Buffer,
  from: number,
  size: number,
): Promise<number | undefined> {
  for await (const at of findAll(read, pattern, from, size)) return at;
  return undefined;
}

/** Offsets of every `pattern` at or after `from` in a file of `size` bytes; each byte is read about once, however many there are. */
export async function* findAll(
  read: ReadAt,
  pattern: Buffer,
  from: number,
  size: number,
): AsyncGenerator<number, void, undefined> {
  for (let at = from; at + pattern.length <= size; ) {
    const bytes = await read(at, Math.min(WINDOW_BYTES, size - at));
    if (bytes.length < pattern.length) return;
    for (let found = bytes.indexOf(pattern); found >= 0; found = bytes.indexOf(pattern, found + 1)) yield at + found;
    at += bytes.length - pattern.length + 1;
  }
}

/** A file under a scan. */
export interface ScanSource {
  readonly read: ReadAt;
  /** For heads and marks: small reads that lie close together are served out of one larger one. */
  readonly readHead: ReadAt;
  /** Bytes of the file. */
  readonly size: number;
}

/** The file that `read` reads. */
export function scanSource(read: ReadAt, size: number): ScanSource {
  return { read, readHead: cachedRead(read, size), size };
}

const CACHE_BYTES = 64 * 1024;

function cachedRead(read: ReadAt, size: number): ReadAt {
  let cacheAt = 0;
  let cache: Buffer = Buffer.alloc(0);
  return async (offset, length) => {
    if (offset < cacheAt || offset + length > cacheAt + cache.length) {
      cache = await read(offset, Math.min(Math.max(CACHE_BYTES, length), size - offset));
      cacheAt = offset;
    }
    return cache.subarray(offset - cacheAt, offset - cacheAt + length);
  };
}

/**
 * What a search for later fragments may still sum up: a few times the file. Media can hold the bytes of many false marks, each
 * claiming a long fragment; without a bound, checking them all takes time in the square of the file's size.
 */
export class ScanBudget {
  #left: number;

  constructor(fileBytes: number) {
    this.#left = fileBytes * 4;
  }

  /** Whether `bytes` more may be read. */
  spend(bytes: number): boolean {
    this.#left -= bytes;
    return this.#left >= 0;
  }
}
