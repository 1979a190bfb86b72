import { describeCodec } from '../codec/describe.ts';
import {
  type Codec,
  type ConfigEvent,
  isVideoTrack,
  type MetadataEvent,
  type Track,
  trackId,
} from '../media/media-event.ts';
import { fourCcNumber } from '../protocol/flv/four-cc.ts';
import { audioFourCcOf, videoFourCcOf } from './codec-four-cc.ts';
import { encodeMetadata } from './data-message.ts';

/**
 * onMetaData for a publisher that sends none, as RTMP players expect it: which kinds of track there are, and once all of them are configured,
 * what the first of each kind holds. Undefined in between.
 */
export function describedMetadata(
  tracks: readonly { readonly track: Track; readonly config: ConfigEvent | undefined }[],
): MetadataEvent | undefined {
  const configs = tracks.flatMap(({ config }) => config ?? []);
  const isComplete = configs.length === tracks.length;
  if (!isComplete && configs.length > 0) return undefined;
  const values = new Map<string, unknown>([
    ['hasVideo', tracks.some(({ track }) => isVideoTrack(track))],
    ['hasAudio', tracks.some(({ track }) => !isVideoTrack(track))],
  ]);
  for (const config of configs) if (trackId(config.track) === 0) addFacts(values, config);
  return encodeMetadata(values);
}

function addFacts(values: Map<string, unknown>, { track, codec, record }: ConfigEvent): void {
  if (typeof codec !== 'string') return;
  const { width, height, fps, sampleRate, channels } = describeCodec(codec, record) ?? {};
  const facts = isVideoTrack(track)
    ? { width, height, framerate: fps, videocodecid: videoCodecId(codec) }
    : {
        audiosamplerate: sampleRate,
        audiochannels: channels,
        stereo: channels === 2,
        audiocodecid: audioCodecId(codec),
      };
  for (const [key, value] of Object.entries(facts)) if (value !== undefined) values.set(key, value);
}

/** FLV's number where it has one, else the FourCC's (Enhanced RTMP v2). */
function videoCodecId(codec: Codec): number | undefined {
  const name = videoFourCcOf(codec);
  return name === 'avc1' ? 7 : name && fourCcNumber(name);
}

function audioCodecId(codec: Codec): number | undefined {
  const name = audioFourCcOf(codec);
  return name === 'mp4a' ? 10 : name === '.mp3' ? 2 : name && fourCcNumber(name);
}
