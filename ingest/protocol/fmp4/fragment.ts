import { crc32 } from 'node:zlib';
import { ByteWriter } from '../../bytes/byte-writer.ts';
import { Fault } from '../../runtime/fault.ts';
import { encodeFragmentBox, FRAGMENT_BOX_CRC_AT, type FragmentReach } from './integrity-box.ts';

/** One access unit of a track. Times are 90 kHz ticks. */
export interface Mp4Sample {
  /** On the file's own time; not negative. Only a run's first one is stored, the others follow from the durations. */
  readonly dts: number;
  /** To the next sample's DTS. */
  readonly duration: number;
  /** PTS − DTS, as the source has it; may be negative. */
  readonly compositionOffset: number;
  readonly key: boolean;
  readonly data: Buffer;
  /** Put before `data` in the same sample: parameter sets, length-prefixed like it. */
  readonly prefix?: Buffer;
}

/** Consecutive samples of one track: each `dts` is the one before plus its duration. The main track's run comes first. */
export interface TrackRun {
  readonly trackId: number;
  readonly samples: readonly Mp4Sample[];
}

/** A timed message kept as an event message box (`emsg`, ISO 23009-1 §5.10.3.3). */
export interface TimedEvent {
  /** On the file's own time, 90 kHz ticks. */
  readonly dts: number;
  readonly data: Buffer;
}

/** A fragment as it goes into the file: one writev. The payloads are the caller's own buffers. */
export interface EncodedFragment {
  readonly buffers: readonly Buffer[];
  readonly bytes: number;
  /** First DTS and end of the last sample, all tracks, 90 kHz ticks on the file's own time. */
  readonly start: number;
  readonly end: number;
  readonly key: boolean;
}

/** `scheme_id_uri` of the event messages that hold RTMP data messages (AMF0), whole. */
export const RTMP_DATA_SCHEME = 'urn:headwater:rtmp-data';

/** Ticks per second of every track and event. */
export const MP4_TIMESCALE = 90_000;

const MDAT_HEAD_BYTES = 8;
const MOOF_HEAD_BYTES = 24;
const TRAF_HEAD_BYTES = 68;
const SAMPLE_BYTES = 16;
/** emsg version 1 up to its message: header, times, id, the scheme and the empty value with their terminators. */
const EVENT_HEAD_BYTES = 12 + 20 + RTMP_DATA_SCHEME.length + 2;
const MAX_FRAGMENT_BYTES = 2 ** 31 - 1;
/** tfhd: default-base-is-moof, default sample flags present (ISO 14496-12 §8.8.7). */
const TFHD_FLAGS = 0x02_00_20;
/** trun: data offset, sample durations and sizes present; flags and composition offsets where they differ (§8.8.8). */
const TRUN_FLAGS = 0x00_03_01;
const TRUN_SAMPLE_FLAGS = 0x00_04_00;
const TRUN_COMPOSITION_OFFSETS = 0x00_08_00;
/** sample_depends_on 2: needs no other sample; 1 with sample_is_non_sync_sample: needs others (§8.8.3.1). */
const SYNC_SAMPLE = 0x02_00_00_00;
const NON_SYNC_SAMPLE = 0x01_01_00_00;
const UNKNOWN_DURATION = 0xffff_ffff;

/**
 * `emsg* moof mdat uuid` (ISO 14496-12 §8.8) with the payloads as views. `sequence` counts the file's fragments from 1.
 * Composition offsets are stored as given, signed (version 1 `trun`): nothing is shifted, so audio and video keep the source's distance.
 * Runs without samples are left out. `reach` where it is not told: all frames there are come in order.
 * @throws Fault ERR_FMP4_FRAGMENT when there is no sample, a time or duration is negative or too large, or the fragment passes 2 GiB.
 */
export function encodeFragment(
  sequence: number,
  runs: readonly TrackRun[],
  events: readonly TimedEvent[] = [],
  reach?: FragmentReach,
): EncodedFragment {
  const filled = runs.filter((run) => run.samples.length > 0);
  if (filled.length === 0) throw new Fault('ERR_FMP4_FRAGMENT', 'a fragment needs at least one sample');
  const writer = new ByteWriter(headSize(filled, events));
  for (const [index, event] of events.entries()) writeEvent(writer, event, index);
  const moofAt = writer.length;
  const offsetsAt = writeMoof(writer, sequence, filled);
  let offset = writer.length - moofAt + MDAT_HEAD_BYTES;
  for (const [index, run] of filled.entries()) {
    writer.patchU32(offsetsAt[index] as number, offset);
    offset += payloadBytes(run);
  }
  const bytes = moofAt + offset;
  if (bytes > MAX_FRAGMENT_BYTES) throw new Fault('ERR_FMP4_FRAGMENT', `a fragment of ${bytes} bytes`);
  writer.u32(bytes - writer.length).latin1('mdat');

  const { start, end, ...own } = timesOf(filled);
  const { allFrom, allThrough } = reach ?? own;
  const buffers: Buffer[] = [writer.finish()];
  for (const run of filled) {
    for (const sample of run.samples) {
      if (sample.prefix !== undefined) buffers.push(sample.prefix);
      buffers.push(sample.data);
    }
  }
  const key = (filled[0] as TrackRun).samples[0]?.key ?? false;
  const mark = encodeFragmentBox({ sequence, bytes, start, end, allFrom, allThrough, key });
  let crc = 0;
  for (const buffer of buffers) crc = crc32(buffer, crc);
  mark.writeUInt32BE(crc32(mark.subarray(0, FRAGMENT_BOX_CRC_AT), crc), FRAGMENT_BOX_CRC_AT);
  buffers.push(mark);
  return { buffers, bytes: bytes + mark.length, start, end, key };
}

