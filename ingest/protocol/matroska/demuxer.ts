import { ByteReader } from '../../bytes/byte-reader.ts';
import type { ProtocolFault } from '../protocol-error.ts';
import { elements, ID, MAX_HEAD_BYTES, unsigned, vintBytes, vintValue } from './element.ts';
import { DEFAULT_SCALE, type MatroskaTrack, readTimestampScale, readTracks } from './track.ts';

/** Largest block: what one RTMP message can hold, with room for its header. */
const MAX_BLOCK_BYTES = 0xff_ff_ff - 16;
/** Largest description of the segment or its tracks. */
const MAX_HEADER_BYTES = 1024 * 1024;

/** One frame (RFC 9559 §10). */
export interface MatroskaFrame {
  /** Track number. */
  readonly track: number;
  /** When it is shown, nanoseconds. */
  readonly nanos: number;
  readonly data: Buffer;
}

/** Takes what {@link MatroskaDemuxer} finds. */
export interface MatroskaHandler {
  onTracks(tracks: readonly MatroskaTrack[]): void;
  onFrame(frame: MatroskaFrame): void;
  /** Bytes are missing or cannot be read: whatever follows the last frames of all tracks, up to the next cluster, is lost. */
  onDamage(code: ProtocolFault): void;
  onSkipped(code: ProtocolFault): void;
}

/** Elements that are read as a whole, with the most bytes each may have. */
const READ_WHOLE = new Map<number, number>([
  [ID.info, MAX_HEADER_BYTES],
  [ID.tracks, MAX_HEADER_BYTES],
  [ID.timestamp, 8],
  [ID.simpleBlock, MAX_BLOCK_BYTES],
  [ID.blockGroup, MAX_BLOCK_BYTES],
]);
/** Masters whose contents are read like what stands beside them: their sizes, which live streams leave open, do not matter. */
const ENTERED: ReadonlySet<number> = new Set([ID.segment, ID.cluster]);

/** Reads a live Matroska or WebM stream (RFC 9559), however it is cut. Pure. Copies each block once. */
export class MatroskaDemuxer {
  readonly #handler: MatroskaHandler;
  readonly #head = Buffer.alloc(MAX_HEAD_BYTES);
  #headLength = 0;
  /** The element under way, and how much of it has come. */
  #id = 0;
  #body: Buffer | undefined;
  #bodyLength = 0;
  /** Bytes of an element that nobody reads. */
  #skip = 0;
  /** Out of step: the next cluster is looked for, in whose id this much has been matched. */
  #isSearching = false;
  #last = 0;
  /** The cluster was found by its id alone: its timestamp has to follow. */
  #isDoubtful = false;
  #scale = DEFAULT_SCALE;
  #clusterTime: number | undefined;

  constructor(handler: MatroskaHandler) {
    this.#handler = handler;
  }

  push(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#isSearching) at = this.#search(bytes, at);
      else if (this.#skip > 0) {
        const skipped = Math.min(this.#skip, bytes.length - at);
        this.#skip -= skipped;
        at += skipped;
      } else if (this.#body !== undefined) at = this.#fill(this.#body, bytes, at);
      else at = this.#readHead(bytes, at);
    }
  }

  /** Bytes are missing here. */
  lost(): void {
    this.#damage('ERR_MATROSKA_LOST');
  }

  #damage(code: ProtocolFault): void {
    this.#handler.onDamage(code);
    this.#isSearching = true;
    this.#last = 0;
    this.#headLength = 0;
    this.#body = undefined;
    this.#skip = 0;
    this.#clusterTime = undefined;
  }

  /** A cluster, or a stream that begins anew. */
  #search(bytes: Buffer, from: number): number {
    let at = from;
    while (at < bytes.length) {
      this.#last = ((this.#last << 8) | bytes[at++]!) >>> 0;
      if (this.#last !== ID.cluster && this.#last !== ID.ebml) continue;
      this.#head.writeUInt32BE(this.#last);
      this.#headLength = 4;
      this.#isSearching = false;
      this.#isDoubtful = this.#last === ID.cluster;
      break;
    }
    return at;
  }

