import { withoutTemporalDelimiter } from '../codec/av1.ts';
import {
  audioTrack,
  type Codec,
  type EndCause,
  type FrameEvent,
  type Track,
  ticks,
  ticksOfMs,
  videoTrack,
} from '../media/media-event.ts';
import type { MediaSink } from '../media/publication.ts';
import { Timeline } from '../media/timeline.ts';
import { type AudioTag, encodeAudioTag, parseAudioTag } from '../protocol/flv/audio-tag.ts';
import { encodeVideoTag, parseVideoTag, type VideoTag } from '../protocol/flv/video-tag.ts';
import { ProtocolError, type ProtocolFault } from '../protocol/protocol-error.ts';
import type { MediaMessage } from '../protocol/rtmp/media-message.ts';
import { codecNamed } from './codec-four-cc.ts';
import { isSameCodec } from './config-record.ts';
import { readDataMessage } from './data-message.ts';
import { RtmpTrack } from './rtmp-track.ts';

/** Nanoseconds in a tick of the 90 kHz clock. */
const NANOS_PER_TICK = 100_000 / 9;

/** Configuration records, and metadata of a track, are kept and sent to every joiner: real ones have a few hundred bytes. */
const MAX_HEADER_BYTES = 16 * 1024;
/** Frames that get a longer header than they came with must still fit into a message, whose length has 24 bits. */
const MAX_WRAPPED_BYTES = 0xff_ff_ff - 16;

/** Turns one publisher's RTMP messages into media events, in order. What it does not understand is skipped, and said to `onSkipped`. */
export class RtmpToMedia {
  readonly #sink: MediaSink;
  readonly #onSkipped: (code: ProtocolFault) => void;
  readonly #tracks = new Map<number, RtmpTrack>();
  readonly #timeline: Timeline;
  #lastOpaqueMs = Number.NEGATIVE_INFINITY;
  #isEnded = false;

  constructor(sink: MediaSink, options: { readonly onSkipped: (code: ProtocolFault) => void }) {
    this.#sink = sink;
    this.#onSkipped = options.onSkipped;
    this.#timeline = new Timeline((gap) => sink.onEvent(gap));
  }

