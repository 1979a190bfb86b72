import { randomFillSync } from 'node:crypto';
import { hrtime } from 'node:process';
import type { MediaMessage } from '../../ingest/protocol/rtmp/media-message.ts';

/** What a marked video frame carries: its number since the publisher began, and when it was sent, by {@link markClock}. */
export interface Mark {
  readonly frame: number;
  readonly sentAtMs: number;
}

/** Milliseconds of the machine's monotonic clock: the same in every process of one machine. */
export function markClock(): number {
  return Number(hrtime.bigint()) / 1e6;
}

/** Sizes of {@link markedCycle}. */
export interface MarkedOptions {
  /** Video and audio together. */
  readonly bitsPerSecond?: number;
  readonly fps?: number;
  /** Frames from one keyframe to the next. */
  readonly gop?: number;
}

/** Frames made of noise: cheap to make, no decoder wants them, but every box, header and length in them is right. */
export interface MarkedCycle {
  readonly durationMs: number;
  readonly headers: readonly MediaMessage[];
  /** One round, 8 s; video frames have room for a mark. */
  readonly frames: readonly MediaMessage[];
  readonly bytes: number;
}

const CYCLE_SECONDS = 8;
const AAC_FRAME_MS = 1024 / 48;
const AUDIO_FRAME_BYTES = 341; // 128 kbit/s
const KEYFRAME_WEIGHT = 8;

// 1280×720, 25 fps, High profile, as x264 wrote them.
const AVC_HEADER = Buffer.from(
  '17000000000142c01fffe100176742c01fda014016ec0440000003004000000c83c60ca801000468ce3c80',
  'hex',
);
const AAC_HEADER = Buffer.from('af001190', 'hex'); // AAC-LC, 48 kHz, stereo

// FLV video header 5, NAL length 4, then SEI: type 6, payload type 5 (user data), its size, 16 bytes UUID, the mark, stop bit.
const MARK_UUID = Buffer.from('4845414457415445522d4d41524b2d31', 'hex');
const MARK_CHARS = 8 + 16;
const SEI_BYTES = 3 + MARK_UUID.length + MARK_CHARS + 1;
const UUID_AT = 5 + 4 + 3;
const MARK_AT = UUID_AT + MARK_UUID.length;

/** Bytes of a video body that a mark reaches into: within the first chunk at any legal chunk size. */
export const MARK_END = MARK_AT + MARK_CHARS;

/** Builds one round of marked H.264 + AAC of the wanted rate; keyframes are eight times as large as the others. */
export function markedCycle({ bitsPerSecond = 2_700_000, fps = 25, gop = 50 }: MarkedOptions = {}): MarkedCycle {
  const audioBytes = (CYCLE_SECONDS * 1000 * AUDIO_FRAME_BYTES) / AAC_FRAME_MS;
  const videoFrames = CYCLE_SECONDS * fps;
  const keyframes = Math.ceil(videoFrames / gop);
  const share = ((bitsPerSecond / 8) * CYCLE_SECONDS - audioBytes) / (videoFrames + keyframes * (KEYFRAME_WEIGHT - 1));
  const frames: MediaMessage[] = [];
  for (let i = 0; i < videoFrames; i++) {
    const key = i % gop === 0;
    const size = Math.max(MARK_END + 64, Math.round(share * (key ? KEYFRAME_WEIGHT : 1)));
    frames.push({ type: 9, timestamp: Math.round((i * 1000) / fps), body: videoBody(size, key) });
  }
  for (let i = 0; i < (CYCLE_SECONDS * 1000) / AAC_FRAME_MS; i++)
    frames.push({ type: 8, timestamp: Math.round(i * AAC_FRAME_MS), body: audioBody() });
  frames.sort((a, b) => a.timestamp - b.timestamp || b.type - a.type);
  const headers: MediaMessage[] = [
    { type: 9, timestamp: 0, body: AVC_HEADER },
    { type: 8, timestamp: 0, body: AAC_HEADER },
  ];
  const bytes = frames.reduce((sum, frame) => sum + frame.body.length, 0);
  return { durationMs: CYCLE_SECONDS * 1000, headers, frames, bytes };
}

/** Writes a mark into the video body that begins at `bodyAt` of `bytes`. */
export function writeMark(bytes: Buffer, bodyAt: number, mark: Mark): void {
  const text =
    mark.frame.toString(16).padStart(8, '0') +
    Math.round(mark.sentAtMs * 1000)
      .toString(16)
      .padStart(16, '0');
  bytes.write(text, bodyAt + MARK_AT, 'latin1');
}

/** The mark of a video body; null where it has none. */
export function readMark(body: Buffer): Mark | null {
  if (body.length < MARK_END || body.compare(MARK_UUID, 0, MARK_UUID.length, UUID_AT, MARK_AT) !== 0) return null;
  const text = body.toString('latin1', MARK_AT, MARK_END);
  return { frame: Number.parseInt(text.slice(0, 8), 16), sentAtMs: Number.parseInt(text.slice(8), 16) / 1000 };
}

function videoBody(size: number, key: boolean): Buffer {
  const body = noise(size);
  body.set([key ? 0x17 : 0x27, 1, 0, 0, 0]);
  body.writeUInt32BE(SEI_BYTES, 5);
  body.set([6, 5, MARK_UUID.length + MARK_CHARS], 9);
  body.set(MARK_UUID, UUID_AT);
  writeMark(body, 0, { frame: 0, sentAtMs: 0 });
  body[MARK_END] = 0x80;
  const slice = 9 + SEI_BYTES;
  body.writeUInt32BE(size - slice - 4, slice);
  body[slice + 4] = key ? 0x65 : 0x41;
  return body;
}

function audioBody(): Buffer {
  const body = noise(AUDIO_FRAME_BYTES);
  body.set([0xaf, 1]);
  return body;
}

/** Random bytes without a zero, so that no start code appears by chance. */
function noise(size: number): Buffer {
  const bytes = randomFillSync(Buffer.allocUnsafe(size));
  for (let i = 0; i < size; i++) if (bytes[i] === 0) bytes[i] = 0x55;
  return bytes;
}