  #readHead(bytes: Buffer, from: number): number {
    let at = from;
    while (at < bytes.length) {
      this.#head[this.#headLength++] = bytes[at++]!;
      const idBytes = vintBytes(this.#head[0]!);
      if (idBytes === 0 || idBytes > 4) {
        this.#damage('ERR_MATROSKA_BROKEN');
        return at;
      }
      if (this.#headLength <= idBytes) continue;
      const sizeBytes = vintBytes(this.#head[idBytes]!);
      if (sizeBytes === 0) {
        this.#damage('ERR_MATROSKA_BROKEN');
        return at;
      }
      if (this.#headLength < idBytes + sizeBytes) continue;
      this.#headLength = 0;
      this.#begin(this.#head.readUIntBE(0, idBytes), vintValue(this.#head, idBytes));
      return at;
    }
    return at;
  }

  #begin(id: number, size: number | undefined): void {
    const isDoubtful = this.#isDoubtful;
    this.#isDoubtful &&= id === ID.cluster;
    if (isDoubtful && id !== ID.cluster && id !== ID.timestamp) {
      this.#damage('ERR_MATROSKA_BROKEN');
      return;
    }
    if (id === ID.cluster) this.#clusterTime = undefined;
    if (ENTERED.has(id)) return;
    const limit = READ_WHOLE.get(id);
    if (size === undefined || (limit !== undefined && size > limit)) {
      this.#damage(size === undefined ? 'ERR_MATROSKA_BROKEN' : 'ERR_MATROSKA_TOO_LARGE');
    } else if (limit === undefined) this.#skip = size;
    else {
      this.#id = id;
      this.#body = Buffer.allocUnsafeSlow(size);
      this.#bodyLength = 0;
      if (size === 0) this.#fill(this.#body, NOTHING, 0);
    }
  }

  #fill(body: Buffer, bytes: Buffer, from: number): number {
    const copied = bytes.copy(body, this.#bodyLength, from);
    this.#bodyLength += copied;
    if (this.#bodyLength === body.length) {
      this.#body = undefined;
      this.#element(this.#id, body);
    }
    return from + copied;
  }

  #element(id: number, data: Buffer): void {
    switch (id) {
      case ID.info:
        this.#scale = readTimestampScale(data);
        break;
      case ID.tracks:
        this.#handler.onTracks(readTracks(data));
        break;
      case ID.timestamp:
        this.#clusterTime = unsigned(data);
        break;
      case ID.simpleBlock:
        this.#block(data);
        break;
      case ID.blockGroup:
        for (const { id: inner, data: block } of elements(new ByteReader(data)))
          if (inner === ID.block) this.#block(block);
        break;
    }
  }

  /** RFC 9559 §10.1: track number, time from the cluster's on, flags, then the frame, unless several are laced together. */
  #block(block: Buffer): void {
    const trackBytes = vintBytes(block[0] ?? 0);
    const track = trackBytes === 0 || block.length <= trackBytes + 3 ? undefined : vintValue(block, 0);
    if (track === undefined || this.#clusterTime === undefined) {
      this.#handler.onSkipped('ERR_MATROSKA_BROKEN');
      return;
    }
    const flags = block[trackBytes + 2]!;
    if ((flags & LACING) !== 0) {
      this.#handler.onSkipped('ERR_MATROSKA_UNSUPPORTED');
      return;
    }
    const nanos = (this.#clusterTime + block.readInt16BE(trackBytes)) * this.#scale;
    if (nanos > MAX_NANOS) {
      this.#handler.onSkipped('ERR_MATROSKA_BROKEN');
      return;
    }
    this.#handler.onFrame({ track, nanos, data: block.subarray(trackBytes + 3) });
  }
}

const LACING = 0x06;
/** A century. Later times would have lost their last digits. */
const MAX_NANOS = 3.2e18;
const NOTHING = Buffer.alloc(0);
