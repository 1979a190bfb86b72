import type { ProtocolFault } from '../protocol-error.ts';

/** Up to the header's length (ISO 13818-1 §2.4.3.6). */
const FIXED_HEADER = 9;
/** Bytes that PES_packet_length does not count. */
const UNCOUNTED = 6;
/** Stream ids whose packets have no header fields: program stream map, padding, private 2, ECM, EMM, DSM-CC, H.222.1 E, directory. */
const PLAIN_IDS = new Set([0xbc, 0xbe, 0xbf, 0xf0, 0xf1, 0xf2, 0xf8, 0xff]);
/** Largest unit: what one RTMP message can hold, with room for its header. */
const MAX_UNIT_BYTES = 0xff_ff_ff - 16;
/** Largest blocks of all PIDs of a stream together: one unit of the largest size, which grows by doubling, and much beside it. */
const MAX_BLOCK_BYTES = 64 * 1024 * 1024;
/** Bytes whose start nobody knows. */
const UNBOUNDED = -1;

const NO_BLOCK = Buffer.alloc(0);

/** What one PES packet, or several of which only the first has a time, carried. 33-bit times of 90 kHz; undefined where there was none. */
export interface PesUnit {
  readonly pts: number | undefined;
  readonly dts: number | undefined;
  /** The data is `bytes[from, to)`. Nobody changes it afterwards: it may be kept, and changed. So may the bytes from `floor` on. */
  readonly bytes: Buffer;
  readonly floor: number;
  readonly from: number;
  readonly to: number;
  /** `performance.now()` in ms when its last byte arrived. */
  readonly arrivedAt: number;
}

/** Takes what a {@link PesAssembler} puts together. */
export interface PesHandler {
  onUnit(unit: PesUnit): void;
  /** Bytes are missing. `partial`: what had come of the unit they belong to, where there is one; it may be more than one that is lost. */
  onDamage(partial: PesUnit | undefined, code: ProtocolFault): void;
}

/** When a unit counts as whole: `counted`: with the last byte its length announces; `next`: when another one begins. */
export type UnitEnd = 'counted' | 'next';

/** What the assemblers of one transport stream hold together: each PID may have a large unit, not all of them at once. */
export class PesMemory {
  #bytes = 0;

  /** One block replaces another. False: it would be too much, and nothing is counted. */
  replace(bytes: number, by: number): boolean {
    if (by > bytes && this.#bytes - bytes + by > MAX_BLOCK_BYTES) return false;
    this.#bytes += by - bytes;
    return true;
  }
}

/** Puts the PES packets of one PID together. Copies each byte once, into blocks that hold many units. */
export class PesAssembler {
  readonly #handler: PesHandler;
  readonly #end: UnitEnd;
  readonly #blockBytes: number;
  readonly #memory: PesMemory;
  #block = NO_BLOCK;
  /** A unit is under way. */
  #isOpen = false;
  /** Its header, its data, and the end of what has come. */
  #floor = 0;
  #from = 0;
  #to = 0;
  #pts: number | undefined;
  #dts: number | undefined;
  /** Where the header of the PES packet under way begins; -1 once it is read. */
  #headerAt = -1;
  /** Bytes the PES packet under way still lacks, or {@link UNBOUNDED}. */
  #missing = 0;
  #arrivedAt = 0;
  /** PES packets without a time go on with the unit before them. */
  #hasContinuations = false;
  /** More came than was announced: encoders let lengths of more than 16 bits overflow. */
  #isLengthFalse = false;

  constructor(handler: PesHandler, end: UnitEnd, blockBytes: number, memory: PesMemory) {
    this.#memory = memory;
    this.#handler = handler;
    this.#end = end;
    this.#blockBytes = blockBytes;
  }

