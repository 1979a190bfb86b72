import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseRecording, RECORDING_NAME } from '../../ingest/spool/recording-document.ts';
import { probe } from '../support/ffmpeg.ts';
import type { HashedFrame } from '../support/frame-md5.ts';
import { type PacketFilter, packetsOf, packetsOfAll } from '../support/media-compare.ts';
import type { StoredRecording } from '../support/recording.ts';

const TICKS_PER_MS = 90;
/** Frames of the source have whole milliseconds, those of the recording 90 kHz. */
const TOLERANCE_MS = 1;

/** What a recording holds of a stream of its source, from its first frame on. */
export interface Kept {
  readonly frames: number;
  readonly missing: readonly HashedFrame[];
  /** Of the missing ones, those that lie in no declared gap. */
  readonly undeclared: readonly HashedFrame[];
  /** Milliseconds from the first frame that is kept to the end of the last one. */
  readonly spanMs: number;
}

/**
 * Compares a recording with its source, frame by frame: each one must be the source's, whole, in order and at its time.
 * @throws Error for one that is not.
 */
export async function keptOf(
  recording: StoredRecording,
  source: string,
  stream: 'v:0' | 'a:0',
  filter: PacketFilter,
): Promise<Kept> {
  const how = stream === 'v:0' ? { filter } : {};
  const want = await packetsOf(source, stream, how);
  const got = await packetsOfAll(await filesWith(stream, recording), stream, how);
  const places = new Map(want.map(({ hash }, place) => [hash, place]));
  const first = got[0];
  if (first === undefined) throw new Error(`${stream}: nothing was recorded`);
  const from = placeOf(places, first, stream);
  const offsetMs = first.dts - (want[from] as HashedFrame).dts;
  const kept = new Set<number>();
  let last = from - 1;
  for (const frame of got) {
    const place = placeOf(places, frame, stream);
    if (place <= last) throw new Error(`${stream}: frame ${place} of the source comes after frame ${last}`);
    const wrongBy = frame.dts - offsetMs - (want[place] as HashedFrame).dts;
    if (Math.abs(wrongBy) > TOLERANCE_MS) throw new Error(`${stream}: frame ${place} is ${wrongBy} ms late`);
    kept.add(place);
    last = place;
  }
  const gaps = gapsOf(recording);
  const missing = want.filter((_, place) => place > from && place < last && !kept.has(place));
  const undeclared = missing.filter(({ dts }) => {
    const at = dts + offsetMs;
    return !gaps.some(({ fromMs, toMs }) => at >= fromMs - TOLERANCE_MS && at <= toMs + TOLERANCE_MS);
  });
  const spanMs = (want[last] as HashedFrame).dts - (want[from] as HashedFrame).dts;
  return { frames: got.length, missing, undeclared, spanMs };
}

/** Segments in a recording that have such a stream: where every picture of it was lost, one may hold sound alone. */
async function filesWith(stream: 'v:0' | 'a:0', recording: StoredRecording): Promise<string[]> {
  const type = stream === 'v:0' ? 'video' : 'audio';
  const files: string[] = [];
  for (const { file } of recording.segments) {
    if ((await probe(file)).streams.some(({ codec_type }) => codec_type === type)) files.push(file);
  }
  return files;
}

/** Gaps that a recording declares, on its own time line. */
export function gapsOf(recording: StoredRecording): { readonly fromMs: number; readonly toMs: number }[] {
  const { publications } = parseRecording(readFileSync(join(recording.dir, RECORDING_NAME)));
  return publications
    .flatMap(({ gaps }) => gaps)
    .map(({ from, to = Number.POSITIVE_INFINITY }) => ({ fromMs: from / TICKS_PER_MS, toMs: to / TICKS_PER_MS }));
}

function placeOf(places: ReadonlyMap<string, number>, frame: HashedFrame, stream: string): number {
  const place = places.get(frame.hash);
  if (place === undefined) throw new Error(`${stream}: the frame at ${frame.dts} ms is none of the source's: damaged`);
  return place;
}
