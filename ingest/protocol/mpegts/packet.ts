/** Every transport packet has this many bytes and begins with this one (ISO 13818-1 §2.4.3.2). */
export const PACKET_BYTES = 188;
export const SYNC_BYTE = 0x47;
/** Bytes in front of a packet's adaptation field or payload. */
export const PACKET_HEADER_BYTES = 4;
/** Packets of this PID are stuffing. */
export const NULL_PID = 0x1fff;
export const PIDS = 0x2000;

/** How many packets in a row have to begin with the sync byte before it is believed. */
const SYNC_RUN = 3;
/** Bytes are kept in blocks of this size, which packets never straddle. */
const BLOCK_BYTES = 64 * 1024;

/** Takes what {@link PacketSync} finds. */
export interface PacketHandler {
  /** Whole packets one behind the other in `bytes[from, to)`, which nobody changes afterwards: views of it may be kept. */
  onPackets(bytes: Buffer, from: number, to: number): void;
  /** A packet did not begin where one had to: bytes are skipped up to the next that do. */
  onSyncLost(): void;
}

/**
 * Finds transport packets in a stream of bytes, however it is cut: encoders send messages that are no multiple of 188 bytes (Larix and
 * others on links with a small MTU). Copies each byte once, into blocks that are its handler's to keep.
 */
export class PacketSync {
  readonly #handler: PacketHandler;
  #block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  /** Bytes of the block that have come but are not handed on: [from, to). */
  #from = 0;
  #to = 0;
  #isLocked = false;

  constructor(handler: PacketHandler) {
    this.#handler = handler;
  }

  push(bytes: Buffer): void {
    if (this.#to + bytes.length > this.#block.length) this.#openBlock(bytes.length);
    this.#to += bytes.copy(this.#block, this.#to);
    this.#read(false);
  }

  /** Bytes are missing here: what is left of the packet under way is given up, and the sync byte has to be found anew. */
  break(): void {
    this.#read(true);
    this.#from = this.#to;
    this.#isLocked = false;
  }

  #openBlock(incoming: number): void {
    const left = this.#to - this.#from;
    const block = Buffer.allocUnsafeSlow(Math.max(BLOCK_BYTES, left + incoming));
    this.#block.copy(block, 0, this.#from, this.#to);
    this.#block = block;
    this.#from = 0;
    this.#to = left;
  }

  #read(isLast: boolean): void {
    while (this.#isLocked || this.#lock(isLast)) {
      const block = this.#block;
      const from = this.#from;
      const limit = this.#to - PACKET_BYTES;
      let at = from;
      while (at <= limit && block[at] === SYNC_BYTE) at += PACKET_BYTES;
      this.#from = at;
      if (at > from) this.#handler.onPackets(block, from, at);
      if (at > limit) return;
      this.#isLocked = false;
      this.#handler.onSyncLost();
    }
  }

  /** Moves to where packets begin. False where more bytes have to tell; `isLast`: none will come. */
  #lock(isLast: boolean): boolean {
    for (; this.#from < this.#to; this.#from++) {
      let inRow = 0;
      let at = this.#from;
      while (inRow < SYNC_RUN && at < this.#to && this.#block[at] === SYNC_BYTE) {
        inRow++;
        at += PACKET_BYTES;
      }
      if (inRow === SYNC_RUN || (isLast && inRow > 0 && at >= this.#to)) {
        this.#isLocked = true;
        return true;
      }
      if (at >= this.#to) return false;
    }
    return false;
  }
}
