import type { AudioCodec, Codec, VideoCodec } from '../media/media-event.ts';
import type { LegacyAudioCodec } from '../protocol/flv/audio-tag.ts';
import type { AudioFourCc, VideoFourCc } from '../protocol/flv/four-cc.ts';
import type { LegacyVideoCodec } from '../protocol/flv/video-tag.ts';

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

const CODECS = new Map<string, Codec>(
  [...Object.entries(VIDEO), ...Object.entries(AUDIO)].map(([codec, name]) => [name, codec as Codec]),
);

/** How Enhanced RTMP names this codec in video messages; undefined for audio and for codecs that are only passed through. */
export function videoFourCcOf(codec: Codec): VideoFourCc | undefined {
  return typeof codec === 'string' && codec in VIDEO ? VIDEO[codec as VideoCodec] : undefined;
}

/** How Enhanced RTMP names this codec in audio messages; undefined for video and for codecs that are only passed through. */
export function audioFourCcOf(codec: Codec): AudioFourCc | undefined {
  return typeof codec === 'string' && codec in AUDIO ? AUDIO[codec as AudioCodec] : undefined;
}

/** The codec of a part of an FLV tag: one of ours by its FourCC, or one that is only passed through (`flv-audio-11`). */
export function codecNamed(name: VideoFourCc | AudioFourCc | LegacyVideoCodec | LegacyAudioCodec): Codec {
  return CODECS.get(name) ?? { unknown: name };
}
