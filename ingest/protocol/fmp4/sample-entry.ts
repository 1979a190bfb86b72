import type { ByteWriter } from '../../bytes/byte-writer.ts';
import { writeBox } from './boxes.ts';
import { type HdrMetadata, writeHdrBoxes } from './hdr-metadata.ts';

/** What a video sample entry says (ISO 14496-12 §12.1.3). */
export interface VideoEntry {
  readonly kind: 'video';
  /** `avc1`, `hev1`, … */
  readonly type: string;
  /** Pixels as coded. */
  readonly width: number;
  readonly height: number;
  /** The codec's configuration box, whole. */
  readonly config: Buffer;
  readonly hdr?: HdrMetadata;
}

/** What an audio sample entry says (ISO 14496-12 §12.2.3). */
export interface AudioEntry {
  readonly kind: 'audio';
  /** `mp4a`, `Opus`, … */
  readonly type: string;
  readonly channels: number;
  /** Hz. */
  readonly sampleRate: number;
  readonly bitsPerSample: number;
  /** The codec's configuration box, whole. */
  readonly config: Buffer;
}

export type SampleEntry = VideoEntry | AudioEntry;

/** 72 dots per inch, 16.16: the value every file has. */
const RESOLUTION = 0x0048_0000;
const COMPRESSOR_NAME_BYTES = 32;
const DEPTH = 24;

/** Writes a sample entry into `stsd`. */
export function writeSampleEntry(writer: ByteWriter, entry: SampleEntry): void {
  writeBox(writer, entry.type, (box) => {
    box.fill(6).u16(1);
    if (entry.kind === 'video') writeVideo(box, entry);
    else writeAudio(box, entry);
  });
}

function writeVideo(box: ByteWriter, entry: VideoEntry): void {
  box.fill(16).u16(entry.width).u16(entry.height).u32(RESOLUTION).u32(RESOLUTION).u32(0).u16(1);
  box.fill(COMPRESSOR_NAME_BYTES).u16(DEPTH).u16(0xffff).bytes(entry.config);
  if (entry.hdr !== undefined) writeHdrBoxes(box, entry.hdr);
}

function writeAudio(box: ByteWriter, entry: AudioEntry): void {
  // 16.16: a rate past 65,535 Hz does not fit and is said by the codec's box alone.
  const rate = entry.sampleRate > 0xffff ? 0 : entry.sampleRate;
  box.fill(8).u16(entry.channels).u16(entry.bitsPerSample).u32(0).u16(rate).u16(0).bytes(entry.config);
}
