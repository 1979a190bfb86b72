import { ADTS_HEADER_BYTES, aacConfigOf, readAdtsHeader } from '../codec/adts.ts';
import type { AudioCodec } from '../media/media-event.ts';

/** A frame as its header describes it. */
export interface AudioFrame {
  /** Bytes of the whole frame, and where its data begins in it. */
  readonly bytes: number;
  readonly dataFrom: number;
  readonly sampleRate: number;
  /** Samples at that rate. */
  readonly samples: number;
  /** The same for all frames of one configuration. */
  readonly format: number;
}

/** How one codec's frames are found in a stream. */
export interface AudioSyntax {
  readonly codec: AudioCodec;
  /** Bytes that `read` needs at least. */
  readonly headerBytes: number;
  /** The frame that begins at `bytes[at]`, of which what is before `to` has come; undefined where none does. */
  read(bytes: Buffer, at: number, to: number): AudioFrame | undefined;
  /** The configuration record of the stream that the frame with this data is of. */
  recordOf(data: Buffer, frame: AudioFrame): Buffer | undefined;
}

/** AAC with ADTS headers (ISO 14496-3 §1.A.3.2). Its frames go on without the header. */
export const ADTS: AudioSyntax = {
  codec: 'aac',
  headerBytes: ADTS_HEADER_BYTES,
  read(bytes, at) {
    const header = readAdtsHeader(bytes, at);
    if (header === undefined) return undefined;
    const { headerBytes, frameBytes, sampleRate, samples, format } = header;
    return { bytes: frameBytes, dataFrom: headerBytes, sampleRate, samples, format };
  },
  recordOf: (data, { format }) => aacConfigOf(format, data),
};
