import { Fault } from '../../runtime/fault.ts';
import type { SegmentDescription } from '../fmp4/segment-description.ts';

/** A tag of an FLV file: audio (8), video (9) or script data (18). */
export interface FlvTag {
  readonly type: 8 | 9 | 18;
  /** Milliseconds on the file's own time; 32 bits are stored. */
  readonly timestamp: number;
  /** As in the RTMP message. */
  readonly body: Buffer;
  readonly key?: boolean;
}

/** What an FLV file starts with. */
export interface FlvFileStart {
  readonly description: SegmentDescription;
  /** Of the publication's onMetaData; `duration` and `filesize` are replaced. */
  readonly metadata: ReadonlyMap<string, unknown>;
  /** Codec names of the tracks, for the description. */
  readonly codecs: readonly string[];
  readonly hasVideo: boolean;
  readonly hasAudio: boolean;
  /** Sequence headers and track metadata, whole tag bodies, in the order of the file. */
  readonly headers: readonly FlvTag[];
}

/** The start of an FLV file, and where its two doubles (f64, big-endian) stand that are known only at its end. */
export interface EncodedFlvStart {
  readonly bytes: Buffer;
  /** Seconds. */
  readonly durationAt: number;
  /** Bytes. */
  readonly filesizeAt: number;
}

/** Tags of a fragment with their mark, as they go into the file: one writev. */
export interface EncodedFlvFragment {
  readonly buffers: readonly Buffer[];
  readonly bytes: number;
}

/** FLV header, onMetaData with `duration` and `filesize` first, the sequence headers, and the header's mark. */
export function encodeFlvStart(start: FlvFileStart): EncodedFlvStart {
  throw new Fault('ERR_FLV_FILE', `not written yet ${start}`);
}

/**
 * The tags, then a script tag `onHeadwaterFragment` with the CRC-32 over them. `start` and `end`: 90 kHz ticks on the file's own time.
 * `key`: the main track starts on a keyframe.
 */
export function encodeFlvFragment(
  sequence: number,
  tags: readonly FlvTag[],
  mark: { readonly start: number; readonly end: number; readonly key: boolean },
): EncodedFlvFragment {
  throw new Fault('ERR_FLV_FILE', `not written yet ${sequence} ${tags} ${mark}`);
}
