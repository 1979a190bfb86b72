/** Hz of MPEG-1 layers by sampling_frequency; MPEG-2 has half, MPEG-2.5 a quarter. */
const RATES = [44_100, 48_000, 32_000];
const MONO = 3;

/** What an MPEG audio frame header says. */
export interface Mp3Format {
  readonly layer: 1 | 2 | 3;
  /** 1, 2 or 2.5. */
  readonly version: number;
  readonly sampleRate: number;
  readonly channels: 1 | 2;
  /** Samples in a frame. */
  readonly frameSamples: number;
  /** Bytes of the frame; 0 where its header leaves the bit rate open. */
  readonly frameBytes: number;
}

/** kbit/s by bitrate_index, from 1 on: MPEG-1 layers I, II, III, then MPEG-2 layer I, and its layers II and III. */
const BIT_RATES = [
  [32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
  [32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
  [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
  [32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
  [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
] as const;

/** Parses an MPEG audio frame header (ISO 11172-3 §2.4.1.3, ISO 13818-3 §2.4.2.3); undefined where the bytes are none. */
export function parseMp3Frame(frame: Buffer): Mp3Format | undefined {
  if (frame.length < 4) return undefined;
  const bits = frame.readUInt32BE(0);
  const versionCode = (bits >>> 19) & 3;
  const layerCode = (bits >>> 17) & 3;
  const rate = RATES[(bits >>> 10) & 3];
  if (bits >>> 21 !== 0x7ff || versionCode === 1 || layerCode === 0 || rate === undefined) return undefined;
  const layer = (4 - layerCode) as 1 | 2 | 3;
  const version = versionCode === 3 ? 1 : versionCode === 2 ? 2 : 2.5;
  const sampleRate = rate / (versionCode === 3 ? 1 : versionCode === 2 ? 2 : 4);
  const frameSamples = layer === 1 ? 384 : layer === 3 && version !== 1 ? 576 : 1152;
  const channels = ((bits >>> 6) & 3) === MONO ? 1 : 2;
  const frameBytes = frameSize(bits, layer, version, frameSamples, sampleRate);
  return { layer, version, sampleRate, channels, frameSamples, frameBytes };
}

/** ISO 11172-3 §2.4.3.1: a padding slot has four bytes in layer I, one in the others. */
function frameSize(bits: number, layer: number, version: number, samples: number, sampleRate: number): number {
  const table = version === 1 ? layer - 1 : layer === 1 ? 3 : 4;
  const kilobits = BIT_RATES[table]![((bits >>> 12) & 15) - 1];
  if (kilobits === undefined) return 0;
  const slot = layer === 1 ? 4 : 1;
  return (Math.floor((samples * kilobits * 125) / sampleRate / slot) + ((bits >>> 9) & 1)) * slot;
}

/** The bytes of a frame header that stay the same in a stream (version, layer, rate, mono or not): what tells one stream from another. */
export function mp3RecordFrom(frame: Buffer): Buffer {
  const isMono = frame[3]! >> 6 === MONO;
  return Buffer.from([frame[0]!, frame[1]! | 1, frame[2]! & 0x0c, isMono ? 0xc0 : 0]);
}
