import { ByteReader } from '../bytes/byte-reader.ts';
import { attempt } from './attempt.ts';

/** Opus always decodes to 48 kHz, whatever rate its head names (RFC 7845 §5.1). */
export const OPUS_SAMPLE_RATE = 48_000;
/** Stereo, pre-skip of 3,840 samples (80 ms, what RFC 7845 §5.1 advises where it is unknown), gain 0, family 0. */
export const DEFAULT_OPUS_HEAD: Buffer = Buffer.from('4f707573486561640102000f80bb0000000000', 'hex');

/** What an OpusHead says (RFC 7845 §5.1). */
export interface OpusHead {
  readonly channels: number;
  /** Samples at 48 kHz to be thrown away at the start. */
  readonly preSkip: number;
  readonly inputSampleRate: number;
  /** Q7.8 decibels. */
  readonly outputGain: number;
  readonly mappingFamily: number;
  /** Stream count, coupled count and one byte for each channel; empty in family 0. */
  readonly mapping: Buffer;
}

/** Parses an OpusHead, magic included; undefined where it is cut short, is something else, or is of a version to come. */
export function parseOpusHead(record: Buffer): OpusHead | undefined {
  return attempt(() => {
    const r = new ByteReader(record);
    if (r.latin1(8) !== 'OpusHead' || r.u8() >> 4 !== 0) return undefined;
    const channels = r.u8();
    const preSkip = r.u16le();
    const inputSampleRate = r.u32le();
    const outputGain = (r.u16le() << 16) >> 16;
    const mappingFamily = r.u8();
    const mapping = r.view(mappingFamily === 0 ? 0 : 2 + channels);
    if (channels === 0) return undefined;
    return { channels, preSkip, inputSampleRate, outputGain, mappingFamily, mapping };
  });
}

/** Streams, coupled streams and channel order of mapping family 1, by channels from 3 on (RFC 7845 §5.1.1.2, RFC 6716's libopus encodes so). */
const SURROUND = [
  '0201000201',
  '020200010203',
  '03020004010203',
  '0402000401020305',
  '040300040102030506',
  '05030006010203040507',
];

/**
 * An OpusHead for a stream of 1…8 channels, or 0: two independent ones (dual mono); undefined for other codes. `preSkip`: samples at 48 kHz
 * to be thrown away at the start.
 */
export function encodeOpusHead(channelCode: number, preSkip: number): Buffer | undefined {
  const mapping = channelCode === 0 ? '02000001' : channelCode <= 2 ? '' : SURROUND[channelCode - 3];
  if (mapping === undefined) return undefined;
  const head = Buffer.from(DEFAULT_OPUS_HEAD);
  head[9] = channelCode || 2;
  head.writeUInt16LE(preSkip, 10);
  head[18] = channelCode === 0 ? 255 : channelCode <= 2 ? 0 : 1;
  return Buffer.concat([head, Buffer.from(mapping, 'hex')]);
}

/** Samples at 48 kHz in a packet, by its table-of-contents byte (RFC 6716 §3.1); 0 for an empty packet. */
export function opusPacketSamples(packet: Buffer): number {
  if (packet.length === 0) return 0;
  const toc = packet[0]!;
  const configuration = toc >> 3;
  const code = toc & 3;
  const frames = code === 0 ? 1 : code === 3 ? (packet[1] ?? 0) & 0x3f : 2;
  return frames * frameSamples(configuration);
}

function frameSamples(configuration: number): number {
  if (configuration < 12) return [480, 960, 1920, 2880][configuration & 3]!; // SILK
  if (configuration < 16) return (configuration & 1) === 0 ? 480 : 960; // hybrid
  return 120 << (configuration & 3); // CELT
}
