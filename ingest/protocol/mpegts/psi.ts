import { ByteReader, NeedMoreBytes } from '../../bytes/byte-reader.ts';
import { crc32Mpeg } from './crc32.ts';

export const PAT_PID = 0;
const TABLE_PAT = 0;
const TABLE_PMT = 2;
/** Table ids of this value fill up a packet. */
const STUFFING = 0xff;
/** table_id and section_length. */
const SECTION_HEAD = 3;
/** From there to the first loop: id, version, section numbers. */
const TABLE_HEAD = 8;
const CRC_BYTES = 4;
/** Longest PAT or PMT section (ISO 13818-1 §2.4.4.4): longer ones are of private tables. */
const MAX_SECTION_BYTES = 1024;

/** One program of a PAT. */
export interface PatEntry {
  readonly program: number;
  readonly pmtPid: number;
}

/** One elementary stream of a PMT. */
export interface PmtStream {
  readonly pid: number;
  /** stream_type (ISO 13818-1 table 2-34). */
  readonly type: number;
  readonly descriptors: readonly Descriptor[];
}

export interface Descriptor {
  readonly tag: number;
  readonly data: Buffer;
}

/** What a PMT says. */
export interface Pmt {
  readonly program: number;
  readonly pcrPid: number;
  readonly streams: readonly PmtStream[];
}

/** Puts one PID's sections together (ISO 13818-1 §2.4.4.1). */
export class SectionAssembler {
  readonly #bytes = Buffer.allocUnsafe(MAX_SECTION_BYTES);
  /** Bytes of the section under way; -1 while the next start is waited for. */
  #length = -1;

  /** Takes the payload `bytes[from, to)` of a packet; hands each section that it ends to `onSection`, as a view that is valid during the call. */
  push(bytes: Buffer, from: number, to: number, hasStart: boolean, onSection: (section: Buffer) => void): void {
    let at = from;
    if (hasStart) {
      const start = from + 1 + bytes[from]!;
      if (start > to) {
        this.reset();
        return;
      }
      this.#append(bytes, from + 1, start, onSection);
      this.#length = 0;
      at = start;
    }
    while (at < to && this.#length >= 0) at = this.#append(bytes, at, to, onSection);
    if (this.#length === 0) this.reset(); // the next section is announced by a pointer
  }

  /** A packet is missing. */
  reset(): void {
    this.#length = -1;
  }

  /** Appends up to the section's end; says how far it came. */
  #append(bytes: Buffer, from: number, to: number, onSection: (section: Buffer) => void): number {
    let at = from;
    while (this.#length >= 0 && this.#length < SECTION_HEAD && at < to) {
      if (this.#length === 0 && bytes[at] === STUFFING) {
        this.reset();
        return to;
      }
      this.#bytes[this.#length++] = bytes[at++]!;
    }
    if (this.#length < SECTION_HEAD) return at;
    const size = SECTION_HEAD + (this.#bytes.readUInt16BE(1) & 0xfff);
    if (size > MAX_SECTION_BYTES) {
      this.reset();
      return to;
    }
    const take = Math.min(size - this.#length, to - at);
    bytes.copy(this.#bytes, this.#length, at, at + take);
    this.#length += take;
    if (this.#length === size) {
      this.#length = 0;
      onSection(this.#bytes.subarray(0, size));
    }
    return at + take;
  }
}

/** What a section of a PAT or PMT turned out to be. */
export type Section =
  | { readonly kind: 'pat'; readonly programs: readonly PatEntry[] }
  | ({ readonly kind: 'pmt' } & Pmt)
  /** Of another table, or not in force yet. */
  | { readonly kind: 'other' }
  /** Cut short, or its CRC is wrong. */
  | { readonly kind: 'broken' };

/** Reads a section that is the only one of its table, as these two are in practice. What it keeps of the bytes is copied. */
export function parseSection(section: Buffer): Section {
  const table = section[0]!;
  if (table !== TABLE_PAT && table !== TABLE_PMT) return { kind: 'other' };
  const isTooShort = section.length < TABLE_HEAD + CRC_BYTES;
  if (isTooShort || crc32Mpeg(section, 0, section.length) !== 0) return { kind: 'broken' };
  if ((section[5]! & 1) === 0) return { kind: 'other' }; // current_next_indicator: to come
  const body = Buffer.from(section.subarray(TABLE_HEAD, -CRC_BYTES));
  try {
    return table === TABLE_PAT ? readPat(body) : readPmt(body, section.readUInt16BE(3));
  } catch (error) {
    if (error instanceof NeedMoreBytes) return { kind: 'broken' };
    throw error;
  }
}

/** ISO 13818-1 §2.4.4.3. Program 0 is the network's own. */
function readPat(body: Buffer): Section {
  const r = new ByteReader(body);
  const programs: PatEntry[] = [];
  while (r.left >= 4) {
    const program = r.u16();
    const pmtPid = r.u16() & 0x1fff;
    if (program !== 0) programs.push({ program, pmtPid });
  }
  return { kind: 'pat', programs };
}

/** ISO 13818-1 §2.4.4.8. */
function readPmt(body: Buffer, program: number): Section {
  const r = new ByteReader(body);
  const pcrPid = r.u16() & 0x1fff;
  r.skip(r.u16() & 0xfff);
  const streams: PmtStream[] = [];
  while (r.left >= 5) {
    const type = r.u8();
    const pid = r.u16() & 0x1fff;
    streams.push({ type, pid, descriptors: readDescriptors(r.view(r.u16() & 0xfff)) });
  }
  return { kind: 'pmt', program, pcrPid, streams };
}

function readDescriptors(bytes: Buffer): Descriptor[] {
  const r = new ByteReader(bytes);
  const descriptors: Descriptor[] = [];
  while (r.left >= 2) {
    const tag = r.u8();
    const data = r.view(Math.min(r.u8(), r.left));
    descriptors.push({ tag, data });
  }
  return descriptors;
}
