import type { AudioCodec, Codec, VideoCodec } from '../media/media-event.ts';
import type { AudioFourCc, VideoFourCc } from '../protocol/flv/four-cc.ts';

const VIDEO = {
  h264: 'avc1',
  h265: 'hvc1',
  h266: 'vvc1',
  av1: 'av01',
  vp9: 'vp09',
  vp8: 'vp08',
} as const satisfies Record<VideoCodec, VideoFourCc>;
const AUDIO = {
  aac: 'mp4a',
  opus: 'Opus',
  flac: 'fLaC',
  ac3: 'ac-3',
  eac3: 'ec-3',
  mp3: '.mp3',
} as const satisfies Record<AudioCodec, AudioFourCc>;

const VIDEO_BACK = new Map(Object.entries(VIDEO).map(([codec, fourCc]) => [fourCc, codec as VideoCodec]));
const AUDIO_BACK = new Map(Object.entries(AUDIO).map(([codec, fourCc]) => [fourCc, codec as AudioCodec]));

/** How Enhanced RTMP names this codec in video messages; undefined for audio and for codecs that are only passed through. */
export function videoFourCcOf(codec: Codec): VideoFourCc | undefined {
  return typeof codec === 'string' && codec in VIDEO ? VIDEO[codec as VideoCodec] : undefined;
}

/** How Enhanced RTMP names this codec in audio messages; undefined for video and for codecs that are only passed through. */
export function audioFourCcOf(codec: Codec): AudioFourCc | undefined {
  return typeof codec === 'string' && codec in AUDIO ? AUDIO[codec as AudioCodec] : undefined;
}

/** The codec that Enhanced RTMP names so in video messages. */
export function videoCodecOf(fourCc: VideoFourCc): VideoCodec {
  return VIDEO_BACK.get(fourCc)!;
}

/** The codec that Enhanced RTMP names so in audio messages. */
export function audioCodecOf(fourCc: AudioFourCc): AudioCodec {
  return AUDIO_BACK.get(fourCc)!;
}