  /** Takes a message whose last byte arrived at `arrivedAt` (`performance.now()`, ms). Does nothing after `end`. */
  push(message: MediaMessage, arrivedAt: number): void {
    if (this.#isEnded || message.body.length === 0) return; // an empty audio message means silence
    try {
      switch (message.type) {
        case 8:
          this.#audio(parseAudioTag(message.body), message, arrivedAt);
          break;
        case 9:
          this.#video(parseVideoTag(message.body), message, arrivedAt);
          break;
        case 18:
          this.#data(message);
          break;
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#onSkipped(error.code);
    }
  }

  /** Sends the last event. */
  end(cause: EndCause): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#sink.onEvent({ kind: 'end', cause });
  }

  #video(tag: VideoTag, message: MediaMessage, arrivedAt: number): void {
    for (const part of tag.parts) {
      const { codec: name, trackId, compositionMs, data } = part;
      if (name === undefined) {
        this.#onSkipped('ERR_FLV_UNSUPPORTED');
        continue;
      }
      const codec = codecNamed(name);
      // Private codec ids of the legacy header are known to few players: what has one goes out with an enhanced header.
      const canPass = tag.isEnhanced || codec === 'h264' || typeof codec !== 'string';
      const flvBody = canPass && standsAlone(tag, trackId) ? message.body : undefined;
      const track = this.#track(videoTrack(trackId));
      switch (tag.packet) {
        case 'sequenceStart':
          this.#announce(track, codec, data, flvBody);
          break;
        case 'codedFrames':
        case 'codedFramesX': {
          const key = tag.frameType === 1 || tag.frameType === 4;
          this.#frame(
            track,
            { codec, data, key, compositionMs, nanos: tag.nanos, flvBody },
            message.timestamp,
            arrivedAt,
          );
          break;
        }
        case 'metadata':
          this.#trackMetadata(
            track,
            flvBody ?? encodeVideoTag({ ...tag, multitrack: layoutOf(trackId), parts: [part] }),
          );
          break;
        default: // the end of a sequence, and hints for MPEG-TS and for seeking: nobody here needs them
      }
    }
  }

  #audio(tag: AudioTag, message: MediaMessage, arrivedAt: number): void {
    for (const part of tag.parts) {
      const { codec: name, trackId, data } = part;
      if (name === undefined) {
        this.#onSkipped('ERR_FLV_UNSUPPORTED');
        continue;
      }
      const codec = codecNamed(name);
      const canPass = tag.legacyByte === undefined || codec !== 'opus';
      const flvBody = canPass && standsAlone(tag, trackId) ? message.body : undefined;
      const track = this.#track(audioTrack(trackId));
      switch (tag.packet) {
        case 'sequenceStart':
          this.#announce(track, codec, data, flvBody);
          break;
        case 'codedFrames': {
          const frame = { codec, data, key: true, compositionMs: 0, nanos: tag.nanos, flvBody };
          this.#frame(track, frame, message.timestamp, arrivedAt);
          break;
        }
        case 'multichannelConfig':
          this.#trackMetadata(
            track,
            flvBody ?? encodeAudioTag({ ...tag, multitrack: layoutOf(trackId), parts: [part] }),
          );
          break;
        case 'sequenceEnd':
          break;
      }
    }
  }

  #data(message: MediaMessage): void {
    const read = readDataMessage(message.body);
    if (read.kind === 'metadata') {
      this.#sink.onEvent(read);
      return;
    }
    this.#lastOpaqueMs = Math.max(this.#lastOpaqueMs, this.#timeline.locate(message.timestamp));
    const dts = ticksOfMs(this.#lastOpaqueMs);
    this.#sink.onEvent({ kind: 'opaque', dts, scheme: 'rtmp-data', data: read.data });
  }

  #announce(track: RtmpTrack, codec: Codec, payload: Buffer, flvBody: Buffer | undefined): void {
    const config = payload.length > MAX_HEADER_BYTES ? 'broken' : track.announce(codec, payload, flvBody);
    if (config === 'broken') this.#onSkipped('ERR_FLV_BAD_CONFIG');
    else if (config !== undefined) this.#sink.onEvent(config);
  }

  #trackMetadata(track: RtmpTrack, flvBody: Buffer): void {
    if (flvBody.length > MAX_HEADER_BYTES) this.#onSkipped('ERR_FLV_BAD_CONFIG');
    else if (track.isNewMetadata(flvBody)) this.#sink.onEvent({ kind: 'trackMetadata', track: track.track, flvBody });
  }

  #frame(track: RtmpTrack, frame: IncomingFrame, timestamp: number, arrivedAt: number): void {
    if (frame.data.length === 0) return;
    const admission = track.admit(frame.codec, frame.data);
    if (admission === undefined) {
      this.#onSkipped('ERR_FLV_NO_CONFIG');
      return;
    }
    if (admission.config !== undefined) this.#sink.onEvent(admission.config);
    const dts = ticksOfMs(track.clamp(this.#timeline.advance(timestamp, arrivedAt)));
    const pts = ticks(dts + ticksOfMs(frame.compositionMs) + Math.round(frame.nanos / NANOS_PER_TICK));
    const { codec } = admission;
    const { key } = frame;
    const data = codec === 'av1' ? withoutTemporalDelimiter(frame.data) : frame.data;
    const event: FrameEvent = { kind: 'frame', track: track.track, dts, pts, key, data, arrivedAt, codec };
    // Under a wrong codec's name it can't be passed on as it came.
    const canPass = frame.flvBody !== undefined && isSameCodec(codec, frame.codec);
    if (!canPass && data.length > MAX_WRAPPED_BYTES) {
      this.#onSkipped('ERR_FLV_UNSUPPORTED');
      return;
    }
    this.#sink.onEvent(canPass ? { ...event, flvBody: frame.flvBody } : event);
  }

  #track(track: Track): RtmpTrack {
    let state = this.#tracks.get(track);
    if (state === undefined) {
      state = new RtmpTrack(track);
      this.#tracks.set(track, state);
    }
    return state;
  }
}

/** One track's coded frame, as its tag had it. */
interface IncomingFrame {
  readonly codec: Codec;
  readonly data: Buffer;
  readonly key: boolean;
  readonly compositionMs: number;
  readonly nanos: number;
  readonly flvBody: Buffer | undefined;
}

/** Whether the message holds this track alone, in the form in which viewers are sent it: multitrack only where it must be. */
function standsAlone(tag: VideoTag | AudioTag, trackId: number): boolean {
  return tag.parts.length === 1 && tag.multitrack === layoutOf(trackId);
}

function layoutOf(trackId: number): 'one' | undefined {
  return trackId === 0 ? undefined : 'one';
}
