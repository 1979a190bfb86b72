import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { cached } from '../setup/cache.ts';
import { type FfmpegVersion, runFfmpeg } from './ffmpeg.ts';

/** A source of test media: generated once, kept in the cache. */
interface ClipRecipe {
  readonly seconds: number;
  readonly video?: readonly string[];
  /** A second picture, of half the width and height, and a second sound (E-RTMP multitrack). */
  readonly twice?: boolean;
  readonly size?: string;
  /** How much the picture's noise differs from frame to frame. */
  readonly noise?: number;
  readonly audio?: readonly string[];
  readonly sampleRate?: number;
  readonly version?: FfmpegVersion;
  readonly format?: 'flv' | 'matroska';
}

const X264 = ['-c:v', 'libx264', '-preset', 'veryfast', '-b:v', '700k', '-maxrate', '900k', '-bufsize', '900k'];
const GOP_2S = ['-g', '50', '-keyint_min', '50', '-sc_threshold', '0'];
const AAC = ['-c:a', 'aac', '-b:a', '96k'];

/** Every clip: 25 frames a second, sound at 48 kHz unless said. No two frames of a clip are alike, so that a hash names a frame. */
const CLIPS = {
  /** H.264 with B-frames and AAC, keyframe every 2 s. */
  'h264-aac': { seconds: 24, video: [...X264, ...GOP_2S, '-bf', '2'], audio: AAC },
  /** The same, other size and profile: for a change in mid-stream. */
  'h264-small': {
    seconds: 8,
    size: '320x240',
    video: [...X264, ...GOP_2S, '-bf', '0', '-profile:v', 'baseline'],
    audio: AAC,
  },
  /** As large as `h264-aac`, as long as `h264-small`. */
  'h264-wide': { seconds: 8, video: [...X264, ...GOP_2S, '-bf', '2'], audio: AAC },
  'video-only': { seconds: 12, video: [...X264, ...GOP_2S, '-bf', '2'] },
  /** About 5 Mbit/s, for more than a minute. */
  'h264-5m': {
    seconds: 66,
    noise: 24,
    video: [
      ...['-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency'],
      ...['-b:v', '4700k', '-maxrate', '4700k', '-bufsize', '1200k', ...GOP_2S],
    ],
    audio: AAC,
  },
  'audio-only': { seconds: 20, audio: AAC },
  /** Keyframe every 20 s. */
  'long-gop': {
    seconds: 45,
    video: [...X264, '-g', '500', '-keyint_min', '500', '-sc_threshold', '0', '-bf', '2'],
    audio: AAC,
  },
  'all-intra': { seconds: 9, size: '320x240', video: [...X264, '-g', '1'], audio: AAC },
  'hevc-opus': {
    seconds: 10,
    version: 'ffmpeg9',
    video: [
      '-c:v',
      'libx265',
      '-preset',
      'ultrafast',
      '-b:v',
      '500k',
      '-x265-params',
      'keyint=50:min-keyint=50:scenecut=0:bframes=2:log-level=error',
    ],
    audio: ['-c:a', 'libopus', '-b:a', '64k'],
  },
  'av1-flac': {
    seconds: 10,
    size: '320x240',
    version: 'ffmpeg9',
    video: ['-c:v', 'libsvtav1', '-preset', '10', '-g', '50', '-crf', '45', '-svtav1-params', 'scd=0:pred-struct=1'],
    audio: ['-c:a', 'flac', '-sample_fmt', 's16'],
  },
  'vp9-ac3': {
    seconds: 10,
    size: '320x240',
    version: 'ffmpeg9',
    video: [
      '-c:v',
      'libvpx-vp9',
      '-deadline',
      'realtime',
      '-cpu-used',
      '8',
      '-b:v',
      '300k',
      '-g',
      '50',
      '-lag-in-frames',
      '0',
    ],
    audio: ['-c:a', 'ac3', '-b:a', '128k'],
  },
  vvc: {
    seconds: 4,
    size: '160x128',
    version: 'ffmpeg9',
    video: ['-c:v', 'libvvenc', '-preset', 'faster', '-b:v', '200k', '-period', '1'],
    audio: AAC,
  },
  'two-tracks': {
    seconds: 10,
    size: '320x240',
    version: 'ffmpeg9',
    twice: true,
    video: [...X264, ...GOP_2S, '-bf', '2'],
    audio: AAC,
  },
  'h264-eac3': {
    seconds: 8,
    version: 'ffmpeg9',
    video: [...X264, ...GOP_2S, '-bf', '2'],
    audio: ['-c:a', 'eac3', '-b:a', '128k'],
  },
  'h264-mp3': {
    seconds: 8,
    video: [...X264, ...GOP_2S, '-bf', '2'],
    audio: ['-c:a', 'libmp3lame', '-b:a', '96k'],
    sampleRate: 44_100,
  },
} as const satisfies Record<string, ClipRecipe>;

export type ClipName = keyof typeof CLIPS;

/** The path of a clip; makes it the first time. FLV, so that its times are those RTMP will carry; Matroska where FLV of ffmpeg 5.1 has no codec id. */
export async function clip(name: ClipName): Promise<string> {
  const recipe: ClipRecipe = CLIPS[name];
  const args = encodeArgs(recipe);
  const dir = await cached({ name: `clip-${name}`, recipe: JSON.stringify([recipe, args]) }, async (folder) => {
    await runFfmpeg([...args, join(folder, 'partial')], { version: recipe.version ?? 'ffmpeg' });
    await rename(join(folder, 'partial'), join(folder, `${name}.flv`));
  });
  return join(dir, `${name}.flv`);
}

function encodeArgs(recipe: ClipRecipe): string[] {
  const { seconds, size = '640x360', noise = 4, video, audio, sampleRate = 48_000, twice = false } = recipe;
  const [width = 0, height = 0] = size.split('x').map(Number);
  const inputs: string[] = [];
  // Noise over the picture and a sweep with noise over the sound keep every frame different from every other.
  for (const part of video ? (twice ? [1, 2] : [1]) : []) {
    const picture = `testsrc2=s=${width / part}x${height / part}:r=25:d=${seconds},noise=alls=${noise}:allf=t:all_seed=${part}`;
    inputs.push('-f', 'lavfi', '-i', picture);
  }
  for (const part of audio ? (twice ? [1, 2] : [1]) : []) {
    const channel = (seed: number) => `0.2*sin(2*PI*(${200 * part}+${20 * (seed + 1)}*t)*t)+0.05*(random(${seed})-0.5)`;
    inputs.push('-f', 'lavfi', '-i', `aevalsrc=${channel(0)}|${channel(1)}:s=${sampleRate}:d=${seconds}`);
  }
  const maps = inputs.filter((word) => word === '-i').flatMap((_, index) => ['-map', String(index)]);
  const picture = video ? ['-pix_fmt', 'yuv420p', ...video] : [];
  return ['-y', ...inputs, ...maps, ...picture, ...(audio ?? []), '-flags', '+global_header', '-f', 'flv'];
}
