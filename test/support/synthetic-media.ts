import { execFile } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { MediaMessage } from '../../ingest/protocol/rtmp/media-message.ts';

/** What {@link makeClip} encodes. Every combination loops exactly: `seconds` must be a multiple of 8, `fps` divide 1000 or its multiple. */
export interface ClipOptions {
  readonly seconds?: number;
  readonly width?: number;
  readonly height?: number;
  readonly fps?: number;
  /** Frames from one keyframe to the next; GOPs are closed. */
  readonly gop?: number;
  readonly bFrames?: number;
  readonly videoKbps?: number;
  /** The ffmpeg to encode with. */
  readonly ffmpeg?: string;
}

/** A short real clip (H.264 + AAC 48 kHz stereo) as RTMP media messages, timestamps from 0, in sending order. */
export interface MediaClip {
  readonly durationMs: number;
  /** `@setDataFrame`, video header, audio header: sent once, before the frames. */
  readonly headers: readonly MediaMessage[];
  /** One round of the loop. Starts with a keyframe. */
  readonly frames: readonly MediaMessage[];
}

const AAC_FRAME_MS = 1024 / 48;
const FLV_FILE_HEADER = 13;
const SET_DATA_FRAME = Buffer.concat([Buffer.from([2, 0, 13]), Buffer.from('@setDataFrame')]);

/** Encodes a test picture and a tone with ffmpeg. The clip decodes without errors, also across the seam of a loop. */
export async function makeClip(options: ClipOptions = {}): Promise<MediaClip> {
  const { seconds = 8, width = 320, height = 180, fps = 25, gop = 25, bFrames = 2, videoKbps = 300 } = options;
  if (seconds % 8 !== 0) throw new RangeError(`seconds must be a multiple of 8, got ${seconds}`);
  // prettier-ignore
  const args = [
    '-v',
    'error',
    '-f',
    'lavfi',
    '-i',
    `testsrc2=s=${width}x${height}:r=${fps}`,
    '-f',
    'lavfi',
    '-i',
    'sine=r=48000',
    '-t',
    String(seconds + 1),
    '-c:v',
    'libx264',
    '-preset',
    'ultrafast',
    '-pix_fmt',
    'yuv420p',
    '-bf',
    String(bFrames),
    '-x264-params',
    `keyint=${gop}:min-keyint=${gop}:scenecut=0:open-gop=0`,
    '-b:v',
    `${videoKbps}k`,
    '-c:a',
    'aac',
    '-ac',
    '2',
    '-b:a',
    '96k',
    '-f',
    'flv',
    'pipe:1',
  ];
  const { stdout } = await promisify(execFile)(options.ffmpeg ?? 'ffmpeg', args, {
    encoding: 'buffer',
    maxBuffer: 256 * 1024 * 1024,
  });
  const tags = [...flvTags(stdout)];
  const isHeader = (m: MediaMessage) => m.type === 18 || m.body[1] === 0;
  const headers = [18, 9, 8].map((type) => {
    const found = tags.find((m) => m.type === type && isHeader(m));
    if (!found) throw new Error(`ffmpeg wrote no header of type ${type}`);
    const body = type === 18 ? Buffer.concat([SET_DATA_FRAME, found.body]) : found.body;
    return { type: found.type, timestamp: 0, body };
  });
  const take = (type: number, count: number, stepMs: number) => {
    // AVC end-of-sequence (packet type 2) is no frame.
    const bodies = tags.filter((m) => m.type === type && !isHeader(m) && !(type === 9 && m.body[1] === 2));
    if (bodies.length < count) throw new Error(`clip too short: ${bodies.length} of ${count} messages of type ${type}`);
    return bodies.slice(0, count).map((m, i) => ({ ...m, timestamp: Math.round(i * stepMs) }));
  };
  const video = take(9, seconds * fps, 1000 / fps);
  const audio = take(8, (seconds * 1000) / AAC_FRAME_MS, AAC_FRAME_MS);
  const frames = [...video, ...audio].sort((a, b) => a.timestamp - b.timestamp || b.type - a.type);
  return { durationMs: seconds * 1000, headers, frames };
}

/** The clip over and over: its headers at `fromMs`, then frames whose times go on exactly, modulo 2³². */
export function* loopClip(
  clip: MediaClip,
  { fromMs = 0, rounds = Number.POSITIVE_INFINITY } = {},
): Generator<MediaMessage> {
  for (const header of clip.headers) yield { ...header, timestamp: fromMs >>> 0 };
  for (let round = 0; round < rounds; round++) {
    const base = fromMs + round * clip.durationMs;
    for (const frame of clip.frames) yield { ...frame, timestamp: (base + frame.timestamp) % 2 ** 32 };
  }
}

/** Yields `messages` when their time has come: at real time from the first call on, times `speed`. Ends at once when `signal` aborts. */
export async function* paced(
  messages: Iterable<MediaMessage>,
  { speed = 1, signal }: { readonly speed?: number; readonly signal?: AbortSignal } = {},
): AsyncGenerator<MediaMessage> {
  let from: number | undefined;
  const startedAt = performance.now();
  for (const message of messages) {
    if (signal?.aborted) return;
    from ??= message.timestamp;
    const due = startedAt + ((message.timestamp - from) >>> 0) / speed;
    const wait = due - performance.now();
    if (wait > 1) await delay(wait, undefined, signal ? { signal } : {}).catch(() => {});
    if (signal?.aborted) return;
    yield message;
  }
}

/** The messages of an FLV file held in memory. */
function* flvTags(file: Buffer): Generator<MediaMessage> {
  for (let at = FLV_FILE_HEADER; at + 11 <= file.length; ) {
    const length = file.readUIntBE(at + 1, 3);
    const timestamp = file.readUIntBE(at + 4, 3) + file.readUInt8(at + 7) * 2 ** 24;
    const type = file.readUInt8(at) & 0x1f;
    if (type === 8 || type === 9 || type === 18)
      yield { type, timestamp, body: file.subarray(at + 11, at + 11 + length) };
    at += 11 + length + 4;
  }
}
