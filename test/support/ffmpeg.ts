import { tool } from '../setup/tools.ts';
import { output, type ProcessOptions, start, type TestProcess } from './process.ts';

/** Debian's ffmpeg 5.1 (`ffmpeg`, as most people have it) or ffmpeg 9 with Enhanced RTMP (`ffmpeg9`). */
export type FfmpegVersion = 'ffmpeg' | 'ffmpeg9';

export interface FfmpegOptions extends ProcessOptions {
  readonly version?: FfmpegVersion;
}

/** Starts ffmpeg; warnings and worse go to its standard error, each with its level (`[error]`). */
export function ffmpeg(args: readonly string[], options: FfmpegOptions = {}): TestProcess {
  const common = ['-hide_banner', '-nostdin', '-loglevel', 'level+warning'];
  return start(tool(options.version ?? 'ffmpeg'), [...common, ...args], options);
}

/** Runs ffmpeg to its end. @throws Error with its messages when it fails. */
export async function runFfmpeg(args: readonly string[], options: FfmpegOptions = {}): Promise<TestProcess> {
  await using child = ffmpeg(args, options);
  return await child.succeed(120_000);
}

export interface PublishOptions extends FfmpegOptions {
  /** How fast it is sent: 1 (`-re`) is real time; 0 as fast as the server takes it. */
  readonly rate?: number;
  /** Options before `-i`, and options of the output. */
  readonly input?: readonly string[];
  readonly output?: readonly string[];
}

/** Publishes a file as it is (`-c copy`), like the walk-through does. */
export function publish(file: string, url: string, options: PublishOptions = {}): TestProcess {
  const rate = options.rate ?? 1;
  const pace = rate === 0 ? [] : rate === 1 ? ['-re'] : ['-readrate', String(rate)];
  const args = [...pace, ...(options.input ?? []), '-i', file, '-map', '0', '-c', 'copy', '-flags', '+global_header'];
  return ffmpeg([...args, ...(options.output ?? []), '-f', 'flv', url], options);
}

/** What ffprobe says of a stream; times in seconds. */
export interface ProbedStream {
  readonly index: number;
  readonly codec_type: 'video' | 'audio' | 'data' | 'subtitle';
  readonly codec_name?: string;
  readonly codec_tag_string: string;
  readonly width?: number;
  readonly height?: number;
  readonly sample_rate?: string;
  readonly channels?: number;
  readonly duration?: string;
  readonly start_time?: string;
  readonly nb_read_packets?: string;
}

export interface Probed {
  readonly streams: readonly ProbedStream[];
  readonly format: { readonly duration?: string; readonly format_name: string; readonly start_time?: string };
}

/** Debian's ffprobe of a file or URL. @throws Error when it can't read it. */
export async function probe(input: string, args: readonly string[] = []): Promise<Probed> {
  const all = ['-v', 'error', ...args, '-show_streams', '-show_format', '-of', 'json', input];
  return JSON.parse(await output(tool('ffprobe'), all)) as Probed;
}

/** Decodes everything. @throws Error with ffmpeg's words at the first warning of a decoder or demuxer. */
export async function expectDecodes(input: string, options: FfmpegOptions = {}): Promise<void> {
  const child = await runFfmpeg(['-xerror', '-i', input, '-map', '0', '-f', 'null', '-'], options);
  const complaints = complaintsOf(child);
  if (complaints.length > 0) throw new Error(`decoding ${input}:\n${complaints.join('\n')}`);
}

/** Warnings that say nothing of the media: where they come from and why they may be ignored. */
const HARMLESS = [
  /deprecated pixel format/, // swscale, of encoders' yuvj
  /Failed to update header with correct/, // of an FLV that can't be sought in
  /Found duplicated MOOV Atom/, // its HLS reader shows the MP4 demuxer every EXT-X-MAP after the first one
  /^\[(null|framemd5) @/, // our own outputs, of times that they have rounded to the frame rate themselves
  /Timestamps are unset in a packet/, // muxers' habit
  /do not have a set of stream/,
  /Resumed reading at pts/, // of ffmpeg 9 with -re, when the machine did not let it run for a moment
  // How its libsrt calls the end of a stream that it reads.
  /^\[error\] srt:\S+: Input\/output error/,
  /Error during demuxing: Input\/output error/,
];

/** What ffmpeg complained about, harmless words left out. */
export function complaintsOf(child: TestProcess): string[] {
  const lines = child.stderr.split('\n').filter((line) => /\[(warning|error|fatal|panic)\]/.test(line));
  return lines.filter((line) => !HARMLESS.some((each) => each.test(line)));
}
