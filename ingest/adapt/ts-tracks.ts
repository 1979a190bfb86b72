import type { TsStream } from '../protocol/mpegts/demuxer.ts';
import { FramedAudioTrack } from './ts-audio.ts';
import { ADTS } from './ts-audio-syntax.ts';
import type { TrackOutput, TsTrack } from './ts-track.ts';
import { NalTrack } from './ts-video.ts';

/** What reads a stream of this kind. */
export function openTsTrack({ kind }: TsStream, output: TrackOutput): TsTrack {
  switch (kind) {
    case 'h264':
    case 'h265':
    case 'h266':
      return new NalTrack(kind, output);
    default:
      return new FramedAudioTrack(ADTS, output);
  }
}
