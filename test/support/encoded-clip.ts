import { joinNalUnits } from '../../ingest/codec/nal-units.ts';
import { encodeFragment, type Mp4Sample, type TimedEvent, type TrackRun } from '../../ingest/protocol/fmp4/fragment.ts';
import { encodeInitSegment } from '../../ingest/protocol/fmp4/init-segment.ts';
import type { Mp4Track } from '../../ingest/protocol/fmp4/mp4-track.ts';
import type { SegmentDescription } from '../../ingest/protocol/fmp4/segment-description.ts';
import type { RealPacket, RealStream } from './real-packets.ts';

/** A description as a segment has it. */
export const DESCRIPTION: SegmentDescription = {
  version: 1,
  path: 'live/test',
  owner: '',
  recording: '20261122T180000Z-1795370400',
  epoch: 1_795_370_400,
  pub: 'a2b3c4d5',
  seq: 3,
  start: '2026-11-22T18:00:12.345Z',
  sourceDtsOffset: -123_456,
  timelineOffset: 0,
  aligned: true,
};

const FRAGMENT_TICKS = 45_000;

interface ClipOptions {
  /** Added to every time, 90 kHz ticks. */
  readonly base?: number;
  /** Parameter sets of the first track, length-prefixed: put before every key frame. */
  readonly prefix?: Buffer;
  readonly events?: readonly TimedEvent[];
}

/** A segment file made of a clip's packets, in fragments of half a second, and where each fragment ends. */
export function encodeClip(
  streams: readonly RealStream[],
  { base = 0, prefix, events }: ClipOptions = {},
): { bytes: Buffer; headerBytes: number; ends: number[] } {
  const tracks = streams.map((stream, index) => trackOf(stream, index + 1));
  const init = encodeInitSegment(tracks, DESCRIPTION, { inBandParameterSets: prefix !== undefined });
  const pieces: Buffer[] = [init.bytes];
  const ends: number[] = [];
  let length = init.bytes.length;
  const last = Math.max(...streams.flatMap(({ packets }) => packets.map(({ dts }) => dts)));
  for (let from = 0, sequence = 1; from <= last; from += FRAGMENT_TICKS, sequence += 1) {
    const runs: TrackRun[] = streams.map((stream, index) => ({
      trackId: index + 1,
      samples: samplesOf(stream.packets, base, index === 0 ? prefix : undefined).filter(
        ({ dts }) => dts - base >= from && dts - base < from + FRAGMENT_TICKS,
      ),
    }));
    if (runs.every(({ samples }) => samples.length === 0)) continue;
    const fragment = encodeFragment(sequence, runs, sequence === 1 ? events : []);
    pieces.push(...fragment.buffers);
    length += fragment.bytes;
    ends.push(length);
  }
  return { bytes: Buffer.concat(pieces), headerBytes: init.bytes.length, ends };
}

/** The track of a clip's stream, as the recorder would describe it. */
export function trackOf({ codec, record, packets }: RealStream, id: number): Mp4Track {
  const name = codec === 'hevc' ? 'h265' : codec;
  // ffprobe gives no record for some codecs, and for others one that publishers do not send.
  const told = ['vp8', 'vp9', 'ac3', 'eac3', 'mp3'].includes(name) ? Buffer.alloc(0) : record;
  return { id, codec: name as Mp4Track['codec'], record: told, firstFrame: packets[0]!.data };
}

function samplesOf(packets: readonly RealPacket[], base: number, prefix: Buffer | undefined): Mp4Sample[] {
  return packets.map((packet, index) => {
    const next = packets[index + 1]?.dts ?? packet.dts + (packet.dts - (packets[index - 1]?.dts ?? packet.dts));
    return {
      dts: packet.dts + base,
      duration: next - packet.dts,
      compositionOffset: packet.pts - packet.dts,
      key: packet.key,
      data: packet.data,
      ...(packet.key && prefix !== undefined && { prefix }),
    };
  });
}

/** Parameter sets as they go in-band. */
export function inBand(units: readonly Buffer[]): Buffer {
  return joinNalUnits(units, 4);
}