function writeEvent(writer: ByteWriter, event: TimedEvent, id: number): void {
  if (!(event.dts >= 0)) throw new Fault('ERR_FMP4_FRAGMENT', `an event at ${event.dts} ticks`);
  const size = EVENT_HEAD_BYTES + event.data.length;
  writer.u32(size).latin1('emsg').u8(1).u24(0).u32(MP4_TIMESCALE).u64(event.dts).u32(UNKNOWN_DURATION).u32(id);
  writer.latin1(RTMP_DATA_SCHEME).u8(0).u8(0).bytes(event.data);
}

/** Returns where each run's data offset stands: it is known only when the whole moof is. */
function writeMoof(writer: ByteWriter, sequence: number, runs: readonly TrackRun[]): number[] {
  const moofAt = writer.length;
  writer.u32(0).latin1('moof').u32(16).latin1('mfhd').u32(0).u32(sequence);
  const offsetsAt = runs.map((run) => writeTraf(writer, run));
  writer.patchU32(moofAt, writer.length - moofAt);
  return offsetsAt;
}

function writeTraf(writer: ByteWriter, run: TrackRun): number {
  const first = run.samples[0] as Mp4Sample;
  if (!(first.dts >= 0 && Number.isSafeInteger(first.dts))) {
    throw new Fault('ERR_FMP4_FRAGMENT', `track ${run.trackId} starts at ${first.dts} ticks`);
  }
  const allKeys = run.samples.every((sample) => sample.key);
  const mixed = !allKeys && run.samples.some((sample) => sample.key);
  const shifted = run.samples.some((sample) => sample.compositionOffset !== 0);
  const trafAt = writer.length;
  writer.u32(0).latin1('traf');
  writer
    .u32(20)
    .latin1('tfhd')
    .u32(TFHD_FLAGS)
    .u32(run.trackId)
    .u32(allKeys ? SYNC_SAMPLE : NON_SYNC_SAMPLE);
  writer.u32(20).latin1('tfdt').u32(0x01_00_00_00).u64(first.dts);
  const trunAt = writer.length;
  const flags = TRUN_FLAGS | (mixed ? TRUN_SAMPLE_FLAGS : 0) | (shifted ? TRUN_COMPOSITION_OFFSETS : 0);
  writer.u32(0).latin1('trun').u8(1).u24(flags).u32(run.samples.length);
  const offsetAt = writer.length;
  writer.u32(0);
  for (const sample of run.samples) {
    if (!fitsInTrun(sample))
      throw new Fault('ERR_FMP4_FRAGMENT', `a sample of track ${run.trackId} at ${sample.dts} ticks`);
    writer.u32(sample.duration).u32(sampleBytes(sample));
    if (mixed) writer.u32(sample.key ? SYNC_SAMPLE : NON_SYNC_SAMPLE);
    if (shifted) writer.u32(sample.compositionOffset);
  }
  writer.patchU32(trunAt, writer.length - trunAt);
  writer.patchU32(trafAt, writer.length - trafAt);
  return offsetAt;
}

/** Whether duration and composition offset fit into the 32 bits they have. */
function fitsInTrun({ duration, compositionOffset }: Mp4Sample): boolean {
  return duration >= 0 && duration <= 0xffff_ffff && compositionOffset === (compositionOffset | 0);
}

function timesOf(runs: readonly TrackRun[]): { start: number; end: number; allFrom: number; allThrough: number } {
  const firsts = runs.map(({ samples }) => (samples[0] as Mp4Sample).dts);
  const ends = runs.map(({ samples }) => {
    const last = samples.at(-1) as Mp4Sample;
    return last.dts + last.duration;
  });
  return {
    start: Math.min(...firsts),
    end: Math.max(...ends),
    allFrom: Math.max(...firsts),
    allThrough: Math.min(...ends),
  };
}

function sampleBytes(sample: Mp4Sample): number {
  return (sample.prefix?.length ?? 0) + sample.data.length;
}

function payloadBytes(run: TrackRun): number {
  return run.samples.reduce((sum, sample) => sum + sampleBytes(sample), 0);
}

/** Enough for everything before the payload: what is not used is a few bytes. */
function headSize(runs: readonly TrackRun[], events: readonly TimedEvent[]): number {
  const trafs = runs.reduce((sum, run) => sum + TRAF_HEAD_BYTES + run.samples.length * SAMPLE_BYTES, 0);
  const emsgs = events.reduce((sum, event) => sum + EVENT_HEAD_BYTES + event.data.length, 0);
  return MOOF_HEAD_BYTES + MDAT_HEAD_BYTES + trafs + emsgs;
}
