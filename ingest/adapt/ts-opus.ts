import { encodeOpusHead, OPUS_SAMPLE_RATE, opusPacketSamples } from '../codec/opus.ts';
import { TICKS_PER_SECOND } from '../media/media-event.ts';
import { readOpusUnit } from '../protocol/mpegts/opus-unit.ts';
import type { PesUnit } from '../protocol/mpegts/pes.ts';
import type { Descriptor } from '../protocol/mpegts/psi.ts';
import { opusChannelCode } from '../protocol/mpegts/stream-kind.ts';
import type { TrackOutput } from './track-output.ts';
import type { TsTrack } from './ts-track.ts';

const TICKS_PER_SAMPLE = TICKS_PER_SECOND / OPUS_SAMPLE_RATE;
/** What the channel configuration is where the program does not say. */
const STEREO = 2;

/** Opus: access units with a control header each; none straddles PES packets. */
export class OpusTrack implements TsTrack {
  readonly output: TrackOutput;
  readonly #channels: number;
  /** Source time of the next packet. */
  #next: number | undefined;

  constructor(descriptors: readonly Descriptor[], output: TrackOutput) {
    this.output = output;
    this.#channels = opusChannelCode(descriptors) ?? STEREO;
  }

  onUnit(unit: PesUnit): void {
    this.#next = unit.pts ?? this.#next;
    let at = unit.from;
    while (at < unit.to && this.#next !== undefined) {
      const packet = readOpusUnit(unit.bytes, at, unit.to);
      if (packet === undefined) {
        this.output.skip('ERR_TS_AUDIO_SYNC');
        this.output.lose(this.#next);
        return;
      }
      this.#send(packet.data, packet.startTrim, unit.arrivedAt);
      at = packet.end;
    }
  }

  onDamage(partial: PesUnit | undefined): void {
    this.output.lose(partial?.pts ?? this.#next);
  }

  #send(data: Buffer, startTrim: number, arrivedAt: number): void {
    const samples = opusPacketSamples(data);
    const time = this.#next!;
    if (samples === 0) return;
    this.#next = time + samples * TICKS_PER_SAMPLE;
    if (this.output.config === undefined) {
      const head = encodeOpusHead(this.#channels, startTrim);
      if (head === undefined) {
        this.output.skip('ERR_TS_UNSUPPORTED');
        return;
      }
      this.output.configure('opus', head);
    }
    this.output.frame({ dts: time, pts: time, key: true, data, arrivedAt });
  }
}
