import { readFile } from 'node:fs/promises';
import { type FfmpegVersion, runFfmpeg } from './ffmpeg.ts';
import { type HashedFrame, parseFrameMd5 } from './frame-md5.ts';
import { TempDir } from './temp-dir.ts';

/** How packets are made comparable before they are hashed. `raw`: as they are (RTMP to RTMP). The others through MP4 or TS:
 *  parameter sets, access unit delimiters and SEI are left out, since containers move them. */
export const FILTERS = {
  raw: [],
  /** H.264 and AAC out of a transport stream. */
  'h264-adts': ['-bsf:v', 'h264_mp4toannexb,filter_units=remove_types=6-9', '-bsf:a', 'aac_adtstoasc'],
  h264: ['-bsf:v', 'h264_mp4toannexb,filter_units=remove_types=6-9'],
  hevc: ['-bsf:v', 'hevc_mp4toannexb,filter_units=remove_types=32-35|39-40'],
  // MP4 has no temporal delimiters.
  av1: ['-bsf:v', 'filter_units=remove_types=2'],
  vvc: ['-bsf:v', 'vvc_mp4toannexb,filter_units=remove_types=13-16|20|23-24'],
} as const;

export type PacketFilter = keyof typeof FILTERS;

export interface PacketsOptions {
  readonly filter?: PacketFilter;
  readonly version?: FfmpegVersion;
}

/** The packets of one stream (`v:0`, `a:0`) of a file, in decoding order, hashed. Times are the file's own. */
export async function packetsOf(file: string, stream: string, options: PacketsOptions = {}): Promise<HashedFrame[]> {
  const select = ['-copyts', '-i', file, '-map', `0:${stream}`, '-c', 'copy', ...FILTERS[options.filter ?? 'raw']];
  return hashed(select, options.version);
}

/** The packets of several files, each read by itself, one after the other. */
export async function packetsOfAll(
  files: readonly string[],
  stream: string,
  options: PacketsOptions = {},
): Promise<HashedFrame[]> {
  const lists: HashedFrame[][] = [];
  for (const file of files) lists.push(await packetsOf(file, stream, options));
  return lists.flat();
}

/** Decoded frames of one stream, hashed, none dropped, doubled or scaled. @throws Error at a decoding error. */
export async function decodedOf(file: string, stream: string, version?: FfmpegVersion): Promise<HashedFrame[]> {
  return hashed(
    ['-xerror', '-copyts', '-i', file, '-map', `0:${stream}`, '-fps_mode', 'passthrough', '-noautoscale'],
    version,
  );
}

async function hashed(args: readonly string[], version: FfmpegVersion = 'ffmpeg'): Promise<HashedFrame[]> {
  using dir = new TempDir('md5');
  const to = dir.join('out.framemd5');
  await runFfmpeg([...args, '-f', 'framemd5', to], { version });
  return parseFrameMd5(await readFile(to, 'utf8'));
}

/** Where in the source a run lies: indexes of its first frame and of the one after its last. */
export interface Run {
  readonly from: number;
  readonly to: number;
}

/**
 * Proves that `got` is one contiguous run of `source`: every frame in its order, none missing, doubled or foreign, and the times between
 * frames the source's own to within `toleranceMs`.
 * @throws Error that says which frame is wrong and how.
 */
export function expectRun(
  got: readonly HashedFrame[],
  source: readonly HashedFrame[],
  { what = 'frames', toleranceMs = 1 }: { readonly what?: string; readonly toleranceMs?: number } = {},
): Run {
  const first = got[0];
  if (!first) throw new Error(`${what}: nothing was received`);
  const indexes = new Map<string, number>();
  for (const [index, frame] of source.entries()) {
    if (indexes.has(frame.hash))
      throw new Error(`${what}: the source has equal frames at ${indexes.get(frame.hash)} and ${index}`);
    indexes.set(frame.hash, index);
  }
  const from = indexes.get(first.hash);
  if (from === undefined) throw new Error(`${what}: the first frame received is not one of the source's`);
  const origin = source[from]!;
  for (const [n, frame] of got.entries()) {
    const want = source[from + n];
    if (frame.hash !== want?.hash) {
      const is = indexes.get(frame.hash);
      throw new Error(
        `${what}: after ${n} right frames comes the source's frame ${is ?? '(none: it is foreign)'}, not ${from + n} of ${source.length}`,
      );
    }
    expectTime(`${what}: DTS of frame ${n}`, frame.dts - first.dts, want.dts - origin.dts, toleranceMs);
    expectTime(`${what}: PTS of frame ${n}`, frame.pts - first.pts, want.pts - origin.pts, toleranceMs);
  }
  return { from, to: from + got.length };
}

/** Proves that `got` is the whole of the source. @throws Error that says what is missing. */
export function expectWhole(
  got: readonly HashedFrame[],
  source: readonly HashedFrame[],
  what = 'frames',
  /** Frames before this time may be missing: sound from before the first picture. */
  fromMs = Number.NEGATIVE_INFINITY,
): void {
  const { from, to } = expectRun(got, source, { what });
  const missing = source.slice(0, from).filter((frame) => frame.dts >= fromMs).length;
  if (missing > 0) throw new Error(`${what}: ${missing} frames at the beginning are missing`);
  if (to < source.length) throw new Error(`${what}: the last ${source.length - to} frames are missing`);
}

/** Proves that two streams lie to each other as in the source: sound to picture, within `toleranceMs`. */
export function expectSync(
  got: readonly [readonly HashedFrame[], readonly HashedFrame[]],
  source: readonly [readonly HashedFrame[], readonly HashedFrame[]],
  toleranceMs = 1,
): void {
  const origin = got.map((frames, i) => {
    const { from } = expectRun(frames.slice(0, 1), source[i]!);
    return frames[0]!.dts - source[i]![from]!.dts;
  });
  expectTime('offset between picture and sound', origin[0]! - origin[1]!, 0, toleranceMs);
}

function expectTime(what: string, got: number, want: number, toleranceMs: number): void {
  // The small surplus is for the binary fractions of times in ms.
  if (Math.abs(got - want) > toleranceMs + 0.001) throw new Error(`${what}: ${got} ms after the first, not ${want} ms`);
}
