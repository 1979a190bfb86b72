import { expectDecodes, type FfmpegVersion } from './ffmpeg.ts';
import type { HashedFrame } from './frame-md5.ts';
import { expectSync, expectWhole, type PacketFilter, packetsOf, packetsOfAll } from './media-compare.ts';
import type { StoredRecording } from './recording.ts';
import { type Witnessed, witness } from './witness.ts';

/** How a source is read: with which ffmpeg, and what its video has to pass to be compared with what MP4 holds. */
export interface SourceKind {
  readonly version?: FfmpegVersion;
  readonly filter?: PacketFilter;
  /** `v:0` and `a:0`, unless said. */
  readonly streams?: readonly string[];
}

/**
 * Proves that the segments of a recording, each read by itself, hold the whole of a source: every packet of every stream, in order, at its
 * time, and sound, from the first picture on, in step with it. Each of them decodes without a word, and mediabunny reads it from a keyframe on.
 * @throws Error that says what is wrong.
 */
export async function expectRecorded(
  recording: StoredRecording,
  source: string,
  kind: SourceKind = {},
): Promise<Witnessed[]> {
  const { version = 'ffmpeg', filter = 'h264', streams = ['v:0', 'a:0'] } = kind;
  const files = recording.segments.map((each) => each.file);
  const pairs: { got: HashedFrame[]; want: HashedFrame[] }[] = [];
  for (const stream of streams) {
    const how = { version, ...(stream.startsWith('v') && { filter }) };
    const [got, want] = [await packetsOfAll(files, stream, how), await packetsOf(source, stream, how)];
    expectWhole(got, want, `${stream} in the recording`, pairs[0]?.want[0]?.dts);
    pairs.push({ got, want });
  }
  const [first, ...others] = pairs;
  for (const other of others) expectSync([first!.got, other.got], [first!.want, other.want]);
  const seen: Witnessed[] = [];
  for (const file of files) {
    await expectDecodes(file, { version });
    const tracks = await witness(file);
    if (tracks.length !== streams.length) throw new Error(`mediabunny sees ${tracks.length} tracks in ${file}`);
    const late = tracks.find((track) => !track.firstIsKey);
    if (late) throw new Error(`${late.type} of ${file} does not start on a keyframe`);
    seen.push(...tracks);
  }
  return seen;
}
