import { tool } from '../setup/tools.ts';
import { type FfmpegVersion, runFfmpeg } from './ffmpeg.ts';
import { output } from './process.ts';

/** A packet of an encoded clip; times in 90 kHz ticks. */
export interface RealPacket {
  readonly dts: number;
  readonly pts: number;
  readonly key: boolean;
  readonly data: Buffer;
  /** As ffprobe's `-show_data_hash crc32` gives it. */
  readonly hash: string;
}

/** A stream of an encoded clip. */
export interface RealStream {
  readonly codec: string;
  /** The codec's configuration record; empty where the container has none. */
  readonly record: Buffer;
  readonly packets: readonly RealPacket[];
}

/** Encodes synthetic picture and sound into `file` (its extension picks the container) and reads the packets back. */
export async function realStreams(
  file: string,
  { video, audio, seconds = 2, rate = 48_000, size = '160x120', version = 'ffmpeg' }: ClipOptions,
): Promise<RealStream[]> {
  const picture = ['-f', 'lavfi', '-i', `testsrc2=s=${size}:r=25:d=${seconds}`];
  const sound = ['-f', 'lavfi', '-i', `sine=f=440:r=${rate}:d=${seconds}`];
  const inputs = [...(video ? picture : []), ...(audio ? sound : [])];
  const outputs = [...(video ? ['-pix_fmt', 'yuv420p', ...video] : []), ...(audio ? ['-ac', '2', ...audio] : [])];
  const exact = file.endsWith('.mp4') ? ['-strict', '-2', '-video_track_timescale', '90000', '-use_editlist', '0'] : [];
  await runFfmpeg(['-y', ...inputs, ...outputs, ...exact, file], { version });
  return await readPackets(file);
}

interface ClipOptions {
  /** Encoder and its options; absent: none. */
  readonly video?: readonly string[];
  readonly audio?: readonly string[];
  readonly seconds?: number;
  /** Pixels of the picture. */
  readonly size?: string;
  /** Hz of the sound. */
  readonly rate?: number;
  readonly version?: FfmpegVersion;
}

interface ProbedPacket {
  readonly stream_index: number;
  readonly pts_time: string;
  readonly dts_time: string;
  readonly pts: number;
  readonly dts: number;
  readonly flags: string;
  readonly data?: string;
  readonly data_hash: string;
}

interface ProbedPackets {
  readonly streams: readonly {
    readonly codec_name: string;
    readonly time_base: string;
    readonly extradata?: string;
  }[];
  readonly packets: readonly ProbedPacket[];
}

/** Every packet of a file, stream by stream, as Debian's ffprobe reads it. */
export async function readPackets(file: string): Promise<RealStream[]> {
  const args = ['-v', 'error', '-show_streams', '-show_packets', '-show_data', '-show_data_hash', 'crc32'];
  const probed = JSON.parse(await output(tool('ffprobe'), [...args, '-of', 'json', file])) as ProbedPackets;
  return probed.streams.map((stream, index) => {
    const [numerator, denominator] = stream.time_base.split('/').map(Number) as [number, number];
    const ticks = (value: number) => Math.round((value * numerator * 90_000) / denominator);
    return {
      codec: stream.codec_name,
      record: bytesOf(stream.extradata ?? ''),
      packets: probed.packets
        .filter((packet) => packet.stream_index === index)
        .map(({ pts, dts, flags, data, data_hash }) => ({
          dts: ticks(dts),
          pts: ticks(pts),
          key: flags.startsWith('K'),
          data: bytesOf(data ?? ''),
          hash: data_hash,
        })),
    };
  });
}

/** The bytes of a hex dump as ffprobe prints it: offset, up to 16 bytes in pairs, two spaces, the same as text. */
function bytesOf(dump: string): Buffer {
  const hex = dump.split('\n').map((line) => /^[0-9a-f]{8}: ((?:[0-9a-f]{2,4} ){1,8})/.exec(line)?.[1] ?? '');
  return Buffer.from(hex.join('').replaceAll(' ', ''), 'hex');
}