  /** Takes the payload `bytes[at, to)` of a packet in which a PES packet begins. */
  begin(bytes: Buffer, at: number, to: number, arrivedAt: number): void {
    if (this.#headerAt >= 0 || (this.#isOpen && this.#missing > 0)) this.damage('ERR_TS_PES');
    if (!this.#reserve(to - at)) return;
    this.#headerAt = this.#to;
    this.#to += bytes.copy(this.#block, this.#to, at, to);
    this.#readHeader(arrivedAt);
  }

  /** Takes the payload of a packet in which none begins. */
  append(bytes: Buffer, at: number, to: number, arrivedAt: number): void {
    if (this.#headerAt < 0 && (!this.#isOpen || (this.#missing === 0 && this.#end === 'counted'))) return;
    if (!this.#reserve(to - at)) return;
    this.#to += bytes.copy(this.#block, this.#to, at, to);
    if (this.#headerAt >= 0) this.#readHeader(arrivedAt);
    else {
      this.#arrivedAt = arrivedAt;
      this.#count(to - at);
    }
  }

  /** Whether `bytes[at, to)` is what the last packet brought: encoders may send one twice. */
  endsWith(bytes: Buffer, at: number, to: number): boolean {
    const size = to - at;
    const from = this.#to - size;
    return from >= 0 && this.#block.compare(bytes, at, to, from, this.#to) === 0;
  }

  /** Packets are missing here, or cannot be read: what is under way is lost unless all of it has come. */
  damage(code: ProtocolFault): void {
    if (this.#headerAt >= 0 && this.#isOpen) this.#finish(this.#headerAt);
    this.#headerAt = -1;
    if (this.#isOpen && this.#missing === 0 && !this.#hasContinuations) this.#finish(this.#to);
    const partial = this.#isOpen ? this.#unit(this.#to) : undefined;
    this.#isOpen = false;
    this.#handler.onDamage(partial, code);
  }

  /** Nothing follows. Whether a unit without a length is whole, `isPadded` tells: its last packet was filled up. */
  end(isPadded: boolean): void {
    const isWhole = this.#missing === 0 || (this.#missing === UNBOUNDED && isPadded);
    if (this.#headerAt >= 0 || (this.#isOpen && !isWhole)) this.damage('ERR_TS_PES');
    else if (this.#isOpen) this.#finish(this.#to);
    this.#release();
  }

  #readHeader(arrivedAt: number): void {
    const block = this.#block;
    const at = this.#headerAt;
    const size = this.#to - at;
    if (size < FIXED_HEADER) return;
    const id = block[at + 3]!;
    const isStart = block[at] === 0 && block[at + 1] === 0 && block[at + 2] === 1;
    if (!isStart || (block[at + 6]! & 0xc0) !== 0x80 || PLAIN_IDS.has(id)) {
      this.#to = at;
      this.damage('ERR_TS_PES');
      return;
    }
    const headerBytes = FIXED_HEADER + block[at + 8]!;
    if (size < headerBytes) return;
    this.#headerAt = -1;
    const length = block.readUInt16BE(at + 4);
    const flags = block[at + 7]! >> 6;
    const hasPts = flags >= 2 && headerBytes >= FIXED_HEADER + 5;
    const hasDts = flags === 3 && headerBytes >= FIXED_HEADER + 10;
    if (!hasPts && this.#isOpen) {
      this.#hasContinuations = true;
      block.copyWithin(at, at + headerBytes, this.#to);
      this.#to -= headerBytes;
    } else {
      if (this.#isOpen) this.#finish(at);
      this.#isOpen = true;
      this.#floor = at;
      this.#from = at + headerBytes;
      this.#pts = hasPts ? readTime(block, at + FIXED_HEADER) : undefined;
      this.#dts = hasDts ? readTime(block, at + FIXED_HEADER + 5) : this.#pts;
    }
    this.#arrivedAt = arrivedAt;
    const isUnbounded = length === 0 || this.#isLengthFalse;
    this.#missing = isUnbounded ? UNBOUNDED : Math.max(0, UNCOUNTED + length - headerBytes);
    this.#count(size - headerBytes);
  }

  /** `bytes` of data have come. */
  #count(bytes: number): void {
    if (bytes > this.#missing && this.#missing !== UNBOUNDED && this.#end === 'next') {
      this.#isLengthFalse = true;
      this.#missing = UNBOUNDED;
    }
    if (this.#missing !== UNBOUNDED) {
      if (bytes > this.#missing) this.#to -= bytes - this.#missing;
      this.#missing = Math.max(0, this.#missing - bytes);
      if (this.#missing === 0 && this.#end === 'counted') this.#finish(this.#to);
    }
    if (this.#to - this.#from > MAX_UNIT_BYTES && this.#isOpen) this.damage('ERR_TS_UNIT_TOO_LARGE');
  }

  #finish(to: number): void {
    this.#isOpen = false;
    this.#handler.onUnit(this.#unit(to));
  }

  #unit(to: number): PesUnit {
    return {
      pts: this.#pts,
      dts: this.#dts,
      bytes: this.#block,
      floor: this.#floor,
      from: this.#from,
      to,
      arrivedAt: this.#arrivedAt,
    };
  }

  /** Makes room; what is under way moves to a new block with it. False: there is too little, and what was under way is lost. */
  #reserve(bytes: number): boolean {
    if (this.#to + bytes <= this.#block.length) return true;
    const keep = this.#isOpen ? this.#floor : this.#headerAt >= 0 ? this.#headerAt : this.#to;
    const left = this.#to - keep;
    const size = Math.max(this.#blockBytes, 2 * (left + bytes));
    if (!this.#memory.replace(this.#block.length, size)) {
      this.damage('ERR_TS_UNIT_TOO_LARGE');
      this.#release();
      return false;
    }
    const block = Buffer.allocUnsafeSlow(size);
    this.#block.copy(block, 0, keep, this.#to);
    this.#block = block;
    this.#floor -= keep;
    this.#from -= keep;
    this.#to = left;
    if (this.#headerAt >= 0) this.#headerAt -= keep;
    return true;
  }

  #release(): void {
    this.#memory.replace(this.#block.length, 0);
    this.#block = NO_BLOCK;
    this.#to = 0;
  }
}

/** ISO 13818-1 §2.4.3.7: 33 bits among markers in five bytes. */
function readTime(bytes: Buffer, at: number): number {
  const high = (bytes[at]! >> 1) & 7;
  const middle = (bytes[at + 1]! << 7) | (bytes[at + 2]! >> 1);
  const low = (bytes[at + 3]! << 7) | (bytes[at + 4]! >> 1);
  return high * 0x4000_0000 + middle * 0x8000 + low;
}
