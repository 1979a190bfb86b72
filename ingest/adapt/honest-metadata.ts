import type { MetadataEvent } from '../media/media-event.ts';
import { encodeMetadata } from './data-message.ts';

const VIDEO_KEYS = ['width', 'height', 'framerate', 'videocodecid', 'videodatarate', 'hasVideo'];
const AUDIO_KEYS = [
  'audiocodecid',
  'audiodatarate',
  'audiosamplerate',
  'audiosamplesize',
  'audiochannels',
  'stereo',
  'hasAudio',
];

/** The stream's description without what it says of tracks that do not exist: a player waits for them, ffmpeg for minutes. */
export function withoutKinds(
  event: MetadataEvent,
  missing: { readonly video: boolean; readonly audio: boolean },
): MetadataEvent {
  const keys = new Set([...(missing.video ? VIDEO_KEYS : []), ...(missing.audio ? AUDIO_KEYS : [])]);
  return encodeMetadata(new Map([...event.values].filter(([key]) => !keys.has(key))));
}
