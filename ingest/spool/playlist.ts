import { TICKS_PER_SECOND } from '../media/media-event.ts';
import { encodeUri } from './key-encoding.ts';
import type { PublicationHeader, RecordingGap, SegmentEntry } from './segment-entry.ts';

/** Name of the playlist in the recording's folder. */
export const PLAYLIST_NAME = 'index.m3u8';
/** Target of recordings of one file per publication, in seconds. */
const UNCUT_TARGET = 12;
/** Segments that end and begin less than this apart (90 kHz) follow each other: tracks do not end at the same instant. */
const SEAM_TICKS = 0.1 * TICKS_PER_SECOND;

/** EXT-X-TARGETDURATION in seconds: fixed from the start, as RFC 8216 §4.3.3.1 wants it. */
export function targetDuration(segmentDurationMs: number): number {
  return segmentDurationMs === 0 ? UNCUT_TARGET : Math.max(1, Math.ceil((2 * segmentDurationMs) / 1000));
}

/** A key as seen from a folder (ending in '/'), as a URI reference. */
export function relativeUri(folder: string, key: string): string {
  const from = folder.split('/').slice(0, -1);
  const to = key.split('/');
  let shared = 0;
  while (shared < from.length && shared < to.length - 1 && from[shared] === to[shared]) shared += 1;
  // RFC 3986 §4.2: a first segment with a colon would be read as a scheme; encoded, it never is one.
  return encodeUri([...from.slice(shared).map(() => '..'), ...to.slice(shared)].join('/'));
}

function seconds(ticks: number): string {
  return (ticks / TICKS_PER_SECOND).toFixed(6);
}

/** A piece of a segment, listed by itself. */
interface Range {
  readonly offset: number;
  readonly bytes: number;
  readonly tfdt: number;
  readonly duration: number;
}

/** The body of a segment as byte ranges none of which is longer than the target, where its fragments allow that. */
function rangesOf(entry: SegmentEntry, target: number): readonly Range[] {
  const { headerBytes, bytes, tfdt, duration, fragments } = entry;
  const limit = (target + 0.5) * TICKS_PER_SECOND - 1; // EXTINF is rounded before it is compared (§4.3.3.1)
  if (duration <= limit || !fragments || fragments.length === 0) {
    return [{ offset: headerBytes, bytes: bytes - headerBytes, tfdt, duration }];
  }
  const starts: (readonly [number, number, number])[] = [];
  let length = Number.POSITIVE_INFINITY;
  for (const fragment of fragments) {
    length += fragment[2];
    if (length <= limit) continue;
    starts.push(fragment);
    length = fragment[2];
  }
  return starts.map(([offset, from], index) => {
    const [end, to] = starts[index + 1] ?? [bytes, tfdt + duration];
    return { offset, bytes: end - offset, tfdt: from, duration: Math.max(1, to - from) };
  });
}

/**
 * `index.m3u8` of a publication (RFC 8216, version 7): every segment is addressed as header (EXT-X-MAP) and body
 * (EXT-X-BYTERANGE) of one file. Lines are only ever added, as EVENT demands. FLV has no mapping to HLS, so no playlist.
 */
export class Playlist {
  readonly #folder: string;
  readonly #target: number;
  readonly #isFileTimeline: boolean;
  readonly #lines: string[] = [];
  #last: SegmentEntry | undefined;
  #text = '';

  /** @param folder key of the recording's folder, ending in '/' */
  constructor(header: PublicationHeader, folder: string) {
    this.#folder = folder;
    this.#target = targetDuration(header.segmentDuration);
    this.#isFileTimeline = header.timeline === 'file';
  }

  /** Adds the next stored segment. `gaps`: all that the publication declares. */
  add(entry: SegmentEntry, gaps: readonly RecordingGap[]): void {
    const uri = relativeUri(this.#folder, entry.key);
    const last = this.#last;
    const isNewHeader = last === undefined || last.headerCrc !== entry.headerCrc;
    const isBreak = last !== undefined && (this.#isFileTimeline || isNewHeader || !follows(last, entry, gaps));
    if (isBreak) this.#lines.push('#EXT-X-DISCONTINUITY');
    if (isNewHeader) this.#lines.push(`#EXT-X-MAP:URI="${uri}",BYTERANGE="${entry.headerBytes}@0"`);
    const start = Date.parse(entry.start);
    for (const range of rangesOf(entry, this.#target)) {
      const at = new Date(start + Math.round(((range.tfdt - entry.tfdt) * 1000) / TICKS_PER_SECOND));
      this.#lines.push(
        `#EXT-X-PROGRAM-DATE-TIME:${at.toISOString()}`,
        `#EXTINF:${seconds(range.duration)},`,
        `#EXT-X-BYTERANGE:${range.bytes}@${range.offset}`,
        uri,
      );
    }
    this.#last = entry;
  }

  /** The playlist as it is now; `hasEnded`: no segment will follow. */
  encode(hasEnded: boolean): Buffer {
    if (this.#text === '') {
      this.#text = `#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:${this.#target}\n#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-PLAYLIST-TYPE:EVENT\n`;
    }
    if (this.#lines.length > 0) this.#text += `${this.#lines.splice(0).join('\n')}\n`;
    return Buffer.from(hasEnded ? `${this.#text}#EXT-X-ENDLIST\n` : this.#text);
  }
}

/** Whether no media is missing between two segments. */
function follows(last: SegmentEntry, entry: SegmentEntry, gaps: readonly RecordingGap[]): boolean {
  const end = last.tfdt + last.duration;
  if (entry.seq !== last.seq + 1 || Math.abs(entry.tfdt - end) > SEAM_TICKS) return false;
  return !gaps.some(({ from, to = from }) => from <= entry.tfdt + SEAM_TICKS && to >= end - SEAM_TICKS && to > from);
}
