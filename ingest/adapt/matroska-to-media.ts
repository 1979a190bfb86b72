import { isAv1Key, withoutTemporalDelimiter } from '../codec/av1.ts';
import { isVp8Key } from '../codec/vp8.ts';
import { isVp9Key } from '../codec/vp9.ts';
import { audioTrack, type Codec, type EndCause, type Track, videoTrack } from '../media/media-event.ts';
import type { MediaSink } from '../media/publication.ts';
import { MatroskaDemuxer, type MatroskaFrame } from '../protocol/matroska/demuxer.ts';
import type { MatroskaTrack } from '../protocol/matroska/track.ts';
import type { ProtocolFault } from '../protocol/protocol-error.ts';
import { readConfig, recordFromFrame } from './config-record.ts';
import { describedMetadata } from './described-metadata.ts';
import { SourceClock } from './source-clock.ts';
import { type TrackHost, TrackOutput } from './track-output.ts';

/** Nanoseconds in a tick of the 90 kHz clock. */
const NANOS_PER_TICK = 100_000 / 9;

/**
 * Codecs by Matroska's names (RFC 9559 §5.1.4.1.21): those that MPEG-TS has no place for, and sound. Not H.264 and H.265: frames here have
 * no decoding time, and they come in a transport stream.
 */
const CODECS = new Map<string, Codec>([
  ['V_VP8', 'vp8'],
  ['V_VP9', 'vp9'],
  ['V_AV1', 'av1'],
  ['A_OPUS', 'opus'],
  ['A_FLAC', 'flac'],
  ['A_AAC', 'aac'],
  ['A_MPEG/L3', 'mp3'],
  ['A_AC3', 'ac3'],
  ['A_EAC3', 'eac3'],
]);

/** Whether a decoder can start at a frame of these; all others are sound. */
const KEY_TESTS = new Map<Codec, (frame: Buffer) => boolean>([
  ['vp8', isVp8Key],
  ['vp9', isVp9Key],
  ['av1', isAv1Key],
]);

/** A track that is read. */
interface Lane {
  readonly codec: Codec;
  readonly output: TrackOutput;
}

/** Turns one publisher's Matroska stream into media events, in order. What is lost on the way is declared. */
export class MatroskaToMedia {
  readonly #sink: MediaSink;
  readonly #host: TrackHost;
  readonly #demuxer: MatroskaDemuxer;
  /** By track number. */
  #lanes = new Map<number, Lane>();
  /** Those of earlier descriptions too: a track's times go on. */
  readonly #outputs = new Map<Track, TrackOutput>();
  #arrivedAt = 0;
  #isEnded = false;

  constructor(sink: MediaSink, options: { readonly onSkipped: (code: ProtocolFault) => void }) {
    this.#sink = sink;
    const clock = new SourceClock((gap) => sink.onEvent(gap));
    const { onSkipped } = options;
    this.#host = { sink, clock, onSkipped, onConfigured: () => this.#describe() };
    this.#demuxer = new MatroskaDemuxer({
      onTracks: (tracks) => this.#onTracks(tracks),
      onFrame: (frame) => this.#onFrame(frame),
      onDamage: (code) => {
        onSkipped(code);
        for (const { output } of this.#lanes.values()) output.lose(undefined);
      },
      onSkipped,
    });
  }

  /** Takes a payload whose last byte arrived at `arrivedAt` (`performance.now()`, ms). Does nothing after `end`. */
  push(payload: Buffer, arrivedAt: number): void {
    if (this.#isEnded) return;
    this.#arrivedAt = arrivedAt;
    this.#demuxer.push(payload);
  }

  /** Payloads are missing here. */
  lost(): void {
    if (!this.#isEnded) this.#demuxer.lost();
  }

  /** Sends the last event. */
  end(cause: EndCause): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    for (const output of this.#outputs.values()) output.end();
    this.#sink.onEvent({ kind: 'end', cause });
  }

  #onTracks(tracks: readonly MatroskaTrack[]): void {
    if (this.#outputs.size > 0) this.#host.clock.flag(); // a stream that begins anew
    this.#lanes = new Map();
    const ids = { video: 0, audio: 0 };
    const announced: [TrackOutput, Codec, Buffer][] = [];
    for (const { number, kind, codecId, codecPrivate, isEncoded } of tracks) {
      if (kind === 'other') continue;
      const codec = CODECS.get(codecId);
      const config = codec && !isEncoded ? readConfig(codec, hasRecord(codec) ? codecPrivate : NOTHING) : undefined;
      if (codec === undefined || config === undefined) {
        this.#host.onSkipped('ERR_MATROSKA_UNSUPPORTED');
        continue;
      }
      const output = this.#output((kind === 'video' ? videoTrack : audioTrack)(ids[kind]++));
      this.#lanes.set(number, { codec, output });
      if (config.record !== 'later') announced.push([output, config.codec, config.record]);
    }
    this.#describe();
    for (const [output, codec, record] of announced) output.configure(codec, record);
  }

  #output(track: Track): TrackOutput {
    const output = this.#outputs.get(track) ?? new TrackOutput(track, this.#host);
    this.#outputs.set(track, output);
    return output;
  }

  #onFrame({ track, nanos, data: block }: MatroskaFrame): void {
    const lane = this.#lanes.get(track);
    const data = lane?.codec === 'av1' ? withoutTemporalDelimiter(block) : block;
    if (lane === undefined || data.length === 0) return;
    const { codec, output } = lane;
    const isKey = KEY_TESTS.get(codec)?.(data) ?? true;
    if (isKey && (output.config === undefined || !hasRecord(codec))) {
      const record = recordFromFrame(codec, data);
      if (record !== undefined) output.configure(codec, record);
    }
    if (output.config === undefined) {
      output.skip('ERR_MATROSKA_NO_KEYFRAME');
      return;
    }
    const time = Math.round(nanos / NANOS_PER_TICK);
    output.frame({ dts: time, pts: time, key: isKey, data, arrivedAt: this.#arrivedAt });
  }

  /** Says which kinds of track there are, and what they hold once all are configured. */
  #describe(): void {
    const outputs = [...this.#lanes.values()].map(({ output }) => output);
    const event = describedMetadata(outputs);
    if (event !== undefined) this.#sink.onEvent(event);
  }
}

const NOTHING = Buffer.alloc(0);

/** Whether CodecPrivate holds the configuration record. VP8 has none and VP9 another one: each keyframe tells. */
function hasRecord(codec: Codec): boolean {
  return codec !== 'vp8' && codec !== 'vp9';
}
