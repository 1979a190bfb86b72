import { describeCodec } from '../codec/describe.ts';
import { type Codec, type ConfigEvent, isVideoTrack, type MetadataEvent, trackId } from '../media/media-event.ts';
import { fourCcNumber } from '../protocol/flv/four-cc.ts';
import { audioFourCcOf, videoFourCcOf } from './codec-four-cc.ts';
import { encodeMetadata } from './data-message.ts';

/**
 * onMetaData for a publisher that sends none, as RTMP players expect it: which kinds of track there are, and of the first of each kind what
 * its configuration says.
 */
export function describedMetadata(
  kinds: { readonly hasVideo: boolean; readonly hasAudio: boolean },
  configs: readonly ConfigEvent[],
): MetadataEvent {
  const values = new Map<string, unknown>(Object.entries(kinds));
  for (const { track, codec, record } of configs) {
    if (trackId(track) !== 0 || typeof codec !== 'string') continue;
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
  return encodeMetadata(values);
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
