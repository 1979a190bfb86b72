import type { ByteWriter } from '../../bytes/byte-writer.ts';
import type { DescribedCodec } from '../../codec/describe.ts';
import { parseOpusHead } from '../../codec/opus.ts';
import { encodeBox } from './boxes.ts';

/** Type of the sample entry with the parameter sets in the header alone, and with them in the samples too, where the two differ. */
const ENTRY_TYPES: Record<DescribedCodec, readonly [string, string?]> = {
  h264: ['avc1', 'avc3'],
  h265: ['hvc1', 'hev1'],
  h266: ['vvc1', 'vvi1'],
  av1: ['av01'],
  vp9: ['vp09'],
  vp8: ['vp08'],
  aac: ['mp4a'],
  opus: ['Opus'],
  flac: ['fLaC'],
  ac3: ['ac-3'],
  eac3: ['ec-3'],
  // Object type 0x6B in an ordinary mp4a entry: read by everything, unlike `.mp3`.
  mp3: ['mp4a'],
};

/** The four characters that name a codec's sample entry. */
export function sampleEntryType(codec: DescribedCodec, inBandParameterSets: boolean): string {
  const [type, inBand] = ENTRY_TYPES[codec];
  return (inBandParameterSets ? inBand : undefined) ?? type;
}

/** Object types of an `esds` (ISO 14496-1 §7.2.6.6). */
const OBJECT_AAC = 0x40;
const OBJECT_MPEG2_AUDIO = 0x69;
const OBJECT_MPEG1_AUDIO = 0x6b;
/** Rates of MPEG-1 audio start here; below are MPEG-2's. */
const MPEG1_RATES_FROM = 32_000;

/** The box inside a sample entry that configures the codec. `sampleRate` in Hz matters to MP3 alone. */
export function encodeConfigBox(codec: DescribedCodec, record: Buffer, sampleRate: number): Buffer {
  switch (codec) {
    case 'h264':
      return encodeBox('avcC', (box) => box.bytes(record));
    case 'h265':
      return encodeBox('hvcC', (box) => box.bytes(record));
    case 'h266':
      return encodeBox('vvcC', (box) => box.u32(0).bytes(record)); // a FullBox (ISO 14496-15 §11.2.4.3)
    case 'av1':
      return encodeBox('av1C', (box) => box.bytes(record));
    case 'vp9':
    case 'vp8':
      return encodeBox('vpcC', (box) => box.u8(1).u24(0).bytes(record)); // version 1 of the FullBox
    case 'aac':
      return encodeEsds(OBJECT_AAC, record);
    case 'mp3':
      return encodeEsds(sampleRate < MPEG1_RATES_FROM ? OBJECT_MPEG2_AUDIO : OBJECT_MPEG1_AUDIO, undefined);
    case 'opus':
      return encodeOpusBox(record);
    case 'flac':
      // One metadata block, the last one: STREAMINFO (FLAC in ISO-BMFF §3.3.2).
      return encodeBox('dfLa', (box) => box.u32(0).u8(0x80).u24(record.length).bytes(record));
    case 'ac3':
      return encodeBox('dac3', (box) => box.bytes(record));
    case 'eac3':
      return encodeBox('dec3', (box) => box.bytes(record));
  }
}

/** dOps: the fields of OpusHead without the magic, version 0, big-endian (Opus in ISO-BMFF §4.3.2). */
function encodeOpusBox(record: Buffer): Buffer {
  const head = parseOpusHead(record);
  return encodeBox('dOps', (box) => {
    if (head === undefined) return;
    box
      .u8(0)
      .u8(head.channels)
      .u16(head.preSkip)
      .u32(head.inputSampleRate)
      .u16(head.outputGain & 0xffff);
    box.u8(head.mappingFamily).bytes(head.mapping);
  });
}

/** Tags of descriptors (ISO 14496-1 §7.2.2.1). */
const ES_DESCRIPTOR = 3;
const DECODER_CONFIG = 4;
const DECODER_SPECIFIC = 5;
const SYNC_LAYER = 6;
/** streamType 5 (audio), upStream 0, reserved 1. */
const AUDIO_STREAM = 0x15;
/** "Timestamps are those of the file". */
const MP4_TIMES = 2;

function encodeEsds(objectType: number, specific: Buffer | undefined): Buffer {
  const specificBytes = specific === undefined ? 0 : DESCRIPTOR_HEAD_BYTES + specific.length;
  const configBytes = 13 + specificBytes;
  return encodeBox('esds', (box) => {
    box.u32(0);
    writeDescriptorHead(box, ES_DESCRIPTOR, 3 + DESCRIPTOR_HEAD_BYTES + configBytes + DESCRIPTOR_HEAD_BYTES + 1);
    box.u16(0).u8(0);
    writeDescriptorHead(box, DECODER_CONFIG, configBytes);
    box.u8(objectType).u8(AUDIO_STREAM).u24(0).u32(0).u32(0); // buffer size and bit rates unknown
    if (specific !== undefined) {
      writeDescriptorHead(box, DECODER_SPECIFIC, specific.length);
      box.bytes(specific);
    }
    writeDescriptorHead(box, SYNC_LAYER, 1);
    box.u8(MP4_TIMES);
  });
}

const DESCRIPTOR_HEAD_BYTES = 5;

/** Tag and length, always in four bytes of seven bits: any record fits. */
function writeDescriptorHead(box: ByteWriter, tag: number, length: number): void {
  box
    .u8(tag)
    .u8(0x80 | (length >>> 21))
    .u8(0x80 | ((length >>> 14) & 0x7f))
    .u8(0x80 | ((length >>> 7) & 0x7f));
  box.u8(length & 0x7f);
}
