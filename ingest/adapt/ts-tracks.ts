import type { TsStream } from '../protocol/mpegts/demuxer.ts';
import type { TrackOutput } from './track-output.ts';
import { FramedAudioTrack } from './ts-audio.ts';
import { ADTS, ac3Syntax, latmSyntax, MPEG_AUDIO } from './ts-audio-syntax.ts';
import { Av1Track } from './ts-av1.ts';
import { OpusTrack } from './ts-opus.ts';
import type { TsTrack } from './ts-track.ts';
import { NalTrack } from './ts-video.ts';

/** What reads a stream of this kind. */
export function openTsTrack({ kind, descriptors }: TsStream, output: TrackOutput): TsTrack {
  switch (kind) {
    case 'h264':
    case 'h265':
    case 'h266':
      return new NalTrack(kind, output);
    case 'av1':
      return new Av1Track(output);
    case 'aac-adts':
      return new FramedAudioTrack(ADTS, output);
    case 'aac-latm':
      return new FramedAudioTrack(latmSyntax(), output);
    case 'mpeg-audio':
      return new FramedAudioTrack(MPEG_AUDIO, output);
    case 'ac3':
    case 'eac3':
      return new FramedAudioTrack(ac3Syntax(kind), output);
    case 'opus':
      return new OpusTrack(descriptors, output);
  }
}
