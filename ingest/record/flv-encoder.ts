import { messageOf, type OutMessage } from '../adapt/media-to-rtmp.ts';
import { isVideoTrack, type Track } from '../media/media-event.ts';
import { encodeFlvFragment, encodeFlvStart } from '../protocol/flv/file.ts';
import type { FlvTag } from '../protocol/flv/file-tag.ts';
import type { FragmentReach } from '../protocol/fmp4/integrity-box.ts';
import { flvPatches, type Patch } from '../spool/flv-patch.ts';
import type {
  EncoderPlan,
  FragmentBytes,
  RecordedFrame,
  RecordedMessage,
  SegmentEncoder,
  SegmentStart,
} from './segment-format.ts';

const TICKS_PER_MS = 90;

/** An FLV segment, all tracks (FLV 10.1 §E, E-RTMP v2). @throws Fault ERR_FLV_FILE when something does not fit into a tag */
export class FlvEncoder implements SegmentEncoder {
  readonly start: SegmentStart;
  readonly #mainTrack: Track | undefined;
  #sequence = 0;

  constructor({ tracks, description, metadata }: EncoderPlan) {
    this.#mainTrack = tracks[0]?.config.track;
    const headers: Pick<FlvTag, 'type' | 'body'>[] = [];
    for (const track of tracks) {
      for (const event of [track.metadata, track.config]) {
        const message = event && messageOf(event, 'full');
        if (message) headers.push({ type: message.type, body: bodyOf(message) });
      }
    }
    this.start = encodeFlvStart({
      description,
      metadata,
      codecs: tracks.map(({ config }) => (typeof config.codec === 'string' ? config.codec : config.codec.unknown)),
      hasVideo: tracks.some(({ config }) => isVideoTrack(config.track)),
      hasAudio: tracks.some(({ config }) => !isVideoTrack(config.track)),
      headers,
    });
  }

  fragment(
    frames: readonly RecordedFrame[],
    messages: readonly RecordedMessage[],
    reach: FragmentReach,
  ): FragmentBytes {
    const tags: FlvTag[] = messages.map(({ dts, data }) => ({ type: 18, timestamp: msOf(dts), body: data }));
    let start = Number.POSITIVE_INFINITY;
    let end = 0;
    for (let i = 0; i < frames.length; i++) {
      const { event, dts, duration } = frames[i]!;
      start = Math.min(start, dts);
      end = Math.max(end, dts + duration);
      const message = messageOf(event, 'full');
      if (message) tags.push({ type: message.type, timestamp: msOf(dts), body: bodyOf(message) });
    }
    // Tracks wait for their next frame each on its own: in the file they stand by time. The sort is stable.
    tags.sort((a, b) => a.timestamp - b.timestamp);
    const key = frames.find((frame) => frame.event.track === this.#mainTrack)?.event.key ?? false;
    this.#sequence += 1;
    return { ...encodeFlvFragment(this.#sequence, tags, { ...reach, start, end, key }), start, end };
  }

  patches(durationTicks: number, fileBytes: number): readonly Patch[] {
    return flvPatches(durationTicks, fileBytes);
  }
}

function msOf(dts: number): number {
  return Math.round(dts / TICKS_PER_MS);
}

/** The whole tag body. Publishers' own bodies pass uncopied; only what came as a message of many tracks is put together anew. */
function bodyOf({ head, body }: OutMessage): Buffer {
  if (head.length === 0) return body;
  const whole = Buffer.allocUnsafe(head.length + body.length);
  head.copy(whole);
  body.copy(whole, head.length);
  return whole;
}
