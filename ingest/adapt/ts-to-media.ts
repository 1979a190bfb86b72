import { audioTrack, type EndCause, type Track, videoTrack } from '../media/media-event.ts';
import type { TransportSink } from '../media/publication.ts';
import { TsDemuxer, type TsHandler, type TsStream } from '../protocol/mpegts/demuxer.ts';
import { PACKET_BYTES, PacketSync } from '../protocol/mpegts/packet.ts';
import type { PesUnit } from '../protocol/mpegts/pes.ts';
import { isVideoKind } from '../protocol/mpegts/stream-kind.ts';
import type { ProtocolFault } from '../protocol/protocol-error.ts';
import { describedMetadata } from './described-metadata.ts';
import { SourceClock } from './source-clock.ts';
import { type TrackHost, TrackOutput } from './track-output.ts';
import { isEntryPacket } from './ts-entry.ts';
import type { TsTrack } from './ts-track.ts';
import { openTsTrack } from './ts-tracks.ts';

/**
 * Turns one publisher's MPEG transport stream into media events, in order, and hands the stream itself on beside them. Input may be cut
 * anywhere; what is lost on the way is declared, and nothing that lost bytes is passed on as a frame.
 */
export class TsToMedia {
  readonly #sink: TransportSink;
  readonly #onSkipped: (code: ProtocolFault) => void;
  readonly #sync: PacketSync;
  readonly #demuxer: TsDemuxer;
  readonly #host: TrackHost;
  readonly #outputs = new Map<Track, TrackOutput>();
  #tracks = new Map<TsStream, TsTrack>();
  /** The stream whose keyframes are where viewers of the transport stream start. */
  #mainVideo: TsStream | undefined;
  #arrivedAt = 0;
  /** Longest payload so far: what a lost one may have held. */
  #payloadBytes = 0;
  /** The part of the transport stream under way. */
  #partFrom = 0;
  #isPartStart = false;
  #hasPassedOn = false;
  #isEnded = false;

  constructor(sink: TransportSink, options: { readonly onSkipped: (code: ProtocolFault) => void }) {
    this.#sink = sink;
    this.#onSkipped = options.onSkipped;
    this.#sync = new PacketSync({
      onPackets: (bytes, from, to) => this.#packets(bytes, from, to),
      onSyncLost: () => this.#onSkipped('ERR_TS_SYNC_LOST'),
    });
    this.#demuxer = new TsDemuxer(this.#handler());
    this.#host = {
      sink,
      clock: new SourceClock((gap) => sink.onEvent(gap)),
      onSkipped: options.onSkipped,
      onConfigured: () => this.#describe(),
    };
  }

  /** Takes a payload whose last byte arrived at `arrivedAt` (`performance.now()`, ms). Does nothing after `end`. */
  push(payload: Buffer, arrivedAt: number): void {
    if (this.#isEnded) return;
    this.#arrivedAt = arrivedAt;
    if (payload.length > this.#payloadBytes) this.#payloadBytes = payload.length;
    this.#sync.push(payload);
  }

  /** `payloads` of them are missing here. */
  lost(payloads: number): void {
    if (this.#isEnded) return;
    this.#sync.break();
    this.#demuxer.lost(payloads * this.#payloadBytes);
  }

  /** Sends the last event. */
  end(cause: EndCause): void {
    if (this.#isEnded) return;
    this.#sync.break();
    this.#demuxer.end();
    for (const output of this.#outputs.values()) output.end();
    this.#isEnded = true;
    this.#sink.onEvent({ kind: 'end', cause });
  }

  #packets(bytes: Buffer, from: number, to: number): void {
    this.#partFrom = from;
    let at = from;
    if (!this.#hasPassedOn) {
      // Viewers are to know that there is a transport stream before they see events made of it, of which the first packet makes none.
      at += PACKET_BYTES;
      this.#demuxer.push(bytes, from, at, this.#arrivedAt);
      this.#passOn(bytes, at);
      this.#hasPassedOn = true;
    }
    this.#demuxer.push(bytes, at, to, this.#arrivedAt);
    this.#passOn(bytes, to);
  }

  /** Hands on the transport stream up to `to`. */
  #passOn(bytes: Buffer, to: number): void {
    if (to === this.#partFrom) return;
    const isStart = this.#isPartStart;
    this.#sink.onTransport({ data: bytes.subarray(this.#partFrom, to), isStart, tables: this.#demuxer.tables });
    this.#partFrom = to;
    this.#isPartStart = false;
  }

  #handler(): TsHandler {
    return {
      onProgram: (streams) => this.#onProgram(streams),
      onUnit: (stream, unit) => this.#tracks.get(stream)?.onUnit(unit),
      onDamage: (stream, partial: PesUnit | undefined) => this.#tracks.get(stream)?.onDamage(partial),
      onVideoStart: (stream, bytes, at, payload, isRandomAccess) => {
        if (stream !== this.#mainVideo || !(isRandomAccess || isEntryPacket(stream.kind, bytes, at, payload))) return;
        this.#passOn(bytes, at);
        this.#isPartStart = true;
      },
      onDiscontinuity: () => this.#host.clock.flag(),
      onSkipped: this.#onSkipped,
    };
  }

  /** Streams that go on keep their track; a new one gets the first that is free of its kind. */
  #onProgram(streams: readonly TsStream[]): void {
    const before = this.#tracks;
    this.#tracks = new Map();
    for (const stream of streams) {
      const known = before.get(stream);
      if (known !== undefined) this.#tracks.set(stream, known);
    }
    for (const stream of streams) {
      if (!this.#tracks.has(stream)) this.#tracks.set(stream, openTsTrack(stream, this.#freeOutput(stream)));
    }
    this.#mainVideo = streams.find(({ kind }) => isVideoKind(kind));
    this.#describe();
  }

  #freeOutput({ kind }: TsStream): TrackOutput {
    const taken = new Set([...this.#tracks.values()].map(({ output }) => output.track));
    const trackOf = isVideoKind(kind) ? videoTrack : audioTrack;
    let id = 0;
    while (taken.has(trackOf(id))) id++;
    const track = trackOf(id);
    const output = this.#outputs.get(track) ?? new TrackOutput(track, this.#host);
    this.#outputs.set(track, output);
    return output;
  }

  /** Says which kinds of track there are, and what they hold once all are configured. */
  #describe(): void {
    const event = describedMetadata([...this.#tracks.values()].map(({ output }) => output));
    if (event !== undefined) this.#sink.onEvent(event);
  }
}
