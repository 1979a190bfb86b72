import type { Descriptor, PmtStream } from './psi.ts';

/** What an elementary stream holds, as far as it is read here. */
export type StreamKind =
  | 'h264'
  | 'h265'
  | 'h266'
  | 'av1'
  | 'aac-adts'
  | 'aac-latm'
  | 'mpeg-audio'
  | 'ac3'
  | 'eac3'
  | 'opus';

const VIDEO: ReadonlySet<StreamKind> = new Set(['h264', 'h265', 'h266', 'av1']);

/** Whether the stream is video; else it is audio. */
export function isVideoKind(kind: StreamKind): boolean {
  return VIDEO.has(kind);
}

/** stream_type (ISO 13818-1 table 2-34); from 0x80 on user private, with the meaning ATSC gives them. */
const BY_TYPE = new Map<number, StreamKind>([
  [0x1b, 'h264'],
  [0x24, 'h265'],
  [0x33, 'h266'],
  [0x0f, 'aac-adts'],
  [0x11, 'aac-latm'],
  [0x03, 'mpeg-audio'],
  [0x04, 'mpeg-audio'],
  [0x81, 'ac3'],
  [0x84, 'eac3'],
  [0x87, 'eac3'],
]);
/** PES packets of private data: descriptors tell. */
const PRIVATE = 0x06;

/** format_identifier of a registration descriptor (ISO 13818-1 §2.6.8). */
const BY_REGISTRATION = new Map<string, StreamKind>([
  ['Opus', 'opus'],
  ['AV01', 'av1'],
  ['HEVC', 'h265'],
  ['VVC ', 'h266'],
  ['AC-3', 'ac3'],
  ['EAC3', 'eac3'],
]);
/** ETSI EN 300 468 annex D. */
const BY_DVB_TAG = new Map<number, StreamKind>([
  [0x6a, 'ac3'],
  [0x7a, 'eac3'],
]);

export const TAG_REGISTRATION = 0x05;
export const TAG_DVB_EXTENSION = 0x7f;
/** descriptor_tag_extension of Opus' channel configuration. */
export const EXTENSION_OPUS = 0x80;

/** What the stream holds; undefined for what is not read here: data, subtitles, codecs without a place in the media model. */
export function kindOfStream({ type, descriptors }: PmtStream): StreamKind | undefined {
  if (type !== PRIVATE) return BY_TYPE.get(type);
  for (const descriptor of descriptors) {
    const kind =
      descriptor.tag === TAG_REGISTRATION
        ? BY_REGISTRATION.get(descriptor.data.toString('latin1', 0, 4))
        : BY_DVB_TAG.get(descriptor.tag);
    if (kind !== undefined) return kind;
  }
  return undefined;
}

/** channel_config_code of an Opus stream (its registered mapping in MPEG-TS): 0 dual mono, 1…8 channels; undefined where it is not said. */
export function opusChannelCode(descriptors: readonly Descriptor[]): number | undefined {
  for (const { tag, data } of descriptors) {
    if (tag === TAG_DVB_EXTENSION && data[0] === EXTENSION_OPUS && data.length >= 2) return data[1];
  }
  return undefined;
}
