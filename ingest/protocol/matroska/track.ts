import { ByteReader } from '../../bytes/byte-reader.ts';
import { elements, ID, unsigned } from './element.ts';

/** More tracks than this are not read. */
const MAX_TRACKS = 64;
/** Longest CodecPrivate that is kept. */
const MAX_PRIVATE_BYTES = 16 * 1024;

/** A track as its TrackEntry describes it (RFC 9559 §5.1.4.1). */
export interface MatroskaTrack {
  readonly number: number;
  readonly kind: 'video' | 'audio' | 'other';
  /** `V_VP9`, `A_OPUS`, … */
  readonly codecId: string;
  readonly codecPrivate: Buffer;
  /** Its frames are compressed or encrypted. */
  readonly isEncoded: boolean;
}

/** Reads a Tracks element. */
export function readTracks(tracks: Buffer): MatroskaTrack[] {
  const found: MatroskaTrack[] = [];
  for (const { id, data } of elements(new ByteReader(tracks))) {
    if (id === ID.trackEntry && found.length < MAX_TRACKS) found.push(readEntry(data));
  }
  return found;
}

function readEntry(entry: Buffer): MatroskaTrack {
  let number = 0;
  let type = 0;
  let codecId = '';
  let codecPrivate: Buffer = Buffer.alloc(0);
  let isEncoded = false;
  for (const { id, data } of elements(new ByteReader(entry))) {
    if (id === ID.trackNumber) number = unsigned(data);
    else if (id === ID.trackType) type = unsigned(data);
    else if (id === ID.codecId) codecId = data.toString('latin1', 0, 64).replace(/\0+$/, '');
    else if (id === ID.codecPrivate && data.length <= MAX_PRIVATE_BYTES) codecPrivate = Buffer.from(data);
    else if (id === ID.contentEncodings) isEncoded = true;
  }
  const kind = type === 1 ? 'video' : type === 2 ? 'audio' : 'other';
  return { number, kind, codecId, codecPrivate, isEncoded };
}

/** Nanoseconds in a unit of time, as an Info element says (RFC 9559 §5.1.2.9). */
export function readTimestampScale(info: Buffer): number {
  for (const { id, data } of elements(new ByteReader(info)))
    if (id === ID.timestampScale) return unsigned(data) || DEFAULT_SCALE;
  return DEFAULT_SCALE;
}

/** A millisecond. */
export const DEFAULT_SCALE = 1_000_000;
